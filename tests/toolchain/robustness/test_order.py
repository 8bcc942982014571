"""The order of members, and when it is known."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikeport.toolchain.robustness.order import by_strength, needed


def part(tried, broken):
    """Return a part of 20 images of which members were tried on some, and broke some of these."""
    numbers = np.arange(20)
    tried = np.stack([numbers < each for each in tried])
    return SimpleNamespace(tried=tried, success=np.stack([numbers < each for each in broken]))


def test_members_that_break_more_of_what_they_are_given_go_first():
    assert by_strength([], 3) == [0, 1, 2]
    assert by_strength([part([10, 8, 4], [2, 4, 3])], 3) == [2, 1, 0]
    assert by_strength([part([10, 8, 4], [2, 4, 3]), part([10, 8, 4], [10, 0, 0])], 3) == [0, 2, 1]


def test_members_that_were_never_tried_go_before_those_that_failed():
    assert by_strength([part([10, 3, 0], [7, 0, 0])], 3) == [0, 2, 1]


@given(number=st.integers(0, 10_000))
def test_parts_wait_for_half_of_those_before_them(number):
    assert needed(0) == 0
    assert needed(number + 1) >= needed(number)
    assert needed(number) <= number
    assert number - needed(number) <= needed(number)
