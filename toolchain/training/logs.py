"""The history of a training in files: ``log.csv``, written anew after every epoch, and events for TensorBoard."""

import csv
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spikeport.export.files import write_text


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the history as one level: ``rates/conv1`` for the rate of ``conv1``."""
    return dict(_flattened(row, ""))


def _flattened(row: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def write_csv(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write a line per epoch, whole or not at all."""
    lines = [flat(row) for row in history]
    names = list(dict.fromkeys(name for line in lines for name in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_text(path, text.getvalue())


class Events:
    """TensorBoard's events in ``folder``; a resumed run writes on from ``epoch`` in a file of its own."""

    def __init__(self, folder: Path, epoch: int) -> None:
        from tensorboardX import SummaryWriter  # noqa: PLC0415 - half a second, and only where something is trained

        logging.getLogger("tensorboardX").setLevel(logging.ERROR)
        self._writer = SummaryWriter(str(folder), purge_step=epoch + 1 if epoch else None, filename_suffix=f".{epoch}")

    def add(self, row: Mapping[str, Any]) -> None:
        """Write the numbers of an epoch."""
        for name, value in flat(row).items():
            if name != "epoch":
                self._writer.add_scalar(name, value, row["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        self._writer.close()
