"""The arithmetic, recomputed another way: Python's unbounded integers and exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.fixed_point import (
    STATE_LIMIT,
    bias_registers,
    decayed,
    saturated_potential,
    wrapped_current,
    wrapped_synaptic_sum,
)


@given(st.integers(-STATE_LIMIT, STATE_LIMIT), st.integers(0, 4096))
def test_decay_truncates_the_exact_fraction_toward_zero(value, decay):
    assert int(decayed(np.array(value), decay)) == int(Fraction(value * (4096 - decay), 4096))


@pytest.mark.parametrize(
    ("value", "register"),
    [
        (STATE_LIMIT, STATE_LIMIT),
        (STATE_LIMIT + 1, -STATE_LIMIT + 1),
        (-STATE_LIMIT + 1, -STATE_LIMIT + 1),
        (-STATE_LIMIT, STATE_LIMIT),
        (-STATE_LIMIT - 1, STATE_LIMIT - 1),
        (0, 0),
    ],
)
def test_current_turns_once_at_its_ends(value, register):
    assert int(wrapped_current(np.array(value))) == register


@given(st.integers(-(2**24), 2**24))
def test_potential_saturates_symmetrically(value):
    assert int(saturated_potential(np.array(value))) == max(-(2**23 - 1), min(2**23 - 1, value))


@given(st.integers(-(2**40), 2**40))
def test_synaptic_sum_is_the_signed_low_24_bits(value):
    low = value & (2**24 - 1)
    assert int(wrapped_synaptic_sum(np.array(value))) == (low - 2**24 if low >= 2**23 else low)


@given(st.lists(st.integers(-(2**18), 2**18), min_size=1, max_size=5))
def test_bias_is_exact_whenever_thirteen_bits_hold_it(values):
    mantissa, exponent = bias_registers(np.array(values))
    assert mantissa.min() >= -4096
    assert mantissa.max() <= 4095
    error = np.abs((mantissa << exponent) - np.array(values)).max()
    assert error <= 2**exponent // 2
    if exponent:
        smaller = np.rint(np.array(values) / 2 ** (exponent - 1))
        assert smaller.min() < -4096 or smaller.max() > 4095


def test_bias_beyond_the_largest_exponent_overflows():
    with pytest.raises(OverflowError, match="600000 exceeds 524160"):
        bias_registers(np.array([600_000.0]))
