"""Zeros and norms of gradients as a picture: a row for each kind and each operation, one SVG file, light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spikeport.hardware_profiles.output.drawing import templates
from spikeport.toolchain.analysis.gradients_figures import KindFigure, Measured, OperationFigure

NAMES, WIDTH, GAP, TOP, ROW = 330, 260, 56, 88, 18
"""Room of the names, width of a panel, room between both, place and height of the first row, in pixels."""
TICKS = (0, 25, 50, 75, 100)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the picture: its place, its name, its figures, which a heading has none of; ``main`` stands out."""

    y: int
    name: str
    figure: Measured | None = None
    main: bool = False


@dataclass(frozen=True, kw_only=True)
class Norms:
    """The logarithmic axis of the norms, whole powers of ten around all that are above zero."""

    first: int
    last: int

    @classmethod
    def of(cls, figures: Sequence[Measured]) -> "Norms":
        """Return the axis of some figures."""
        powers = [math.log10(each.norm) for each in figures if each.norm > 0] or [0.0]
        first = math.floor(min(powers))
        return cls(first=first, last=max(math.ceil(max(powers)), first + 1))

    def x(self, norm: float) -> float:
        """Return the place of a norm; what lies below the axis, zero as well, stands at its left end."""
        power = math.log10(norm) if norm > 0 else self.first
        share = (power - self.first) / (self.last - self.first)
        return round(NAMES + WIDTH + GAP + WIDTH * min(max(share, 0.0), 1.0), 1)

    def ticks(self) -> list[tuple[float, int]]:
        """Return places and powers of what is written at the axis, ten at most."""
        step = max(1, math.ceil((self.last - self.first) / 10))
        return [(self.x(10.0**power), power) for power in range(self.first, self.last + 1, step)]


def picture(title: str, pixels: Measured, kinds: Sequence[KindFigure], operations: Sequence[OperationFigure]) -> str:
    """Return the SVG of measured gradients: those by ``pixels``, by kind and by operation."""
    rows = _rows(pixels, kinds, operations)
    figures = [row.figure for row in rows if row.figure is not None]
    template = templates(Path(__file__).parent).get_template("gradients.svg.j2")
    return template.render(
        title=title,
        rows=rows,
        norms=Norms.of(figures),
        share=share,
        ticks=TICKS,
        names=NAMES,
        top=TOP,
        bottom=rows[-1].y + ROW,
        left=NAMES + WIDTH + GAP,
        width=NAMES + 2 * WIDTH + GAP + 30,
    )


def share(value: float) -> float:
    """Return the place of a share of zeros."""
    return round(NAMES + WIDTH * min(max(value, 0.0), 1.0), 1)


def _rows(pixels: Measured, kinds: Sequence[KindFigure], operations: Sequence[OperationFigure]) -> list[Row]:
    lines: list[tuple[str, Measured | None, bool]] = [("mean over operations of a kind", None, True)]
    lines += [(f"{each.kind} ({each.operations})", each, True) for each in kinds]
    lines += [("pixels", pixels, True), ("every operation, from the image on", None, False)]
    lines += [(f"{each.kind}, {each.layer}", each, False) for each in operations]
    return [Row(y=TOP + ROW * i, name=name, figure=each, main=main) for i, (name, each, main) in enumerate(lines)]
