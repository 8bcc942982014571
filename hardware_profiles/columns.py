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


def times(ratio: float | None) -> str:
    """Return a ratio; nothing can be compared with nothing."""
    return "-" if ratio is None else f"{ratio:.2f}"


def seconds(value: float | None) -> str:
    """Return a time in a unit that suits it."""
    if value is None:
        return "unknown"
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} us"


def joule(value: float | None) -> str:
    """Return an energy in microjoule; what a profile lacks is unknown."""
    return "unknown" if value is None else f"{value * 1e6:.3g}"
