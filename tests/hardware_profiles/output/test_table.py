"""A table shows every cell as text; CSV, LaTeX and Markdown are made of the same cells."""

import csv
import io
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.hardware_profiles.output.csv_text import csv_text
from spikeport.hardware_profiles.output.latex import escaped, latex
from spikeport.hardware_profiles.output.markdown import markdown
from spikeport.hardware_profiles.output.table import (
    PAGE,
    PAPER,
    TERMINAL,
    Column,
    Number,
    Table,
    percent,
    three_digits,
    whole,
    words,
)
from tests.strategies import cases

TABLE = Table(
    name="energy_of_all",
    title="Energy & accuracy, 100 %",
    columns=[words("profile"), percent("clean"), three_digits("energy", "µJ", 1e6), whole("spikes")],
    rows=[
        ["loihi1", Number(value=0.97, error=0.0076), Number(value=1.2e-6, marks="*~", least=True), 1234.5],
        ["my_chip", None, "unknown", 7],
        ["conv1 -> [x]", 0.5, 2.5e-5, None],
    ],
    notes=["* is assumed"],
)


def test_text_has_units_errors_marks_and_bounds():
    assert TABLE.text().splitlines()[2:] == [
        "loihi1        97.0 ± 0.8 %  >= 1.20 µJ*~   1,234",
        "my_chip                          unknown       7",
        "conv1 -> [x]        50.0 %       25.0 µJ",
    ]


def test_a_title_that_says_the_unit_leaves_it_out_of_the_cells():
    column = percent("accuracy in %", bare=True)
    assert column.text(Number(value=0.5, error=0.25)) == "50.0 ± 25.0"
    assert Column(title="norm", form=".3g", error_form=".1g").text(Number(value=1.234, error=0.0567)) == "1.23 ± 0.06"


BY_MEDIUM = Table(
    name="energy",
    title="Energy",
    columns=[
        words("profile", said="energy of an image"),
        three_digits("sum", "µJ", 1e6, base="J"),
        whole("steps", absent="-", media=TERMINAL | PAPER),
        percent("clean", brief=True, media=TERMINAL),
        words("first difference", media=PAGE),
    ],
    rows=[
        ["a", Number(value=2.5e-9, marks="*", least=True, beside="up to 3"), None, Number(value=0.5, error=0.1), "x"]
    ],
)


def test_each_medium_has_its_columns_under_its_titles():
    titles = {medium: [each.title for each in BY_MEDIUM.on(medium).columns] for medium in ("terminal", "page", "paper")}
    assert titles == {
        "terminal": ["energy of an image", "sum", "steps", "clean"],
        "page": ["energy of an image", "sum", "first difference"],
        "paper": ["profile", "sum", "steps"],
    }
    assert BY_MEDIUM.text().splitlines()[2].split() == ["a", ">=", "2.50", "nJ*", "-", "50.0", "%"]
    assert markdown(BY_MEDIUM).splitlines()[2] == "| a | >= 2.50 nJ* | - | 50.0 % |"
    assert csv_text(BY_MEDIUM) == 'profile,sum [µJ],"sum, note",steps\na,0.0025,>=*,\n'
    assert r"a & $\geq 0.00250{}^{\ast}$ & -- \\" in latex(BY_MEDIUM)


def test_csv_has_whole_numbers_units_in_heads_and_columns_for_errors_and_notes():
    lines = list(csv.DictReader(io.StringIO(csv_text(TABLE))))
    assert list(lines[0]) == [
        *("profile", "clean [%]", "clean, error [%]", "energy [µJ]", "energy, note", "spikes"),
    ]
    assert lines[0] == {
        "profile": "loihi1", "clean [%]": "97", "clean, error [%]": "0.76", "energy [µJ]": "1.2",
        "energy, note": ">=*~", "spikes": "1234.5",
    }  # fmt: skip
    assert (lines[1]["clean [%]"], lines[1]["energy [µJ]"], lines[1]["energy, note"]) == ("", "", "unknown")
    assert float(lines[2]["energy [µJ]"]) == 25


def test_csv_keeps_whole_numbers_of_any_size():
    table = Table(name="n", title="n", columns=[Column(title="n")], rows=[[2**60 + 1]])
    assert csv_text(table) == f"n\n{2**60 + 1}\n"


def test_latex_has_rules_units_errors_a_label_and_notes():
    text = latex(TABLE)
    assert r"profile & clean (\%) & energy ($\mu$J) & spikes \\" in text
    assert r"loihi1 & $97.0 \pm 0.8$ & $\geq 1.20{}^{\ast\sim}$ & $1\,234$ \\" in text
    assert r"my\_chip & -- & unknown & $7$ \\" in text
    assert r"conv1 $\to$ [x] & $50.0$ & $25.0$ & -- \\" in text
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\label{tab:energy-of-all}", r"\begin{tabular}{lrrr}"):
        assert part in text
    assert r"\caption{Energy \& accuracy, 100 \%.}" in text
    assert r"{\footnotesize * is assumed.\par}" in text


def test_long_heads_are_stacked():
    column = three_digits("synaptic operations, Eq. 12 fused", "µJ")
    (head,) = re.findall(r"\\toprule\n(.*) \\\\\n", latex(Table(name="n", title="n", columns=[column], rows=[[1]])))
    assert head == r"\begin{tabular}[b]{@{}r@{}}synaptic \\ operations, Eq. \\ 12 fused \\ ($\mu$J)\end{tabular}"


def test_powers_of_ten_are_written_out():
    table = Table(name="n", title="n", columns=[three_digits("n", "J")], rows=[[1.5e-12], [2e10], [164.0]])
    assert re.findall(r"\$(.*)\$ ", latex(table)) == [r"1.50 \cdot 10^{-12}", r"2.00 \cdot 10^{10}", "164"]


def test_markdown_has_the_cells_of_the_text():
    assert markdown(TABLE).splitlines()[:3] == [
        "| profile | clean | energy | spikes |",
        "| --- | --- | --- | --- |",
        "| loihi1 | 97.0 ± 0.8 % | >= 1.20 µJ*~ | 1,234 |",
    ]


SPECIAL = set("&%$#_{}~^\\")
COMMANDS = re.compile(r"\\(?:textbackslash|textasciitilde|textasciicircum|textbar|ldots)\{\}|\\texttt\{U\+[0-9A-F]+\}")


@given(st.text(max_size=30))
@cases(60)
def test_no_character_of_any_text_means_something_in_latex(text):
    """A strict parse: what is left of an escaped text without our commands holds no character with a meaning."""
    left = COMMANDS.sub("", escaped(text))
    left = re.sub(r"\$(?:\\[a-z]+|[<>])\$|\\[&%$#_{}]", "", left)
    assert not SPECIAL & set(left)
    assert all(character.isprintable() and ord(character) < 0x180 for character in left)


def document(*tables):
    """Return a document with nothing but tables."""
    head = r"\documentclass{article}\usepackage{booktabs}\usepackage[T1]{fontenc}\begin{document}"
    return f"{head}\n{''.join(map(latex, tables))}\\end{{document}}\n"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_pdflatex_takes_every_letter(tmp_path):
    letters = [chr(number) for number in range(0x20, 0x180)] + [
        "中",
        "→",
        "±",
        "≥",
        "\n",
        "\x07",
        "\N{MINUS SIGN}",
        "*",
        "[",
        "*a",
    ]
    rows = [[each, Number(value=1e-9, error=1e-10, marks="*~", least=True)] for each in letters]
    columns = [words("\\ & %"), three_digits("x_1", "µJ")]
    wild = Table(name="a b/c", title="{ } ~ ^", columns=columns, rows=rows, notes=["# $"])
    (tmp_path / "a.tex").write_text(document(TABLE, wild), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"],
        cwd=tmp_path, capture_output=True, text=True, check=False, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("!")]
    assert (tmp_path / "a.pdf").stat().st_size > 10_000
