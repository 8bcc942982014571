"""Aligned columns and numbers as text."""

import textwrap
from collections.abc import Collection, Iterator, Sequence
from contextvars import ContextVar

WIDTH: ContextVar[int | None] = ContextVar("width", default=None)
"""Letters of a line of the terminal that shows tables; None: files and pipes, where each table stays in one piece."""
NARROWEST = 20
"""Letters that a column keeps, if its cells have so many."""
BETWEEN = 2


def table(header: Sequence[str], rows: Sequence[Sequence[object]], left: Collection[int] = (0,)) -> str:
    """Return aligned columns, those numbered ``left`` to the left and the others to the right.

    Where `WIDTH` is less than a line, titles and long cells take several lines; where that is not enough, the columns
    are parted into tables below each other, each with the first column.
    """
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    most = WIDTH.get()
    natural = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if most is None or _length(natural) <= most:
        return _part(cells, natural, left)
    least = [_least(column) for column in zip(*cells, strict=True)]
    bodies = [max(map(len, column), default=0) for column in zip(*cells[1:], strict=True)] or least
    parts = []
    for kept in _parted(least, most):
        widths = _narrowed(*(tuple(of[each] for each in kept) for of in (natural, bodies, least)), most=most)
        to_left = {place for place, each in enumerate(kept) if each in left}
        parts.append(_part([[row[each] for each in kept] for row in cells], widths, to_left))
    return "\n\n".join(parts)


def _length(widths: Sequence[int]) -> int:
    return sum(widths) + BETWEEN * (len(widths) - 1)


def _least(column: Sequence[str]) -> int:
    """Return the width to which a column can be narrowed: no word is cut, and no number parted from its unit."""
    words = max((len(word) for cell in column for word in cell.split()), default=0)
    return max(words, min(NARROWEST, max(map(len, column[1:]), default=0)))


def _parted(least: Sequence[int], most: int) -> Iterator[list[int]]:
    """Yield the numbers of the columns that stand side by side, each time with the first."""
    kept = [0]
    for column in range(1, len(least)):
        if len(kept) > 1 and _length([least[each] for each in (*kept, column)]) > most:
            yield kept
            kept = [0]
        kept.append(column)
    yield kept


def _narrowed(natural: Sequence[int], bodies: Sequence[int], least: Sequence[int], *, most: int) -> list[int]:
    """Return widths that fit, first by titles in several lines, then by the widest cells; the least where none fit."""
    widths = list(natural)
    while _length(widths) > most and (wide := [i for i, width in enumerate(widths) if width > least[i]]):
        widths[max(wide, key=lambda each: (widths[each] > bodies[each], widths[each]))] -= 1
    return widths


def _part(cells: Sequence[Sequence[str]], widths: Sequence[int], left: Collection[int]) -> str:
    folded = [[_folded(cell, width) for cell, width in zip(row, widths, strict=True)] for row in cells]
    widths = [max(len(line) for cell in column for line in cell) for column in zip(*folded, strict=True)]
    title, *rows = (_lines(row, widths, left) for row in folded)
    return "\n".join([*title, "  ".join("-" * width for width in widths), *(line for row in rows for line in row)])


def _lines(row: Sequence[Sequence[str]], widths: Sequence[int], left: Collection[int]) -> list[str]:
    """Return a row, in as many lines as its longest cell has."""
    lines = [[cell[at] if at < len(cell) else "" for cell in row] for at in range(max(map(len, row)))]
    return ["  ".join(_aligned(line, widths, left)).rstrip() for line in lines]


def _folded(cell: str, width: int) -> list[str]:
    if len(cell) <= width:
        return [cell]
    return textwrap.wrap(cell, max(width, 1), break_long_words=False, break_on_hyphens=False)


def _aligned(row: Sequence[str], widths: Sequence[int], left: Collection[int]) -> list[str]:
    pairs = enumerate(zip(row, widths, strict=True))
    return [cell.ljust(width) if column in left else cell.rjust(width) for column, (cell, width) in pairs]


def percent(share: float) -> str:
    """Return a share as per cent."""
    return f"{100 * share:.1f} %"


PREFIXES = {15: "P", 12: "T", 9: "G", 6: "M", 3: "k", 0: "", -3: "m", -6: "µ", -9: "n", -12: "p", -15: "f", -18: "a"}
"""The SI prefixes by their exponent of ten."""


def quantity(value: float, unit: str) -> str:
    """Return a quantity with three significant digits and the SI prefix of its unit."""
    if value == 0:
        return f"0 {unit}"
    exponent = int(f"{abs(value):.2e}".partition("e")[2])
    thousands = exponent // 3 * 3
    if thousands not in PREFIXES:
        return f"{value:.2e} {unit}"
    scaled = value / 10.0**thousands if thousands >= 0 else value * 10.0**-thousands
    return f"{scaled:.{max(0, 2 - exponent + thousands)}f} {PREFIXES[thousands]}{unit}"
