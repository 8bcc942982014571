"""The sweeps as a picture: robust accuracy by iterations and by epsilon, one SVG file, light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from spikeport.hardware_profiles.output.drawing import templates
from spikeport.toolchain.analysis.points import Point
from spikeport.toolchain.analysis.verdicts import Check

WIDTH, HEIGHT, LEFT, TOP, GAP = 340, 240, 60, 94, 90
"""A panel's size, the place of the first, and the room between both, in pixels."""
TICKS = (0, 25, 50, 75, 100)
MARKS = ("one_step", "black_box", "random_sampling")
"""Checks whose other attack is drawn at the epsilon that is examined."""


class Examined(Protocol):
    """What the picture takes of an examination (`spikeport.toolchain.analysis.result.Obfuscation`)."""

    @property
    def attack(self) -> str: ...
    @property
    def epsilon(self) -> float: ...
    @property
    def images(self) -> int: ...
    @property
    def clean(self) -> float: ...
    @property
    def passed(self) -> bool: ...
    @property
    def checks(self) -> Sequence[Check]: ...
    @property
    def iterations(self) -> Sequence[Point]: ...
    @property
    def epsilons(self) -> Sequence[Point]: ...
    def summary(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One diagram: its place, what the axis says, the points of the line, and the ends of their error bars."""

    left: int
    title: str
    unit: str
    points: Sequence[Point]

    @property
    def right(self) -> int:
        """Its right edge."""
        return self.left + WIDTH

    def x(self, value: float) -> float:
        """Return the place of a value on the logarithmic axis, between the smallest and the largest point."""
        first, last = (math.log(each.value) for each in (self.points[0], self.points[-1]))
        share = (math.log(value) - first) / (last - first) if last > first else 0.5
        return round(self.left + 15 + share * (WIDTH - 30), 1)

    def line(self) -> str:
        """Return the points of the line."""
        return " ".join(f"{self.x(each.value)},{height(each.robust)}" for each in self.points)

    def labelled(self) -> list[Point]:
        """Return the points whose values are written at the axis, so that no two touch."""
        chosen: list[Point] = []
        for each in reversed(self.points):
            if not chosen or self.x(chosen[-1].value) - self.x(each.value) > 8 * len(f"{each.value:g}") + 6:
                chosen.append(each)
        return chosen


def height(share: float) -> float:
    """Return the place of a robust accuracy; an error bar may not leave the panel."""
    return round(TOP + HEIGHT * (1 - min(max(share, 0.0), 1.0)), 1)


def picture(found: Examined) -> str:
    """Return the SVG of an examination."""
    swept = [each for each in found.epsilons if each.value > 0]
    right = LEFT + WIDTH + GAP
    sides = {check.name: check.weaker for check in found.checks}
    return (
        templates(Path(__file__).parent)
        .get_template("picture.svg.j2")
        .render(
            found=found,
            panels=(
                Panel(
                    left=LEFT,
                    title=f"iterations, eps {found.epsilon:g}/255",
                    unit="iterations",
                    points=found.iterations,
                ),
                Panel(left=right, title="epsilon", unit="eps, in 1/255", points=swept),
            ),
            verdict=found.summary(),
            marks=[sides[name] for name in MARKS if name in sides],
            height=height,
            top=TOP,
            bottom=TOP + HEIGHT,
            ticks=TICKS,
            width=right + WIDTH + 20,
        )
    )
