"""The history as it grows: a table on a terminal, a line per epoch elsewhere."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from spikeport.export.progress import Progress, announce

PERCENT = ("train", "clean", "robust", "sparsity")
WIDTH = 8
TIMES = ((3600, "h"), (60, "min"))


class Table:
    """Shows a row per epoch on stderr: loss and its parts, accuracies, sparsity, rates per layer, time left."""

    def __init__(self, title: str, epochs: int) -> None:
        self.title, self.epochs = title, epochs
        self._progress = Progress(title)
        self._widths: dict[str, int] = {}
        self._rows, self._started = 0, time.monotonic()

    def step(self, done: int, steps: int, epoch: int) -> None:
        """Show within an epoch how far it is, on a terminal."""
        if sys.stderr.isatty() and done < steps:
            self._progress.title = f"{self.title} {epoch}/{self.epochs}"
            self._progress.update(done, steps)

    def row(self, row: Mapping[str, Any]) -> None:
        """Show a finished epoch."""
        self._rows += 1
        cells = {"epoch": f"{row['epoch']}/{self.epochs}", **_cells(row), "left": self._left(row["epoch"])}
        if not sys.stderr.isatty():
            told = ", ".join(f"{name} {text}" for name, text in cells.items() if name != "epoch")
            announce(f"{self.title}: epoch {row['epoch']} of {self.epochs}, {told}")
            return
        sys.stderr.write("\r\x1b[K")
        if list(cells) != list(self._widths):
            self._widths = {name: max(len(name), len(text), WIDTH) for name, text in cells.items()}
            announce("  ".join(name.rjust(width) for name, width in self._widths.items()))
        announce("  ".join(cells[name].rjust(width) for name, width in self._widths.items()))

    def _left(self, epoch: int) -> str:
        each = (time.monotonic() - self._started) / self._rows
        return duration(each * (self.epochs - epoch))


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of a row: parts after the loss, rates of all layers in one column."""
    cells = {"loss": f"{row['loss']:.4f}", **{name: f"{value:.4f}" for name, value in row["parts"].items()}}
    taken = {name: f"{100 * row[name]:.1f} %" for name in PERCENT if name in row}
    cells |= {f"{name} accuracy" if name in cells else name: text for name, text in taken.items()}
    if row["rates"]:
        cells["rates %"] = " ".join(f"{100 * rate:.0f}" for rate in row["rates"].values())
    return cells


def duration(seconds: float) -> str:
    """Return seconds in the unit that fits."""
    for unit, name in TIMES:
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"
