"""Flips between a float network and its integers, while nothing of their traces is kept."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spikeport.export import flips
from spikeport.export.errors import QuantizationError
from spikeport.export.executors import floating, reference
from spikeport.export.flips import compared
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record, scores
from tests.strategies import cases, float_networks, inputs


@given(st.data())
@cases(50)
def test_counts_are_those_of_whole_traces_in_batches_of_any_size(data):
    network = folded(data.draw(float_networks()))
    try:
        others = [quantize(network, weight_bits=bits) for bits in (8, 4)]
    except QuantizationError:
        assume(condition=False)
    given = stimulus(data.draw(inputs(network)), network)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flips, "AT_ONCE", data.draw(st.sampled_from([1, 500, 2**22])))
        first, *found = compared(network, others, given, levels=(1,))
    expected = record(floating.steps(network, given))
    assert first.flips == {}
    assert np.allclose(first.scores, scores(floating.steps(network, given), network, len(given)))
    for ran, other in zip(found, others, strict=True):
        trace = record(reference.steps(other, given))
        assert (ran.scores == scores(reference.steps(other, given), other, len(given))).all()
        for name, counts in ran.flips.items():
            different = (trace[name] != expected[name]).reshape(len(given), -1).sum(1)
            assert (counts == different).all()


@given(st.data())
@cases(30)
def test_compared_potentials_say_which_neurons_fire(data):
    network = folded(data.draw(float_networks()))
    given = stimulus(data.draw(inputs(network)), network)
    for step in floating.steps(network, given):
        for name, potential in step.compared.items():
            assert ((potential >= network.population(name).neuron.threshold) == step.spikes[name]).all()
    try:
        integers = quantize(network)
    except QuantizationError:
        assume(condition=False)
    for step in reference.steps(integers, given):
        assert step.compared.keys() == step.spikes.keys()
        for name, potential in step.compared.items():
            assert ((potential > integers.population(name).neuron.level) == step.spikes[name]).all()
