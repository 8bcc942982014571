"""The order of members, and when it is known."""

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikeport.toolchain.attacks.ensemble import Member, paper_members
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.robustness.order import by_strength, needed


def part(tried, broken):
    """Return a part of 20 images of which members were tried on some, and broke some of these."""
    numbers = np.arange(20)
    tried = np.stack([numbers < each for each in tried])
    return SimpleNamespace(tried=tried, success=np.stack([numbers < each for each in broken]))


def members(*expected):
    """Return three members, of which shares are expected."""
    return [Member(name=str(share), attack=Fgsm(), expected=share) for share in expected or (0.5,) * 3]


def test_members_that_break_more_of_what_they_are_given_go_first():
    assert by_strength([], members()) == [0, 1, 2]
    assert by_strength([part([10, 8, 4], [2, 4, 3])], members()) == [2, 1, 0]
    assert by_strength([part([10, 8, 4], [2, 4, 3]), part([10, 8, 4], [10, 0, 0])], members()) == [0, 2, 1]


def test_members_that_were_never_tried_go_before_those_that_failed():
    assert by_strength([part([10, 3, 0], [7, 0, 0])], members()) == [0, 2, 1]


def test_what_is_expected_counts_as_two_images():
    assert by_strength([], members(0.2, 0.4, 0.3)) == [1, 2, 0]
    assert by_strength([part([1, 1, 1], [0, 0, 1])], members(0.2, 0.9, 0.3)) == [1, 2, 0]
    assert by_strength([part([2, 2, 2], [0, 0, 2])], members(0.2, 0.9, 0.3)) == [2, 1, 0]


def test_the_members_of_the_ensemble_are_ordered_as_table_a1_has_them():
    ensemble = paper_members()
    assert [ensemble[number].name for number in by_strength([], ensemble)][:3] == [
        "exponential 0.3 2", "exponential 1 2", "piecewise linear 1",
    ]  # fmt: skip
    assert ensemble[by_strength([], ensemble)[-1]].name == "straight-through"


@given(number=st.integers(0, 10_000))
def test_parts_wait_for_half_of_those_before_them(number):
    assert needed(0) == 0
    assert needed(number + 1) >= needed(number)
    assert needed(number) <= number
    assert number - needed(number) <= needed(number)
