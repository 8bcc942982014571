"""Progress of long work: a bar on a terminal, plain lines elsewhere, nothing for work under two seconds."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
QUIET_SECONDS = 2.0
LINE_SECONDS = 10.0


class Progress:
    """Follow one stage; ``enabled=False`` silences it."""

    def __init__(self, title: str, *, enabled: bool = True) -> None:
        self.title = title
        self.enabled = enabled
        self.started = time.monotonic()
        self._shown = self.started

    def track(self, items: Sequence[Item]) -> Iterator[Item]:
        """Yield ``items``, showing how many are done."""
        for index, item in enumerate(items):
            yield item
            self.update(index + 1, len(items))

    def update(self, done: int, total: int) -> None:
        """Show ``done`` of ``total``."""
        elapsed = time.monotonic() - self.started
        if not self.enabled or elapsed < QUIET_SECONDS:
            return
        if sys.stderr.isatty():
            self._bar(done, total, elapsed)
        elif time.monotonic() - self._shown >= LINE_SECONDS or done == total:
            self._shown = time.monotonic()
            left = f", {elapsed / done * (total - done):.0f} s left" if 0 < done < total else ""
            print(f"{self.title}: {done} of {total}, {elapsed:.0f} s{left}", file=sys.stderr, flush=True)

    def _bar(self, done: int, total: int, elapsed: float) -> None:
        filled = 30 * done // total
        left = elapsed / done * (total - done) if done else 0.0
        bar = "#" * filled + "." * (30 - filled)
        end = "\n" if done == total else ""
        print(f"\r{self.title:<24} [{bar}] {done}/{total}, {left:.0f} s left ", end=end, file=sys.stderr, flush=True)


def announce(sentence: str) -> None:
    """Say on stderr what is about to happen."""
    print(sentence, file=sys.stderr, flush=True)


def tracked(title: str, items: Iterable[Item], total: int) -> Iterator[Item]:
    """Yield ``items`` of known ``total`` under a progress bar."""
    progress = Progress(title)
    for index, item in enumerate(items):
        yield item
        progress.update(index + 1, total)
