"""The table of a sweep: every combination as CSV, mean and standard error over seeds as Markdown and LaTeX."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikeport.export.shown import Shown
from spikeport.hardware_profiles.output.figure import Figure, figure
from spikeport.hardware_profiles.output.table import Cell, Column, Number, Table, percent, words
from spikeport.toolchain.runs.combinations import Combination, short
from spikeport.toolchain.runs.sweep_figures import (
    CORES,
    INTEGERS,
    MODEL,
    NOT_SHARES,
    SEED,
    Figures,
    Row,
    grouped,
    mean_and_error,
)
from spikeport.toolchain.runs.sweep_picture import picture
from spikeport.toolchain.stages.records import Record

TABLES = ("sweep.csv", "sweep.md", "sweep.tex")
PICTURE = "sweep.svg"


@dataclass(frozen=True, kw_only=True, eq=False)
class Swept(Shown):
    """A sweep: its combinations, what each measured (``records`` by combination and stage), and why some failed."""

    folder: Path
    combinations: tuple[Combination, ...]
    records: Mapping[str, Mapping[str, Record]]
    failed: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Whether every combination ran and every report passed."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each combination that failed."""
        bad = [
            f"{name}: the verdict of stage {stage!r} is bad."
            for name, stages in self.records.items()
            for stage, record in stages.items()
            if record.metrics.get("passed") is False or record.metrics.get("mismatches")
        ]
        return (*(f"{name}: {reason}" for name, reason in self.failed.items()), *bad)

    def text(self) -> str:
        """Return the table with mean and standard error, what failed, and where the files are."""
        failed = ["\n".join(("FAILED:", *self.reasons))] if self.reasons else []
        files = [name for name in (*TABLES, PICTURE) if (self.folder / name).exists()]
        wrote = (
            f"wrote {', '.join(files)} and a folder for each of {len(self.combinations)} combinations to {self.folder}/"
        )
        return "\n\n".join([averaged(self).text(), *failed, wrote])

    def tables(self) -> tuple[Table]:
        """Return means and standard errors, for CSV and LaTeX; sweep.csv in the folder has every combination."""
        return (averaged(self),)

    def picture(self) -> str | None:
        """Return accuracy against cost as SVG, light and dark; None where too little was measured."""
        return picture(self.combinations, grouped(self.combinations, self.records))

    def figures(self) -> tuple[Figure, ...]:
        """Return the picture, for SVG and PDF, where there is one."""
        drawn = self.picture()
        return () if drawn is None else (figure("sweep", "Accuracy against what a mean image costs", drawn),)

    def to_dict(self) -> dict[str, Any]:
        """Return folder, values and metrics of every combination, and the reasons of failures."""
        return {
            "folder": str(self.folder),
            "combinations": [
                {
                    "name": each.name,
                    "values": each.values,
                    "metrics": {name: record.metrics for name, record in self.records.get(each.name, {}).items()},
                }
                for each in self.combinations
            ],
            "failed": dict(self.failed),
        }


def averaged(swept: Swept) -> Table:
    """Return a row for every combination without its seed: means and standard errors."""
    keys = [key for key in swept.combinations[0].values if key != SEED]
    groups = grouped(swept.combinations, swept.records)
    columns = list(dict.fromkeys(column for found in groups.values() for each in found for column in each))
    kept = [column for column in columns or (*MODEL, *INTEGERS) if column in MODEL or _measured(column, groups)]
    return Table(
        name="sweep_means",
        title="Means and standard errors over seeds; shares in per cent",
        columns=[*(words(short(key, keys)) for key in keys), Column(title="runs"), *map(_column, kept)],
        rows=[
            (*names, len(found), *(_mean([each.get(column) for each in found]) for column in kept))
            for names, found in groups.items()
        ],
    )


def _column(name: str) -> Column:
    """Return the column of a figure; one that is no share has its unit in its name."""
    if not name.startswith(NOT_SHARES):
        return percent(name, bare=True)
    return Column(title=name, form=".1f" if name.startswith(CORES) else ",.0f")


def _measured(column: str, groups: Mapping[Row, list[Figures]]) -> bool:
    return any(each.get(column) is not None for found in groups.values() for each in found)


def _mean(values: list[float | None]) -> Cell:
    """Return mean and standard error; nothing where one was not measured, and no error of a single one."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    mean, error = mean_and_error(known)
    return Number(value=mean, error=None if len(known) == 1 else error)


def csv_text(swept: Swept) -> str:
    """Return a line for every combination: its values, every figure of every stage, and why it failed."""
    keys = list(swept.combinations[0].values)
    flat = {name: dict(_flat(records)) for name, records in swept.records.items()}
    columns = list(dict.fromkeys(column for each in flat.values() for column in each))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", *keys, *columns, "failed"])
    for each in swept.combinations:
        found = flat.get(each.name, {})
        values = [each.texts[key] for key in keys]
        writer.writerow([each.name, *values, *(found.get(key, "") for key in columns), swept.failed.get(each.name, "")])
    return text.getvalue()


def _flat(records: Mapping[str, Record]) -> list[tuple[str, Any]]:
    """Return every number of every stage under 'stage.key', and the seconds that it took."""
    return [
        (f"{name}.{key}", value)
        for name, record in records.items()
        for key, value in [*_numbers(record.metrics), ("seconds", record.seconds)]
    ]


def _numbers(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield every number of a table, those of tables in it under 'key.key', those of an epsilon under 'epsilon.key'."""
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{inner}", number) for inner, number in _numbers(value))
        elif key == "epsilons":
            for each in value:
                rest = {name: inner for name, inner in each.items() if name != "epsilon"}
                yield from ((f"eps {each['epsilon']:g}.{inner}", number) for inner, number in _numbers(rest))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield key, value
