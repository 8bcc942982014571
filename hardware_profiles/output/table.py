"""One type for every table: columns with units, cells as numbers, so that text, CSV and LaTeX show the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from spikeport.export.shown import Shown
from spikeport.hardware_profiles.columns import table as aligned
from spikeport.hardware_profiles.shares import Mean


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number of a cell with its standard error, its ``marks`` ('*~') and whether it is a lower bound."""

    value: float
    error: float | None = None
    marks: str = ""
    least: bool = False


Cell = str | float | Number | None
"""Words, a number, or None where nothing was measured."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: what it shows, and the ``unit`` that its numbers have once they are multiplied by ``factor``.

    ``form`` is a format of Python. ``words``: aligned to the left. ``bare``: text shows no unit in its cells, because
    the title says it. ``error_form``: the format of standard errors, where it is another.
    """

    title: str
    unit: str = ""
    factor: float = 1.0
    form: str = ","
    words: bool = False
    bare: bool = False
    error_form: str = ""

    def number(self, value: float) -> str:
        """Return a number as it is shown, without its unit."""
        scaled = value if self.factor == 1 else value * self.factor
        return f"{scaled:{self.form}}".removesuffix(".")

    def error(self, value: float) -> str:
        """Return a standard error as it is shown."""
        return f"{value * self.factor:{self.error_form}}" if self.error_form else self.number(value)

    def text(self, cell: Cell) -> str:
        """Return a cell of a text table."""
        if cell is None or isinstance(cell, str):
            return cell or ""
        found = number_of(cell)
        error = "" if found.error is None else f" ± {self.error(found.error)}"
        unit = f" {self.unit}" if self.unit and not self.bare else ""
        return f"{'>= ' if found.least else ''}{self.number(found.value)}{error}{unit}{found.marks}"


def of(mean: Mean) -> Number:
    """Return a mean with its standard error as a cell."""
    return Number(value=mean.value, error=mean.error)


def number_of(cell: float | Number) -> Number:
    """Return a number with what is known of it."""
    return cell if isinstance(cell, Number) else Number(value=cell)


def words(title: str) -> Column:
    """Return a column of words."""
    return Column(title=title, words=True)


def percent(title: str, digits: int = 1, *, bare: bool = False) -> Column:
    """Return a column of shares, shown in per cent."""
    return Column(title=title, unit="%", factor=100, form=f".{digits}f", bare=bare)


def three_digits(title: str, unit: str, factor: float = 1.0) -> Column:
    """Return a column of measured quantities."""
    return Column(title=title, unit=unit, factor=factor, form="#.3g")


def whole(title: str, unit: str = "") -> Column:
    """Return a column of numbers that are rounded to whole ones."""
    return Column(title=title, unit=unit, form=",.0f")


@dataclass(frozen=True, kw_only=True)
class Table(Shown):
    """A table of ``columns`` and ``rows``, each row with a cell for every column.

    ``name`` is that of its files, ``title`` a sentence for its caption, ``notes`` what its marks mean.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()

    def text(self) -> str:
        """Return aligned columns."""
        cells = [[column.text(cell) for column, cell in zip(self.columns, row, strict=True)] for row in self.rows]
        left = [index for index, column in enumerate(self.columns) if column.words]
        return aligned([column.title for column in self.columns], cells, left)
