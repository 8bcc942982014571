"""The picture of a trade-off: accuracy, clean and robust, against what an image costs, a point for each network."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spikeport.hardware_profiles.output.drawing import amount, round_step, templates
from spikeport.hardware_profiles.shares import Mean

LEFT, TOP, WIDTH, HEIGHT = 64, 92, 560, 300
"""The panel's place and size in pixels."""
LIST = 26
"""Pixels from the panel's left side to the list of points below it."""
CHARACTER = 7.2
"""Pixels that a character of the list takes in the mean, with some to spare."""
TICKS = 5


@dataclass(frozen=True, kw_only=True)
class Point:
    """A network: its ``name``, its cost, and its shares, None where they were not measured."""

    name: str
    cost: Mean
    clean: Mean | None = None
    robust: Mean | None = None

    @property
    def main(self) -> Mean | None:
        """The share that the trade-off is about: the robust one where it is known."""
        return self.clean if self.robust is None else self.robust


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Round numbers from ``start``, ``step`` apart, over ``length`` pixels."""

    start: float
    step: float
    count: int
    length: float

    @classmethod
    def of(cls, least: float, most: float, length: float) -> "Axis":
        """Return the axis around two values."""
        step = round_step(most - least, TICKS)
        start = math.floor(least / step + 1e-9) * step
        return cls(start=start, step=step, count=max(1, math.ceil((most - start) / step - 1e-9)), length=length)

    @property
    def ticks(self) -> list[float]:
        """The round numbers."""
        return [self.start + number * self.step for number in range(self.count + 1)]

    def at(self, value: float) -> float:
        """Return the distance of a value from the start in pixels; what lies beyond an end stands there."""
        share = (value - self.start) / (self.step * self.count)
        return round(self.length * min(max(share, 0.0), 1.0), 1)


def trade_off(points: Sequence[Point], *, cost: str, robust: str, errors: str) -> str:
    """Return the SVG of points that each have a share.

    ``cost`` and ``robust``: what the axis of cost and the robust share are called; ``errors``: what the bars are. The
    dashed line joins the points that no other point beats in both.
    """
    shares = [share for each in points for share in (each.clean, each.robust) if share is not None]
    least = max(0.0, min(share.value - share.error for share in shares))
    most = min(1.0, max(share.value + share.error for share in shares))
    kinds = _kinds(points, robust)
    lines = [_line(each, kinds) for each in points]
    return (
        templates(Path(__file__).parent)
        .get_template("trade_off.svg.j2")
        .render(
            points=points,
            best=best(points),
            cost=cost,
            kinds=kinds,
            lines=lines,
            list=LIST,
            width=max(LEFT + WIDTH + 40, math.ceil(LEFT + LIST + CHARACTER * max(map(len, lines)))),
            errors=errors,
            across=Axis.of(0.0, max(each.cost.value + each.cost.error for each in points), WIDTH),
            up=Axis.of(least, most, HEIGHT),
            left=LEFT,
            right=LEFT + WIDTH,
            top=TOP,
            bottom=TOP + HEIGHT,
        )
    )


def _line(point: Point, kinds: Sequence[tuple[str, str, str]]) -> str:
    """Return the name of a point, its shares and its cost."""
    known = [(field, getattr(point, field)) for field, _, _ in kinds]
    shares = [f"{field} {100 * each.value:.1f} ± {100 * each.error:.1f} %" for field, each in known if each is not None]
    error = f" ± {amount(point.cost.error)}" if point.cost.error else ""
    return f"{point.name}: {', '.join((*shares, amount(point.cost.value) + error))}"


def _kinds(points: Sequence[Point], robust: str) -> list[tuple[str, str, str]]:
    """Return the field of each share that some point has, its colour, and what it is called."""
    kinds = (("robust", "c0", robust), ("clean", "c1", "clean accuracy"))
    return [kind for kind in kinds if any(getattr(each, kind[0]) is not None for each in points)]


def best(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats in both, cheapest first: less cost, or a larger share."""
    found: list[Point] = []
    for each in sorted(points, key=lambda point: (point.cost.value, -_share(point))):
        if not found or _share(each) > _share(found[-1]):
            found.append(each)
    return found


def _share(point: Point) -> float:
    return -1.0 if point.main is None else point.main.value
