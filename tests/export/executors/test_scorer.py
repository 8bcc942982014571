"""`fast.Scorer`: the reference's scores for any number of samples, call after call."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import StimulusError
from spikeport.export.executors import fast, reference
from spikeport.export.input_as import taking
from spikeport.export.stimulus import random_stimulus, stimulus
from spikeport.export.trace import scores
from tests.strategies import cases, inputs, integer_networks
from tests.toolchain.networks import integers


def expected(network, driven, times=1):
    return scores(reference.steps(network, driven), network, len(driven)) * times


@given(st.data(), integer_networks(floors=True), st.integers(1, 3), st.integers(1, 4))
@cases(15)
def test_scores_are_the_references(data, network, threads, block):
    scorer = fast.Scorer(network, threads=threads)
    scorer.block = block
    driven = stimulus(data.draw(inputs(network)), network)
    times = network.steps if scorer.rule == "mean" else 1
    for count in (len(driven), 1):
        part = driven.first(count)
        found = scorer(part)
        assert found.dtype == np.int64
        assert np.array_equal(found, expected(network, part, times))


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 17, 64, 65])
def test_blocks_are_equally_large_whatever_the_number_of_samples(count):
    network = integers()
    scorer = fast.Scorer(network, threads=2)
    driven = random_stimulus(network, count, 1)
    assert np.array_equal(scorer(driven), expected(network, driven))


def test_a_network_with_its_input_as_biases_has_scores():
    network = taking(integers(), "bias")
    driven = random_stimulus(network, 5, 1)
    assert np.array_equal(fast.Scorer(network)(driven), expected(network, driven))


def test_no_samples_have_no_scores():
    network = integers()
    assert fast.Scorer(network)(random_stimulus(network, 2, 0).first(0)).shape == (0, 5)


def test_samples_that_end_early_are_refused():
    network = integers()
    driven = replace(random_stimulus(network, 2, 0), lengths=np.array([1, 2]))
    with pytest.raises(StimulusError, match="samples of the same length"):
        fast.Scorer(network)(driven)
