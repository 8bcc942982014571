"""The table of a sweep: every combination as CSV, mean and standard error over seeds as Markdown and LaTeX."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikeport.export.files import write_text
from spikeport.hardware_profiles.columns import table
from spikeport.toolchain.runs.combinations import Combination, short
from spikeport.toolchain.stages.records import Record

SEED = "seed"
FILES = ("sweep.csv", "sweep.md", "sweep.tex")
Row = tuple[str, ...]
COLUMNS = ("clean", "robust", "zero weights", "integers", "integers, robust")
"""Of the last network, then of the integers; shares in percent."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Swept:
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
        wrote = (
            f"wrote {', '.join(FILES)} and a folder for each of {len(self.combinations)} combinations to {self.folder}/"
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


def write_tables(swept: Swept) -> None:
    """Write sweep.csv, sweep.md and sweep.tex to the folder of a sweep."""
    header, rows = averaged(swept)
    texts = (csv_text(swept), markdown(header, rows), latex(header, rows))
    for name, text in zip(FILES, texts, strict=True):
        write_text(swept.folder / name, text)


def figures(records: Mapping[str, Record]) -> dict[str, float | None]:
    """Return the shares of `COLUMNS`, as far as they were measured; the latest of each."""
    found: dict[str, float | None] = dict.fromkeys(COLUMNS)
    for record in records.values():
        metrics = record.metrics
        if "clean" in metrics:
            names = zip(COLUMNS[:3], ("clean", "robust", "sparsity"), strict=True)
            found |= {column: metrics.get(key) for column, key in names}
        if record.stage == "check":
            found |= {"integers": metrics["accuracy"]["integer"], "integers, robust": metrics.get("robust")}
    return found


def averaged(swept: Swept) -> tuple[Row, list[Row]]:
    """Return a header, and a row for every combination without its seed: mean and standard error in percent."""
    keys = [key for key in swept.combinations[0].values if key != SEED]
    groups: dict[Row, list[dict[str, float | None]]] = {}
    for each in swept.combinations:
        own = groups.setdefault(tuple(each.texts[key] for key in keys), [])
        if each.name in swept.records:
            own.append(figures(swept.records[each.name]))
    rows = [
        (*names, str(len(found)), *(_mean([each[column] for each in found]) for column in COLUMNS))
        for names, found in groups.items()
    ]
    return (*(short(key, keys) for key in keys), "runs", *COLUMNS), rows


def _mean(values: list[float | None]) -> str:
    """Return mean and standard error of shares in percent; nothing where one was not measured."""
    known = [100 * value for value in values if value is not None]
    if not known or len(known) < len(values):
        return ""
    mean = sum(known) / len(known)
    if len(known) == 1:
        return f"{mean:.1f}"
    deviation = math.sqrt(sum((value - mean) ** 2 for value in known) / (len(known) - 1))
    return f"{mean:.1f} ± {deviation / math.sqrt(len(known)):.1f}"


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
        for key, value in [*record.metrics.items(), ("seconds", record.seconds)]
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def markdown(header: Row, rows: list[Row]) -> str:
    """Return the table in Markdown."""
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(header: Row, rows: list[Row]) -> str:
    """Return the table in LaTeX (tabular, no packages)."""
    lines = [" & ".join(map(_escaped, line)) + r" \\" for line in (header, *rows)]
    head = f"\\begin{{tabular}}{{{'l' * (len(header) - len(COLUMNS) - 1)}{'r' * (len(COLUMNS) + 1)}}}"
    return "\n".join([head, r"\hline", lines[0], r"\hline", *lines[1:], r"\hline", r"\end{tabular}"]) + "\n"


def _escaped(text: str) -> str:
    for sign in "&%$#_{}":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("±", r"$\pm$")
