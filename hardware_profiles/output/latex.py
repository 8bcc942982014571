r"""A table as LaTeX: booktabs, units in the heads, errors with \pm, everything else escaped."""

import re
import textwrap

from spikeport.hardware_profiles.output.table import Cell, Column, Table, number_of

SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "→": r"$\to$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "·": r"$\cdot$",
    "µ": r"$\mu$",
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    '"': "''",
    "…": r"\ldots{}",
}
"""Characters that mean something else in LaTeX, or that its standard fonts lack."""
HEAD = 16
"""Characters of a line of a head."""
WORDS = {">=": r"$\geq$", "->": r"$\to$", "+-": r"$\pm$"}
MARKS = {"*": r"\ast", "~": r"\sim"}
LATIN, NO_LETTERS = 0x180, "ĦħĸĿŀŉŦŧſ"
"""Letters below the first are in LaTeX's T1 fonts, but for those of the second."""


def latex(table: Table) -> str:
    r"""Return a float with caption and label tab:NAME; it needs booktabs and, for letters with accents, T1 fonts.

    Numbers are to the right, words to the left. What the marks stand for is said below the table.
    """
    table = table.on("paper")
    head = " & ".join(_head(column) for column in table.columns)
    rows = [" & ".join(_cell(c, cell) for c, cell in zip(table.columns, row, strict=True)) for row in table.rows]
    sides = "".join("l" if column.words else "r" for column in table.columns)
    notes = [rf"\par\smallskip{{\footnotesize {escaped(note)}.\par}}" for note in table.notes]
    lines = [
        r"% needs \usepackage{booktabs} and \usepackage[T1]{fontenc}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escaped(table.title)}.}}",
        rf"\label{{tab:{re.sub(r'[^A-Za-z0-9-]', '-', table.name)}}}",
        r"\smallskip",
        rf"\begin{{tabular}}{{{sides}}}",
        r"\toprule",
        rf"{head} \\",
        r"\midrule",
        *(rf"{row} \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        *notes,
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Return text as LaTeX prints it; characters beyond Latin letters by their number, which every font has."""
    parts = re.split(f"({'|'.join(map(re.escape, WORDS))})", text.replace("\n", " "))
    return "".join(WORDS.get(part) or "".join(map(_sign, part)) for part in parts)


def _sign(character: str) -> str:
    if character in SIGNS:
        return SIGNS[character]
    if ord(character) >= LATIN or character in NO_LETTERS or not character.isprintable():
        return rf"\texttt{{U+{ord(character):04X}}}"
    return character


def _head(column: Column) -> str:
    """Return a head with its unit, long ones in lines above each other."""
    lines = [escaped(line) for line in textwrap.wrap(column.title, HEAD, break_long_words=False)]
    lines += [f"({escaped(column.unit)})"] if column.unit else []
    if len(lines) < 2 or len(column.title) + len(column.unit) + 3 <= HEAD:
        return " ".join(lines)
    side, stacked = "l" if column.words else "r", r" \\ ".join(lines)
    return rf"\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}{stacked}\end{{tabular}}"


def _cell(column: Column, cell: Cell) -> str:
    if cell is None or cell == "":
        return "--"
    if isinstance(cell, str):
        return _guarded(escaped(cell))
    found = number_of(cell)
    error = "" if found.error is None else rf" \pm {_mathematical(column.error(found.error))}"
    marks = "".join(MARKS.get(mark, mark) for mark in found.marks)
    above = f"{{}}^{{{marks}}}" if marks else ""
    least = r"\geq " if found.least else ""
    return f"${least}{_mathematical(column.number(found.value))}{error}{above}$"


def _mathematical(number: str) -> str:
    """Return a number for the mathematical mode: thin spaces between thousands, powers of ten written out."""
    shown = number.replace(",", r"\,").replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    return re.sub(r"e([+-])0*(\d+)", lambda found: rf" \cdot 10^{{{found[1].strip('+')}{found[2]}}}", shown)


def _guarded(text: str) -> str:
    r"""Return a cell that may open a row: ``\\`` takes a bracket or star behind it as its own argument."""
    return f"{{{text[0]}}}{text[1:]}" if text[0] in "[*" else text
