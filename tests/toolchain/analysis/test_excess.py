"""How many more images one attack breaks than another: against numpy, the exact sign test, and simulation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from spikeport.toolchain.analysis.excess import LEVEL, Excess, excess
from tests.strategies import cases

masks = st.integers(2, 300).flatmap(
    lambda count: st.tuples(*[st.lists(st.booleans(), min_size=count, max_size=count)] * 2)
)


@given(masks)
@cases(200)
def test_share_and_error_are_those_of_a_paired_difference(pair):
    first, second = (torch.tensor(each) for each in pair)
    found, difference = excess(first, second), first.double().numpy() - second.double().numpy()
    assert found.share == pytest.approx(difference.mean())
    assert found.error == pytest.approx(np.std(difference) / math.sqrt(len(difference)), abs=1e-12)
    assert found.low <= found.share <= found.high
    assert excess(second, first).share == -found.share
    assert excess(second, first).low == pytest.approx(-found.high)


@given(masks, st.integers(2, 20))
@cases(100)
def test_among_more_pairs_an_excess_must_be_larger_to_count(pair, pairs):
    first, second = (torch.tensor(each) for each in pair)
    alone, among = excess(first, second), excess(first, second, pairs=pairs)
    assert among.low == max(among.low, -1) <= alone.low
    assert among.high == alone.high


@pytest.mark.parametrize("images", [60, 500, 10_000])
@pytest.mark.parametrize("alone", range(21))
def test_where_one_attack_alone_breaks_images_the_exact_sign_test_agrees(alone, images):
    found = Excess(first_alone=alone, second_alone=0, images=images)
    exact = 1.0 if not alone else binomtest(alone, alone, 0.5, alternative="greater").pvalue
    assert (found.low > 0) == (exact < LEVEL)


@pytest.mark.parametrize(("discordant", "images"), [(0.02, 500), (0.3, 100), (0.3, 2000)])
def test_equally_strong_attacks_differ_as_rarely_as_said(discordant, images):
    drawn = np.random.default_rng(0).multinomial(images, [discordant / 2, discordant / 2, 1 - discordant], size=4000)
    found = [Excess(first_alone=int(b), second_alone=int(c), images=images) for b, c, _ in drawn]
    assert np.mean([each.low > 0 for each in found]) < 1.6 * LEVEL
    assert np.mean([each.high < 0 for each in found]) < 1.6 * LEVEL


@given(st.integers(0, 40), st.integers(0, 40), st.integers(100, 1000))
@cases(100)
def test_as_many_images_as_are_said_to_be_enough_are(first, second, images):
    """Counts grow with the images; a tenth more makes up for the two that the interval adds."""
    small = Excess(first_alone=first, second_alone=second, images=images)
    if abs(small.share - 0.05) < 0.005:
        return
    factor = 1.1 * max(small.enough(0.01, 0.05) / images, 1.0)
    large = Excess(
        first_alone=round(first * factor), second_alone=round(second * factor), images=round(images * factor)
    )
    assert large.low > 0 or large.high < 0.05
