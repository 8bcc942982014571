"""Populations that only hand spikes on are named for what they compute, in real numbers and in integers."""

from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.network import (
    AveragePooling,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    MaxPooling,
    Normalization,
    Reshape,
    Source,
)
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.report import html
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.roles import named, roles

RNG = np.random.default_rng(0)
FIRING = FloatNeuron(threshold=np.array(1.0))
LEAKY = FloatNeuron(threshold=np.array(1.0), decay_current=np.array(0.5))
WINDOW = Convolution(weight=np.ones((2, 1, 2, 2)), stride=(2, 2), groups=2)


def convolution():
    return Convolution(weight=RNG.normal(size=(2, 2, 3, 3)), padding=(1, 1))


def populations(**neurons):
    shapes = {"input": (2, 4, 4), "a": (2, 4, 4), "readout": (3,)}
    return tuple(FloatPopulation(name=n, shape=shapes.get(n, (2, 2, 2)), neuron=each) for n, each in neurons.items())


def tools_network():
    """Return a network for which the passes add a relay, max pooling and a constant input."""
    head = (Reshape(shape=(8,)), Dense(weight=RNG.normal(size=(3, 8))))
    norm = Normalization(scale=np.array([1.0, 0.5]), shift=np.array([0.3, 0.2]))
    return FloatNetwork(
        populations=populations(
            input=Source(levels=1, unit=1.0), a=FIRING, b=LEAKY, readout=FloatNeuron(threshold=None)
        ),
        projections=(
            FloatProjection(source="input", target="a", stages=(convolution(),)),
            FloatProjection(
                source="a", target="b", stages=(MaxPooling(size=(2, 2), stride=(2, 2)), convolution(), norm)
            ),
            FloatProjection(source="a", target="b", stages=(AveragePooling(size=(2, 2)), convolution())),
            FloatProjection(source="b", target="readout", stages=head),
        ),
        steps=4,
    )


def both(network):
    """Return a network folded, and that in integers."""
    real = folded(network)
    return [real, quantize(real)]


def test_what_the_passes_add_is_named_for_what_it_does():
    for network in both(tools_network()):
        found = roles(network)
        assert found["a_pool"] == "max pooling"
        assert found["a_relay1"] == "relay"
        assert set(found.values()) == {"constant input", "max pooling", "relay"}
        assert not {"a", "b", "readout"} & set(found)


def pooled(neuron, *, weight=1.0):
    """Return a network whose population ``b`` hears windows of ``a``."""
    window = replace(WINDOW, weight=WINDOW.weight * weight)
    head = (Reshape(shape=(8,)), Dense(weight=RNG.normal(size=(3, 8))))
    return FloatNetwork(
        populations=populations(
            input=Source(levels=1, unit=1.0), a=FIRING, b=neuron, readout=FloatNeuron(threshold=None)
        ),
        projections=(
            FloatProjection(source="input", target="a", stages=(convolution(),)),
            FloatProjection(source="a", target="b", stages=(window,)),
            FloatProjection(source="b", target="readout", stages=head),
        ),
        steps=4,
    )


MEMORYLESS = FloatNeuron(threshold=np.array(1.5), decay_potential=np.array(1.0))
CASES = [
    ("sum pooling", FloatNeuron(threshold=np.array(1.5)), 1.0),
    ("sum pooling", MEMORYLESS, 1.0),
    ("max pooling", MEMORYLESS, 2.0),
    ("max pooling", FloatNeuron(threshold=np.array(1.5)), 2.0),
    ("sum pooling", FloatNeuron(threshold=np.array(1.5), reset_by=np.array(1.5)), 2.0),
    (None, FloatNeuron(threshold=np.array(1.5), bias=np.array(0.25)), 1.0),
]


@pytest.mark.parametrize(("role", "neuron", "weight"), CASES, ids=["keeps", "several", "any", "resets", "rest", "bias"])
def test_windows_of_one_weight_pool(role, neuron, weight):
    for network in both(pooled(neuron, weight=weight)):
        assert roles(network).get("b") == role


def test_windows_of_several_weights_are_layers_of_the_user():
    network = pooled(MEMORYLESS)
    window = replace(WINDOW, weight=np.arange(1.0, 9.0).reshape(2, 1, 2, 2))
    changed = (network.projections[0], replace(network.projections[1], stages=(window,)), network.projections[2])
    assert roles(folded(replace(network, projections=changed))) == {}


def test_text_and_page_name_them():
    network = both(tools_network())[1]
    found = report(network, random_stimulus(network, 2, 0), ["loihi1"])
    assert "a_pool (max pooling) -> b" in found.text()
    assert "a_pool (max pooling) → b" in html.render(found)
    assert {each["name"]: each["role"] for each in found.to_dict()["network"]["populations"]}["a_pool"] == "max pooling"


def test_a_name_says_the_role():
    assert named("a_pool", {"a_pool": "max pooling"}) == "a_pool (max pooling)"
    assert named("a", {"a_pool": "max pooling"}) == "a"
