"""One type for every table: columns with units, cells as numbers, so that text, CSV and LaTeX show the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from spikeport.export.shown import Shown
from spikeport.hardware_profiles.columns import quantity
from spikeport.hardware_profiles.columns import table as aligned
from spikeport.hardware_profiles.shares import Mean

Medium = Literal["terminal", "page", "paper"]
"""Where a table is shown; a paper takes CSV and LaTeX."""
TERMINAL, PAGE, PAPER = (frozenset[Medium]([medium]) for medium in get_args(Medium))
MEDIA = TERMINAL | PAGE | PAPER


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number of a cell with its standard error, its ``marks`` ('*~') and whether it is a lower bound.

    ``beside``: a second figure, which only the page has room for.
    """

    value: float
    error: float | None = None
    marks: str = ""
    least: bool = False
    beside: str = ""


Cell = str | float | Number | None
"""Words, a number, or None where nothing was measured."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: what it shows, and the ``unit`` that its numbers have once they are multiplied by ``factor``.

    ``form`` is a format of Python. ``words``: aligned to the left. ``bare``: text shows no unit in its cells, because
    the title says it. ``error_form``: the format of standard errors, where it is another. ``base``: the unit without a
    prefix, which text shows with the prefix that suits each number. ``absent``: what text shows for None. ``brief``:
    text leaves standard errors out. ``media``: where the column stands; ``said``: its title in terminal and page, where
    that is another.
    """

    title: str
    unit: str = ""
    factor: float = 1.0
    form: str = ","
    words: bool = False
    bare: bool = False
    error_form: str = ""
    base: str = ""
    absent: str = ""
    brief: bool = False
    media: frozenset[Medium] = MEDIA
    said: str = ""

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
            return cell or self.absent
        found = number_of(cell)
        error = "" if found.error is None or self.brief else f" ± {self.error(found.error)}"
        unit = f" {self.unit}" if self.unit and not self.bare else ""
        shown = quantity(found.value, self.base) if self.base else f"{self.number(found.value)}{error}{unit}"
        return f"{'>= ' if found.least else ''}{shown}{found.marks}"


def of(mean: Mean) -> Number:
    """Return a mean with its standard error as a cell."""
    return Number(value=mean.value, error=mean.error)


def number_of(cell: float | Number) -> Number:
    """Return a number with what is known of it."""
    return cell if isinstance(cell, Number) else Number(value=cell)


def words(title: str, **more: Any) -> Column:
    """Return a column of words; ``more``, here and below: other fields of `Column`."""
    return Column(title=title, words=True, **more)


def percent(title: str, digits: int = 1, **more: Any) -> Column:
    """Return a column of shares, shown in per cent."""
    return Column(title=title, unit="%", factor=100, form=f".{digits}f", **more)


def three_digits(title: str, unit: str, factor: float = 1.0, **more: Any) -> Column:
    """Return a column of measured quantities."""
    return Column(title=title, unit=unit, factor=factor, form="#.3g", **more)


def whole(title: str, unit: str = "", **more: Any) -> Column:
    """Return a column of numbers that are rounded to whole ones."""
    return Column(title=title, unit=unit, form=",.0f", **more)


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

    def on(self, medium: Medium) -> "Table":
        """Return the table with the columns that stand in ``medium``, under the titles that they have there."""
        kept = [index for index, column in enumerate(self.columns) if medium in column.media]
        columns = [self.columns[index] for index in kept]
        if medium != "paper":
            columns = [replace(column, title=column.said or column.title) for column in columns]
        return replace(self, columns=columns, rows=[[row[index] for index in kept] for row in self.rows])

    def text(self) -> str:
        """Return aligned columns."""
        shown = self.on("terminal")
        cells = [[column.text(cell) for column, cell in zip(shown.columns, row, strict=True)] for row in shown.rows]
        left = [index for index, column in enumerate(shown.columns) if column.words]
        return aligned([column.title for column in shown.columns], cells, left)
