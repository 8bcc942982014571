"""Layers of a float network against those of integers: recomputed from whole runs, and nothing where both are alike."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spikeport.export import layer_differences
from spikeport.export.errors import NetworkError, QuantizationError
from spikeport.export.executors import floating, reference
from spikeport.export.lava.doctor import small_network
from spikeport.export.layer_differences import comparable, differences
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import random_stimulus, stimulus
from spikeport.export.trace import scores
from tests.hardware_profiles.float_networks import BETWEEN, as_float
from tests.strategies import cases, float_networks, inputs

MADE = small_network()
INPUT = replace(MADE.populations[0], neuron=replace(MADE.source.neuron, unit=1.0))
INTEGERS = replace(MADE, populations=(INPUT, *MADE.populations[1:]))
"""With the unit of `as_float`."""


def whole(steps, name):
    """Return spikes and compared potentials of a run, (N, T, *shape) each."""
    found = list(steps)
    return (np.stack([getattr(step, kind)[name] for step in found], axis=1) for kind in ("spikes", "compared"))


@given(st.data())
@cases(40)
def test_shares_are_those_of_whole_runs_in_batches_of_any_size(data):
    network = folded(data.draw(float_networks()))
    try:
        integers = quantize(network, weight_bits=4)
    except QuantizationError:
        assume(condition=False)
    given = stimulus(data.draw(inputs(network)), network)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer_differences, "AT_ONCE", data.draw(st.sampled_from([1, 2**22])))
        found = differences(network, integers, given)
    assert [each.population for each in found.layers] == [each.name for each in network.spiking]
    for each in found.layers:
        ours, mine = whole(floating.steps(network, given), each.population)
        theirs, their = whole(reference.steps(integers, given), each.population)
        threshold = network.population(each.population).neuron.threshold
        unit = integers.population(each.population).neuron.threshold.astype(float) * 64
        axes = tuple(range(1, ours.ndim))
        assert np.allclose(each.rates[0], ours.mean(axes))
        assert np.allclose(each.rates[1], theirs.mean(axes))
        assert np.allclose(each.changed, (ours != theirs).mean(axes))
        assert np.allclose(each.potential, np.abs(mine / threshold - their / unit).mean(axes))
        assert each.neurons == ours[0, 0].size
    classes = [
        scores(run, which, len(given)).argmax(1)
        for run, which in (
            (floating.steps(network, given), network),
            (reference.steps(integers, given), integers),
        )
    ]
    assert (found.classes == (classes[0] != classes[1])).all()


def test_a_float_network_with_the_integers_numbers_differs_in_nothing():
    network = as_float(INTEGERS)
    found = differences(comparable(network, INTEGERS), INTEGERS, random_stimulus(INTEGERS, 5, 0))
    (layer,) = found.layers
    assert layer.rates[0].any()
    assert not layer.changed.any()
    threshold = float(INTEGERS.population("conv1").neuron.threshold)
    assert layer.potential.max() < 100 * BETWEEN / threshold
    assert not found.classes.any()


def test_another_network_is_refused_with_what_differs():
    other = as_float(replace(INTEGERS, steps=3, bounds={}))
    with pytest.raises(NetworkError, match="runs 4 steps, the float network 3; expected as many"):
        comparable(other, INTEGERS)
    network = as_float(INTEGERS)
    source = replace(network.populations[0], neuron=replace(network.source.neuron, levels=15))
    with pytest.raises(NetworkError, match=r"take 255 levels of 1, the float network 15 of 1"):
        comparable(replace(network, populations=(source, *network.populations[1:])), INTEGERS)
