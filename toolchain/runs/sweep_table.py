"""The table of a sweep: every combination as CSV, mean and standard error over seeds as Markdown and LaTeX."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikeport.export.shown import Shown
from spikeport.hardware_profiles.columns import table
from spikeport.toolchain.runs.combinations import Combination, short
from spikeport.toolchain.stages.records import Record

SEED = "seed"
TABLES = ("sweep.csv", "sweep.md", "sweep.tex")
PICTURE = "sweep.svg"
Row = tuple[str, ...]
MODEL = ("clean", "robust", "zero weights")
"""Shares of the last network that was measured, in percent."""
INTEGERS = ("integers", "integers, robust")
"""Shares of the integers under the images of the stage 'check', in percent."""
ACCUMULATES, CORES, ENERGY = "accumulates", "cores", "known energy, nJ"
NOT_SHARES = (ACCUMULATES, CORES, ENERGY)
"""Beginnings of columns that hold no share: means over images, by Eq. 12 (fused) and of what a profile knows."""
Figures = dict[str, float | None]


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
        header, rows = averaged(self)
        failed = ["\n".join(("FAILED:", *self.reasons))] if self.reasons else []
        files = [name for name in (*TABLES, PICTURE) if (self.folder / name).exists()]
        wrote = (
            f"wrote {', '.join(files)} and a folder for each of {len(self.combinations)} combinations to {self.folder}/"
        )
        return "\n\n".join([table(header, rows), *failed, wrote])

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


def figures(records: Mapping[str, Record]) -> Figures:
    """Return what was measured, the latest of each: shares, and what an image costs.

    Robust shares by epsilon, in levels of 1/255; ``worst``: the worst case per image over all attacks of a suite.
    """
    found: Figures = dict.fromkeys((*MODEL, *INTEGERS))
    for record in records.values():
        metrics = record.metrics
        if "clean" in metrics:
            keys = zip(MODEL, ("clean", "robust", "sparsity"), strict=True)
            found |= {column: metrics.get(key) for column, key in keys}
        if record.stage == "check":
            found |= dict(zip(INTEGERS, (metrics["accuracy"]["integer"], metrics.get("robust")), strict=True))
        for each in metrics.get("epsilons", ()):
            column = f"{'worst' if 'network_error' in each else each['attack']}, {each['epsilon']:g}"
            found |= {column: each["network"], f"integers, {column}": each["integer"]}
        if record.stage == "report" and ACCUMULATES in metrics:
            found[ACCUMULATES] = metrics[ACCUMULATES]
            found |= {f"{CORES}, {name}": cores for name, cores in metrics["cores"].items()}
            found |= {f"{ENERGY}, {name}": 1e9 * joules for name, joules in metrics["joules"].items()}
    return found


def averaged(swept: Swept) -> tuple[Row, list[Row]]:
    """Return a header, and a row for every combination without its seed: means and standard errors."""
    keys = [key for key in swept.combinations[0].values if key != SEED]
    groups = grouped(swept)
    columns = list(dict.fromkeys(column for found in groups.values() for each in found for column in each))
    kept = [column for column in columns or (*MODEL, *INTEGERS) if column in MODEL or _measured(column, groups)]
    rows = [
        (*names, str(len(found)), *(_mean(column, [each.get(column) for each in found]) for column in kept))
        for names, found in groups.items()
    ]
    return (*(short(key, keys) for key in keys), "runs", *kept), rows


def grouped(swept: Swept) -> dict[Row, list[Figures]]:
    """Return the figures of all seeds by the other values of their combinations, those that ran."""
    keys = [key for key in swept.combinations[0].values if key != SEED]
    groups: dict[Row, list[Figures]] = {}
    for each in swept.combinations:
        own = groups.setdefault(tuple(each.texts[key] for key in keys), [])
        if each.name in swept.records:
            own.append(figures(swept.records[each.name]))
    return groups


def _measured(column: str, groups: Mapping[Row, list[Figures]]) -> bool:
    return any(each.get(column) is not None for found in groups.values() for each in found)


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error, ``s / sqrt(n)``; 0 of one value."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, 0.0
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return mean, deviation / math.sqrt(len(values))


def _mean(column: str, values: list[float | None]) -> str:
    """Return mean and standard error, of shares in percent; nothing where one was not measured."""
    share = not column.startswith(NOT_SHARES)
    known = [100 * value if share else value for value in values if value is not None]
    if not known or len(known) < len(values):
        return ""
    digits = ".1f" if share or column.startswith(CORES) else ",.0f"
    mean, error = mean_and_error(known)
    return f"{mean:{digits}}" if len(known) == 1 else f"{mean:{digits}} ± {error:{digits}}"


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


def markdown(header: Row, rows: list[Row]) -> str:
    """Return the table in Markdown."""
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(header: Row, rows: list[Row]) -> str:
    """Return the table in LaTeX (tabular, no packages)."""
    lines = [" & ".join(map(_escaped, line)) + r" \\" for line in (header, *rows)]
    keys = header.index("runs")
    head = f"\\begin{{tabular}}{{{'l' * keys}{'r' * (len(header) - keys)}}}"
    return "\n".join([head, r"\hline", lines[0], r"\hline", *lines[1:], r"\hline", r"\end{tabular}"]) + "\n"


def _escaped(text: str) -> str:
    for sign in "&%$#_{}":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("±", r"$\pm$")
