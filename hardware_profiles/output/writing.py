"""Writes the tables and figures of a result into folders, a file each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from spikeport.export.errors import OutputError
from spikeport.export.files import check_place, locked, write_bytes
from spikeport.hardware_profiles.output.csv_text import csv_text
from spikeport.hardware_profiles.output.figure import Figure
from spikeport.hardware_profiles.output.latex import latex as latex_text
from spikeport.hardware_profiles.output.pdf import pdf, why_not
from spikeport.hardware_profiles.output.table import Table

AnyPath = Path | str
MOST_NAMED = 6
"""Files that the sentence about them names."""


class WithTables(Protocol):
    """A result that has tables."""

    def tables(self) -> Sequence[Table]:
        """Return them."""


class WithFigures(Protocol):
    """A result that has figures."""

    def figures(self) -> Sequence[Figure]:
        """Return them."""


def check_folder(folder: AnyPath) -> Path:
    """Return a folder that files can be written to; `OutputError` where it is a file, or cannot be made."""
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path}: is a file; expected a folder, or a name for a new one")
    check_place(path / "table.csv")
    return path


def write_tables(result: WithTables, *, csv: AnyPath | None = None, latex: AnyPath | None = None) -> tuple[str, ...]:
    """Write every table of ``result`` to NAME.csv in the folder ``csv`` and to NAME.tex in ``latex``; return sentences.

    CSV holds numbers in full, units in the heads, errors and marks in columns of their own. LaTeX is a float with
    caption and label, for booktabs. Each file is written whole or not at all. Raises `OutputError` where one cannot be.
    """
    return tuple(
        _written(check_folder(folder), {f"{table.name}{suffix}": make(table).encode() for table in result.tables()})
        for folder, suffix, make in ((csv, ".csv", csv_text), (latex, ".tex", latex_text))
        if folder is not None
    )


def write_figures(result: WithFigures, folder: AnyPath) -> tuple[str, ...]:
    """Write every figure of ``result`` to NAME.svg and NAME.pdf in ``folder``, both as vectors; return sentences.

    Colours are the light ones. PDF needs the extra [figures]; without it SVG is written and a sentence says how to get
    PDF. Raises `OutputError` where a file cannot be written.
    """
    missing, files = why_not(), dict[str, bytes]()
    for each in result.figures():
        files[f"{each.name}.svg"] = each.svg.encode()
        if missing is None:
            files[f"{each.name}.pdf"] = pdf(each.svg)
    said = _written(check_folder(folder), files)
    return (said,) if missing is None or not files else (said, missing)


def _written(folder: Path, files: dict[str, bytes]) -> str:
    if not files:
        return f"nothing to write to {folder}/"
    with locked(folder):
        for name, data in files.items():
            write_bytes(folder / name, data)
    names = list(files)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"wrote {', '.join(names[:MOST_NAMED])}{more} to {folder}/"
