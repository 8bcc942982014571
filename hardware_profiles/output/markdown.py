"""A table as Markdown."""

from spikeport.hardware_profiles.output.table import Table


def markdown(table: Table) -> str:
    """Return the table with the cells of its text."""
    table = table.on("terminal")
    head = [column.title for column in table.columns]
    rows = [[c.text(cell) for c, cell in zip(table.columns, row, strict=True)] for row in table.rows]
    return "".join(f"| {' | '.join(each)} |\n" for each in (head, ["---"] * len(head), *rows))
