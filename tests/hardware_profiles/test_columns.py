"""Quantities: three significant digits and an SI prefix, whatever their size."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.hardware_profiles.columns import PREFIXES, quantity

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
