"""Quantities: three significant digits and an SI prefix, whatever their size; tables that fit a terminal's lines."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.hardware_profiles.columns import PREFIXES, WIDTH, quantity, table

SHOWN = {
    1.85e-6: "1.85 µJ",
    1.7e-5: "17.0 µJ",
    1.64e-4: "164 µJ",
    9.994e-4: "999 µJ",
    9.996e-4: "1.00 mJ",
    8e-3: "8.00 mJ",
    13.0: "13.0 J",
    78198: "78.2 kJ",
    0.0: "0 J",
    -2.5e-5: "-25.0 µJ",
    1.27e-10: "127 pJ",
    2.5e-30: "2.50e-30 J",
}


@pytest.mark.parametrize("value", SHOWN)
def test_a_quantity_has_three_digits_and_a_prefix(value):
    assert quantity(value, "J") == SHOWN[value]


@given(st.floats(min_value=1e-17, max_value=1e15))
def test_what_is_shown_is_the_value_within_half_of_the_last_digit(value):
    number, unit = quantity(value, "J").split()
    digits = number.replace(".", "").lstrip("0")
    exponent = next(key for key, prefix in PREFIXES.items() if prefix == unit.removesuffix("J"))
    assert len(digits) == 3
    assert math.isclose(float(number) * 10.0**exponent, value, rel_tol=5.01e-3)


HEADER = ("layer", "accumulates, fused", "accumulates, relay", "said in words")
ROWS = [("conv1", "69,842", "54,915", "all images, every step, with the borders"), ("b", "1 pJ", "2 pJ", "none")]


@pytest.fixture
def fitted():
    def made(width, header=HEADER, rows=ROWS, left=(0, 3)):
        token = WIDTH.set(width)
        try:
            return table(header, rows, left)
        finally:
            WIDTH.reset(token)

    return made


def test_a_table_stays_in_one_piece_where_no_terminal_shows_it(fitted):
    assert fitted(None) == fitted(200) == table(HEADER, ROWS, (0, 3))
    assert len(table(HEADER, ROWS, (0, 3)).splitlines()) == 2 + len(ROWS)


def test_titles_and_long_cells_take_several_lines_where_the_terminal_is_narrower(fitted):
    assert fitted(60).splitlines() == [
        "layer  accumulates,  accumulates,  said in words",
        "              fused         relay",
        "-----  ------------  ------------  -----------------------",
        "conv1        69,842        54,915  all images, every step,",
        "                                   with the borders",
        "b              1 pJ          2 pJ  none",
    ]


def test_columns_that_do_not_fit_side_by_side_stand_below_each_with_the_first_column(fitted):
    first, second = fitted(40).split("\n\n")
    assert first.splitlines()[0] == "layer  accumulates,  accumulates,"
    assert second.splitlines()[0] == "layer  said in words"
    assert [line.split()[0] for line in second.splitlines() if line[0] != " "][2:] == ["conv1", "b"]


@given(
    st.integers(1, 150),
    st.lists(st.lists(st.text("ab ,1", max_size=60), min_size=4, max_size=4), min_size=1, max_size=4),
)
def test_no_word_is_lost_and_lines_fit_if_the_words_do(width, rows):
    token = WIDTH.set(width)
    try:
        shown = table(HEADER, rows, (0, 3))
    finally:
        WIDTH.reset(token)
    for row in rows:
        assert all(word in shown for cell in row for word in cell.split())
    longest = max(len(word) for row in (HEADER, *rows) for cell in row for word in cell.split())
    if width >= 2 * max(longest, 20) + 2:
        assert max(map(len, shown.splitlines())) <= width
