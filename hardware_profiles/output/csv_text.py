"""A table as CSV: numbers in full with their unit in the head, errors and remarks in columns of their own."""

import csv
import io
from collections.abc import Iterator

from spikeport.hardware_profiles.output.table import Cell, Column, Number, Table, number_of

DIGITS = ".12g"
"""More than anybody measures, and fewer than the last bits of a product with 100."""


def csv_text(table: Table) -> str:
    """Return the table, a line a row.

    A column with standard errors is followed by one of these, 'TITLE, error'. One whose numbers have marks, are lower
    bounds or are replaced by words is followed by one of these, 'TITLE, note'; so its cells hold numbers or nothing.
    """
    table = table.on("paper")
    columns = [_written(column, [row[index] for row in table.rows]) for index, column in enumerate(table.columns)]
    parts = [part for column in columns for part in column]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head for head, _ in parts)
    writer.writerows(zip(*(cells for _, cells in parts), strict=True))
    return text.getvalue()


def _written(column: Column, cells: list[Cell]) -> Iterator[tuple[str, list[str]]]:
    """Yield what a column becomes: heads, each with its cells."""
    unit = f" [{column.unit}]" if column.unit else ""
    if column.words or all(cell is None or isinstance(cell, str) for cell in cells):
        yield column.title + unit, ["" if cell is None else _plain(column, cell) for cell in cells]
        return
    numbers = [None if cell is None or isinstance(cell, str) else number_of(cell) for cell in cells]
    yield column.title + unit, ["" if each is None else _scaled(column, each.value) for each in numbers]
    errors = [None if each is None else each.error for each in numbers]
    if any(each is not None for each in errors):
        yield f"{column.title}, error{unit}", ["" if each is None else _scaled(column, each) for each in errors]
    notes = [_note(cell) for cell in cells]
    if any(notes):
        yield f"{column.title}, note", notes


def _plain(column: Column, cell: str | float | Number) -> str:
    return cell if isinstance(cell, str) else _scaled(column, number_of(cell).value)


def _scaled(column: Column, value: float) -> str:
    return str(value) if isinstance(value, int) and column.factor == 1 else f"{value * column.factor:{DIGITS}}"


def _note(cell: Cell) -> str:
    if isinstance(cell, Number):
        return f"{'>=' if cell.least else ''}{cell.marks}"
    return cell if isinstance(cell, str) else ""
