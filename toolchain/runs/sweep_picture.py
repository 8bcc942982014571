"""The picture of a sweep: robust accuracy against what an image costs, a point for every combination of values."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from spikeport.hardware_profiles.columns import percent
from spikeport.toolchain.runs.combinations import short
from spikeport.toolchain.runs.sweep_table import (
    ACCUMULATES,
    ENERGY,
    SEED,
    Figures,
    Row,
    Swept,
    grouped,
    mean_and_error,
)

LEFT, TOP, WIDTH, HEIGHT = 60, 60, 560, 300
"""The panel's place and size in pixels."""
TICKS = 5


@dataclass(frozen=True, kw_only=True)
class Mean:
    """The mean over seeds and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Point:
    """One combination without its seed: its ``name``, its cost, and its robust share."""

    name: str
    cost: Mean
    robust: Mean


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From 0 to a round number above the largest value, over ``length`` pixels."""

    step: float
    length: float

    @property
    def end(self) -> float:
        """The last tick."""
        return TICKS * self.step

    def at(self, value: float) -> float:
        """Return the distance of a value from 0 in pixels."""
        return round(self.length * min(value, self.end) / self.end, 1)


def picture(swept: Swept) -> str | None:
    """Return an SVG; None where fewer than two combinations have both a robust share and a cost."""
    groups = grouped(swept)
    robust, cost = _robust(groups.values()), _cost(groups.values())
    if robust is None or cost is None:
        return None
    keys = [key for key in swept.combinations[0].values if key != SEED]
    found = [_point(name, keys, figures, robust, cost) for name, figures in groups.items()]
    points = [each for each in found if each is not None]
    if len(points) < 2:
        return None
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["percent"] = percent
    return environment.get_template("sweep.svg.j2").render(
        points=points,
        robust=robust,
        cost=cost,
        across=_axis(max(each.cost.value + each.cost.error for each in points), WIDTH),
        up=_axis(1.0, HEIGHT),
        ticks=range(TICKS + 1),
        left=LEFT,
        right=LEFT + WIDTH,
        top=TOP,
        bottom=TOP + HEIGHT,
    )


def _robust(groups: Collection[Sequence[Figures]]) -> str | None:
    """Return the column that says most: the worst case after deployment at the largest epsilon, else the float one."""
    known = {column for found in groups for each in found for column, value in each.items() if value is not None}
    for start in ("integers, worst, ", "worst, "):
        at = {float(column.removeprefix(start)): column for column in known if column.startswith(start)}
        if at:
            return at[max(at)]
    return None


def _cost(groups: Collection[Sequence[Figures]]) -> str | None:
    """Return the column of the energy of the first profile, else that of accumulates."""
    columns = [column for found in groups for each in found for column in each]
    return next((each for start in (ENERGY, ACCUMULATES) for each in columns if each.startswith(start)), None)


def _point(name: Row, keys: Sequence[str], found: Sequence[Figures], robust: str, cost: str) -> Point | None:
    both = [[each.get(column) for each in found] for column in (robust, cost)]
    means = [Mean(value=m, error=e) for m, e in (mean_and_error([v for v in b if v is not None]) for b in both if b)]
    if not found or any(value is None for values in both for value in values):
        return None
    parts = (f"{short(key, keys)} {text}" for key, text in zip(keys, name, strict=True))
    return Point(name=", ".join(parts), robust=means[0], cost=means[1])


def _axis(most: float, length: float) -> Axis:
    """Return an axis whose ticks are 1, 2 or 5 times a power of ten apart."""
    rough = most / TICKS if most > 0 else 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return Axis(step=step, length=length)
