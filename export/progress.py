"""Progress of long work: a bar on a terminal, plain lines elsewhere, nothing for work under two seconds."""

import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
QUIET_SECONDS = 2.0
LINE_SECONDS = 10.0
BAR_SECONDS = 0.1
"""How often a bar is drawn at most."""


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
            if time.monotonic() - self._shown >= BAR_SECONDS or done == total:
                self._shown = time.monotonic()
                self._bar(done, total, elapsed)
        elif time.monotonic() - self._shown >= LINE_SECONDS or done == total:
            self._shown = time.monotonic()
            left = f", {duration(elapsed / done * (total - done))} left" if 0 < done < total else ""
            print(f"{self.title}: {done} of {total}, {duration(elapsed)}{left}", file=sys.stderr, flush=True)

    def _bar(self, done: int, total: int, elapsed: float) -> None:
        filled = 30 * done // total
        left = elapsed / done * (total - done) if done else 0.0
        bar = "#" * filled + "." * (30 - filled)
        end = "\n" if done == total else ""
        print(
            f"\r{self.title:<24} [{bar}] {done}/{total}, {duration(left)} left ", end=end, file=sys.stderr, flush=True
        )


def duration(seconds: float) -> str:
    """Return a time for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@contextmanager
def waiting(title: str) -> Iterator[None]:
    """Say every now and then that one piece of work goes on, whose end nobody knows."""
    ended = threading.Event()
    told = threading.Thread(target=_tell, args=(title, ended), daemon=True)
    told.start()
    try:
        yield
    finally:
        ended.set()
        told.join()


def _tell(title: str, ended: threading.Event) -> None:
    """Print how long the work has taken until it has ended; a terminal's line goes with it."""
    started, terminal, line = time.monotonic(), sys.stderr.isatty(), ""
    pause = QUIET_SECONDS if terminal else LINE_SECONDS
    while not ended.wait(pause):
        line = f"{title}: {duration(time.monotonic() - started)} so far"
        print(f"\r{line} " if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)
        pause = 1.0 if terminal else LINE_SECONDS
    if terminal and line:
        print(f"\r{' ' * (len(line) + 1)}\r", end="", file=sys.stderr, flush=True)


def announce(sentence: str) -> None:
    """Say on stderr what is about to happen."""
    print(sentence, file=sys.stderr, flush=True)


def tracked(title: str, items: Iterable[Item], total: int) -> Iterator[Item]:
    """Yield ``items`` of known ``total`` under a progress bar."""
    progress = Progress(title)
    for index, item in enumerate(items):
        yield item
        progress.update(index + 1, total)
