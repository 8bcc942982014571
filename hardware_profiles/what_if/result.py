"""All rows of a what-if, in a table and as a picture of the trade-off between accuracy and energy."""

from collections.abc import Iterator, Sequence
from typing import Any

from spikeport.export.shown import Shown
from spikeport.hardware_profiles.counting import MODES
from spikeport.hardware_profiles.energy import cell
from spikeport.hardware_profiles.evidence import LEGEND
from spikeport.hardware_profiles.output.figure import Figure, figure
from spikeport.hardware_profiles.output.table import Number, Table, percent, three_digits, whole, words
from spikeport.hardware_profiles.output.trade_off import Point, trade_off
from spikeport.hardware_profiles.result import plain
from spikeport.hardware_profiles.shares import Mean
from spikeport.hardware_profiles.what_if.rows import WhatIfRow
from spikeport.hardware_profiles.what_if.text import PRICED, render


class WhatIf(Shown, tuple[WhatIfRow, ...]):
    """The rows: each variation on each profile, the network as it is first."""

    __slots__ = ()

    def text(self) -> str:
        """Return the rows as a text table, and the constants behind the marks of the energies."""
        return render(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the rows as plain data."""
        return {"rows": plain(tuple(self))}

    def tables(self) -> tuple[Table, ...]:
        """Return the one table, for CSV and LaTeX."""
        return (_table(self),)

    def figures(self) -> tuple[Figure, ...]:
        """Return accuracy against energy for each profile; nothing where no labels are known, or nothing is varied."""
        return tuple(_figures(self))


def _table(rows: Sequence[WhatIfRow]) -> Table:
    strategies = list(dict.fromkeys(strategy for row in rows for strategy in row.cores))
    known = any(row.accuracy is not None for row in rows)
    return Table(
        name="what_if",
        title="What a mean image would cost with other steps, more zeros or on another chip, without training",
        columns=[
            *(words("variation"), words("profile")),
            *([percent("accuracy")] if known else []),
            whole("spikes"),
            *(whole(f"Eq. 12 {mode}") for mode in MODES),
            *(whole(f"cores {strategy}") for strategy in strategies),
            *(three_digits(title, "µJ", 1e6) for title in PRICED.values()),
        ],
        rows=[
            [
                *(row.variation, row.profile),
                *([Number(value=row.accuracy or 0.0, error=row.accuracy_error)] if known else []),
                row.spikes,
                *(row.accumulates[mode] for mode in MODES),
                *(row.cores.get(strategy) for strategy in strategies),
                *(cell(row.energy.to_dict(), part) for part in PRICED),
            ]
            for row in rows
        ],
        notes=[LEGEND],
    )


def _figures(rows: Sequence[WhatIfRow]) -> Iterator[Figure]:
    for profile in dict.fromkeys(row.profile for row in rows):
        shown = [row for row in rows if row.profile == profile and row.accuracy is not None]
        points = list(map(_point, shown))
        least = ", at least" if any(row.energy.missing for row in shown) else ""
        if len(points) > 1:
            svg = trade_off(
                points,
                cost=f"known energy{least}, µJ, {profile}",
                robust="",
                errors="bars of a standard error over images",
            )
            yield figure(f"trade_off_{profile}", f"Accuracy against energy on {profile}", svg)


def _point(row: WhatIfRow) -> Point:
    cost = Mean(value=1e6 * row.energy.sum_of_known, error=0.0)
    return Point(name=row.variation, cost=cost, clean=Mean(value=row.accuracy or 0.0, error=row.accuracy_error or 0.0))
