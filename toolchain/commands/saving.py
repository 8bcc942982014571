"""The options that put the tables and figures of a result into folders; `Saving.save` writes them, for every verb."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from spikeport.hardware_profiles.output.writing import WithTables

Csv = Annotated[Path | None, typer.Option("--csv", help="Folder for every table as CSV, numbers in full.")]
Latex = Annotated[Path | None, typer.Option("--latex", help="Folder for every table as LaTeX (booktabs).")]
Figures = Annotated[
    Path | None,
    typer.Option("--save-figures", help="Folder for every figure as SVG, and as PDF with the extra 'figures'."),
]


@dataclass(frozen=True, kw_only=True)
class Saving:
    """Where tables and figures of a result go; None: nowhere."""

    csv: Path | None = None
    latex: Path | None = None
    figures: Path | None = None

    def save(self, done: Any) -> str:
        """Write what was asked for, and return sentences that say so behind an empty line; nothing for nothing."""
        lines = [*self._tables(done), *self._figures(done)]
        return "\n\n" + "\n".join(lines) if lines else ""

    def _tables(self, done: "WithTables") -> Sequence[str]:
        if self.csv is None and self.latex is None:
            return ()
        from spikeport.hardware_profiles.output.writing import write_tables

        return write_tables(done, csv=self.csv, latex=self.latex)

    def _figures(self, done: Any) -> Sequence[str]:
        if self.figures is None:
            return ()
        from spikeport.hardware_profiles.output.writing import write_figures

        return write_figures(done, self.figures)


def saving(csv: Csv = None, latex: Latex = None, save_figures: Figures = None) -> Saving:
    """Return where tables and figures go; a place that takes no files is refused before the work begins."""
    if any(each is not None for each in (csv, latex, save_figures)):
        from spikeport.hardware_profiles.output.writing import check_folder

        for each in (csv, latex, save_figures):
            if each is not None:
                check_folder(each)
    return Saving(csv=csv, latex=latex, figures=save_figures)


def saving_tables(csv: Csv = None, latex: Latex = None) -> Saving:
    """Return where tables go, of a verb that draws nothing."""
    return saving(csv, latex)
