"""Bars beside each other, each of one part or several, with standard errors and a legend: one SVG file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spikeport.hardware_profiles.output.drawing import templates

WIDTH, ROW, CHARACTER, MARGIN = 360, 30, 7.3, 12
"""Length of the longest bar, height of a row, width of a letter, and room at the edges, in pixels."""
UNKNOWN = 16
"""Length of a part whose size nobody knows."""
COLOURS = 5

Kind = Literal["known", "assumed", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a bar: ``series`` numbers what it is of; an unknown one has a length of its own."""

    value: float
    series: int = 0
    kind: Kind = "known"
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar: its ``label``, its parts, what stands at its end, and its standard error."""

    label: str
    parts: Sequence[Part]
    shown: str
    error: float | None = None

    @property
    def value(self) -> float:
        """The sum of its known parts."""
        return sum(part.value for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """A part in its place."""

    part: Part
    x: float
    width: float


@dataclass(frozen=True, kw_only=True)
class _Row:
    bar: Bar
    parts: Sequence[_Drawn]
    end: float
    whisker: tuple[float, float] | None


def bars(found: Sequence[Bar], *, title: str, caption: str, series: Sequence[str] = ()) -> str:
    """Return the SVG of bars; ``caption`` says what their lengths are, ``series`` what their parts are of.

    Parts with an assumed constant are pale and dashed, unknown ones hatched; the legend says so where there are any.
    """
    left = MARGIN + CHARACTER * max(len(bar.label) for bar in found) + 10
    extra = UNKNOWN * max(sum(part.kind == "unknown" for part in bar.parts) for bar in found)
    most = max(bar.value + (bar.error or 0.0) for bar in found) or 1.0
    rows = [_row(bar, left, (WIDTH - extra) / most) for bar in found]
    kinds = {part.kind for bar in found for part in bar.parts}
    legend = [(number, name) for number, name in enumerate(series)] if len(series) > 1 else []
    remarks = [kind for kind in ("assumed", "unknown") if kind in kinds]
    wide = max(MARGIN + 22 + CHARACTER * len(name) for name in (*series, caption, "x" * 50))
    return (
        templates(Path(__file__).parent)
        .get_template("bars.svg.j2")
        .render(
            rows=rows,
            title=title,
            caption=caption,
            legend=legend,
            remarks=remarks,
            hatched=sorted({part.series % COLOURS for bar in found for part in bar.parts if part.kind == "unknown"}),
            left=round(left, 1),
            row=ROW,
            margin=MARGIN,
            colours=COLOURS,
            width=round(max(wide, *(row.end + 12 + CHARACTER * len(row.bar.shown) for row in rows)) + MARGIN),
            height=ROW * len(rows) + 34 + 20 * (len(legend) + len(remarks)),
        )
    )


def _row(bar: Bar, left: float, scale: float) -> _Row:
    parts, x = [], left
    for part in bar.parts:
        width = UNKNOWN - 3 if part.kind == "unknown" else part.value * scale
        parts.append(_Drawn(part=part, x=round(x, 2), width=round(width, 2)))
        x += width + (3 if part.kind == "unknown" else 0)
    error = bar.error
    ends = None if error is None else (left + max(bar.value - error, 0.0) * scale, left + (bar.value + error) * scale)
    return _Row(bar=bar, parts=parts, end=max(x, ends[1] if ends else x), whisker=ends)
