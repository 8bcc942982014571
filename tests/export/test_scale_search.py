"""The search never does worse than max-abs on its own images, and clips what should be clipped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeport.export import bounds
from spikeport.export.errors import QuantizationError
from spikeport.export.executors import floating, reference
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.scale_search import search
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.export.test_quantize import dense_network
from tests.strategies import float_networks, inputs


def changed_spikes(network, integer, driven, name):
    before, after = record(floating.steps(network, driven)), record(reference.steps(integer, driven))
    return int(np.count_nonzero(before[name] != after[name]))


def outlier():
    """One weight a hundred times the others: two bits spent on it leave nothing for the rest."""
    rng = np.random.default_rng(0)
    weight = rng.choice([-1.0, 1.0], (20, 30)) * rng.uniform(0.8, 1.2, (20, 30))
    weight[0, 0] = 5.0
    return dense_network(weight, 2.5, steps=6), rng


@pytest.mark.parametrize("bits", [3, 2])
def test_search_clips_an_outlier_and_changes_fewer_spikes(bits):
    network, rng = outlier()
    driven = stimulus(rng.integers(0, 2, (20, 6, 30)), network)
    integer, clips = search(network, driven, weight_bits=bits)
    assert clips["a"] < 1
    plain = changed_spikes(network, quantize(network, weight_bits=bits), driven, "a")
    assert changed_spikes(network, integer, driven, "a") < plain / 2
    assert bounds.is_safe(integer)
    assert np.abs(integer.projections[0].synapses.weight).max() == 2 ** (bits - 1) - 1


@given(data=st.data(), network=float_networks(), bits=st.sampled_from([8, 4, 2]))
@settings(max_examples=15)
def test_first_population_never_gets_worse_than_max_abs(data, network, bits):
    network = folded(network)
    driven = stimulus(data.draw(inputs(network)), network)
    first = network.neurons[0].name
    try:
        plain = quantize(network, weight_bits=bits)
        integer, _ = search(network, driven, weight_bits=bits)
    except QuantizationError as error:
        assert "round to zero" in str(error) or "too small" in str(error)
        return
    assert bounds.is_safe(integer)
    if first in {population.name for population in network.spiking}:
        wrong = [changed_spikes(network, each, driven, first) for each in (integer, plain)]
        assert wrong[0] <= wrong[1]


def test_two_bits_are_ternary():
    network, _ = outlier()
    weights = quantize(network, weight_bits=2, clips={"a": 0.2}).projections[0].synapses.weight
    assert set(np.unique(weights)) == {-1, 1}


@pytest.mark.parametrize("clip", [0.0, 1.1, -1.0])
def test_impossible_clip_is_named(clip):
    with pytest.raises(QuantizationError, match=rf"population a: clip is {clip}; expected above 0, up to 1"):
        quantize(outlier()[0], clips={"a": clip})
