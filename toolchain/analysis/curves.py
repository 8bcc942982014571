"""Diagrams of shares in per cent beside each other, with error bars: one SVG file, light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spikeport.hardware_profiles.output.drawing import round_step, templates

WIDTH, HEIGHT, LEFT, TOP, GAP = 340, 240, 70, 74, 90
"""A panel's size, the place of the first, and the room between two, in pixels."""
LINE, BELOW = 20, 72
"""Height of a line of the legend, and of what stands under the panels without it."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A share and its standard error, both in per cent, at a place of the axis that ``label`` names."""

    label: str
    value: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Points that a line joins."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One diagram: ``left`` is its place, ``unit`` what its axis says; labels are as far from each other each."""

    left: int
    title: str
    unit: str
    curves: Sequence[Curve]

    @property
    def right(self) -> int:
        """Its right edge."""
        return self.left + WIDTH

    def labels(self) -> list[str]:
        """Return the labels of all curves in the order in which they first stand."""
        return list(dict.fromkeys(point.label for curve in self.curves for point in curve.points))

    def x(self, label: str) -> float:
        """Return the place of a label."""
        labels = self.labels()
        share = labels.index(label) / (len(labels) - 1) if len(labels) > 1 else 0.5
        return round(self.left + 25 + share * (WIDTH - 50), 1)

    def y(self, value: float) -> float:
        """Return the place of a share; an error bar may not leave the panel."""
        most = self.ticks()[-1]
        return round(TOP + HEIGHT * (1 - min(max(value / most, 0.0), 1.0)), 1)

    def ticks(self) -> list[float]:
        """Return four to six round numbers from 0 to above the largest share."""
        largest = max((point.value + point.error for curve in self.curves for point in curve.points), default=0.0)
        if largest <= 0:
            return [0.0, 1.0]
        step = round_step(largest, 5)
        return [number * step for number in range(math.ceil(largest / step - 1e-9) + 1)]

    def line(self, curve: Curve) -> str:
        """Return the points of a curve's line."""
        return " ".join(f"{self.x(point.label)},{self.y(point.value)}" for point in curve.points)


def curves(title: str, panels: Sequence[tuple[str, str, Sequence[Curve]]]) -> str:
    """Return the SVG of panels: what each shows, the unit of its axis, and its curves."""
    placed = [
        Panel(left=LEFT + number * (WIDTH + GAP), title=shown, unit=unit, curves=each)
        for number, (shown, unit, each) in enumerate(panels)
    ]
    legend = max((len(panel.curves) for panel in placed), default=0)
    return (
        templates(Path(__file__).parent)
        .get_template("curves.svg.j2")
        .render(
            title=title,
            panels=placed,
            top=TOP,
            bottom=TOP + HEIGHT,
            width=LEFT + len(placed) * (WIDTH + GAP) - GAP + 20,
            total=TOP + HEIGHT + BELOW + LINE * legend,
        )
    )
