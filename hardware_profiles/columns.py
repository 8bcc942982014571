"""Aligned columns and numbers as text."""

from collections.abc import Collection, Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[object]], left: Collection[int] = (0,)) -> str:
    """Return aligned columns, those numbered ``left`` to the left and the others to the right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["  ".join(_aligned(row, widths, left)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


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
