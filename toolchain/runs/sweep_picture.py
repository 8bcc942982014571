"""The picture of a sweep: clean and robust accuracy against what an image costs, a point for every combination."""

from collections.abc import Collection, Mapping, Sequence

from spikeport.hardware_profiles.output.trade_off import Point, trade_off
from spikeport.hardware_profiles.shares import Mean
from spikeport.toolchain.runs.combinations import Combination, short
from spikeport.toolchain.runs.sweep_figures import (
    ACCUMULATES,
    ENERGY,
    INTEGERS,
    MODEL,
    SEED,
    Figures,
    Row,
    mean_and_error,
)

ERRORS = "means over seeds, bars of a standard error"


def picture(combinations: Sequence[Combination], groups: Mapping[Row, Sequence[Figures]]) -> str | None:
    """Return an SVG; None where fewer than two combinations have both a share and a cost.

    The clean accuracy is that of the integers, or of the last network where these were not checked.
    """
    robust, clean, cost = _robust(groups.values()), _clean(groups.values()), _cost(groups.values())
    if cost is None:
        return None
    keys = [key for key in combinations[0].values if key != SEED]
    found = [_point(name, keys, figures, (robust, clean, cost)) for name, figures in groups.items()]
    points = [each for each in found if each is not None]
    if len(points) < 2:
        return None
    return trade_off(points, cost=cost, robust=f"robust accuracy ({robust}/255)", errors=ERRORS)


def _known(groups: Collection[Sequence[Figures]]) -> set[str]:
    return {column for found in groups for each in found for column, value in each.items() if value is not None}


def _robust(groups: Collection[Sequence[Figures]]) -> str | None:
    """Return the column that says most: the worst case after deployment at the largest epsilon, else the float one."""
    known = _known(groups)
    for start in ("integers, worst", "worst"):
        at = {float(column.rsplit(", ", 1)[1]): column for column in sorted(known) if column.startswith(start)}
        if at:
            return at[max(at)]
    return None


def _clean(groups: Collection[Sequence[Figures]]) -> str | None:
    known = _known(groups)
    return next((column for column in (INTEGERS[0], MODEL[0]) if column in known), None)


def _cost(groups: Collection[Sequence[Figures]]) -> str | None:
    """Return the column of the energy of the first profile, else that of accumulates."""
    columns = [column for found in groups for each in found for column in each]
    return next((each for start in (ENERGY, ACCUMULATES) for each in columns if each.startswith(start)), None)


def _point(
    name: Row, keys: Sequence[str], found: Sequence[Figures], columns: tuple[str | None, str | None, str]
) -> Point | None:
    """Return a combination's point, None where its cost or both of its shares were not measured for every seed."""
    robust, clean, cost = (_mean(found, column) for column in columns)
    if cost is None or (robust is None and clean is None):
        return None
    parts = (f"{short(key, keys)} {text}" for key, text in zip(keys, name, strict=True))
    return Point(name=", ".join(parts), cost=cost, clean=clean, robust=robust)


def _mean(found: Sequence[Figures], column: str | None) -> Mean | None:
    values = [each.get(column) for each in found] if column is not None else []
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    mean, error = mean_and_error(known)
    return Mean(value=mean, error=error)
