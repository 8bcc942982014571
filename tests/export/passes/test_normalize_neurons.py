"""Gains and starts: the same spikes before and after `normalize_neurons`, by structure, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import NetworkError
from spikeport.export.executors import floating
from spikeport.export.network import Dense, FloatNetwork, FloatNeuron, FloatPopulation, FloatProjection, Source
from spikeport.export.passes import normalize_neurons
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.strategies import seeds


def network(neuron, readout, *, seed=0, size=6):
    rng = np.random.default_rng(seed)
    sizes = {"input": 5, "a": size, "readout": 3}
    neurons = {"input": Source(levels=1, unit=1.0), "a": neuron, "readout": readout}
    return FloatNetwork(
        populations=tuple(FloatPopulation(name=n, shape=(k,), neuron=neurons[n]) for n, k in sizes.items()),
        projections=tuple(
            FloatProjection(source=s, target=t, stages=(Dense(weight=rng.normal(size=(sizes[t], sizes[s]))),))
            for s, t in (("input", "a"), ("a", "readout"))
        ),
        steps=8,
    )


@given(
    seed=seeds,
    most=st.sampled_from([1, 2, None]),
    subtract=st.booleans(),
    floor=st.booleans(),
    refractory=st.sampled_from([0, 1]),
)
def test_spikes_stay_and_readout_potentials_too(seed, most, subtract, floor, refractory):
    rng = np.random.default_rng(seed)
    neuron = FloatNeuron(
        threshold=rng.uniform(1, 2, 6), gain=rng.uniform(0.3, 3, 6), start=rng.uniform(-0.9, 0.9, 6),
        decay_potential=rng.uniform(0, 1, 6), decay_current=rng.uniform(0, 1, 6), bias=rng.normal(0, 0.2, 6),
        reset_to=rng.uniform(-0.5, 0.5, 6), reset_by=rng.uniform(0.5, 2, 6) if subtract else None,
        floor=np.array(-1.0) if floor else None, most=most, refractory=refractory,
    )  # fmt: skip
    before = network(neuron, FloatNeuron(threshold=None, gain=rng.uniform(0.5, 2, 3)), seed=seed)
    driven = stimulus(rng.integers(0, 2, (5, 8, 5)), before)
    expected, found = (record(floating.steps(each, driven)) for each in (before, normalize_neurons(before)))
    assert np.array_equal(expected["a"], found["a"])
    assert np.allclose(expected["readout"], found["readout"], rtol=1e-9, atol=1e-9)


def test_gain_and_start_move_into_threshold_reset_and_bias():
    neuron = FloatNeuron(
        threshold=np.array(6.0), gain=np.array(2.0), start=np.array(2.0), decay_potential=np.array(0.5),
        reset_to=np.array(4.0),
    )  # fmt: skip
    after = normalize_neurons(network(neuron, FloatNeuron(threshold=None))).population("a").neuron
    assert (after.gain, after.start, after.threshold, after.reset_to, after.bias) == (1, 0, 2, 1, -0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gain": np.array(0.0)}, "gain 0; expected"),
        ({"start": np.array(1.0)}, "at or above its threshold"),
    ],
)
def test_what_cannot_be_rewritten_is_refused(changes, message):
    neuron = replace(FloatNeuron(threshold=np.array(1.0)), **changes)
    with pytest.raises(NetworkError, match=message):
        normalize_neurons(network(neuron, FloatNeuron(threshold=None)))
