"""What a large layer takes while it is made ready and run: small multiples of its weights."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import bounds
from spikeport.export.executors import fast, reference
from spikeport.export.linear import synaptic_sum
from spikeport.export.network import (
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import random_stimulus, stimulus
from spikeport.export.trace import record
from tests.strategies import inputs, integer_networks

SIDE = 2000
CHUNKS = 14e6
"""Bytes of what is worked on at a time, however many weights there are."""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr("spikeport.export.linear.PART", 2**18)


def one_layer(weight, *, shape=None, levels=1, exponent=0):
    neuron, size = IntegerNeuron(threshold=2000, bias_mantissa=np.zeros(())), weight.shape[1]
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(size,), neuron=Source(levels=levels)),
            IntegerPopulation(name="a", shape=shape or (len(weight),), neuron=neuron),
        ),
        projections=(IntegerProjection(source="input", target="a", synapses=Dense(weight=weight), exponent=exponent),),
        steps=2,
    )


def weights(density, side=SIDE):
    rng = np.random.default_rng(0)
    return np.where(rng.random((side, side)) < density, rng.integers(-20, 21, (side, side)), 0).astype(np.int8)


def peak_of(work):
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    ("density", "options"),
    [
        (1.0, {}),
        (0.1, {}),
        (0.01, {}),
        (1.0, {"levels": 255}),
        (1.0, {"exponent": 2}),
        (1.0, {"shape": (20, 10, SIDE // 200)}),
    ],
)
def test_dense_layer_takes_at_most_four_bytes_a_weight(density, options):
    network = one_layer(weights(density), **options)
    images = random_stimulus(network, 2, 0)
    list(fast.steps(network, images))  # compiles, which takes memory of its own
    fast._runner.cache_clear()
    assert peak_of(lambda: list(fast.steps(network, images))) < 4 * SIDE**2 + CHUNKS


def test_proof_takes_little_beside_the_weights():
    network = one_layer(weights(1.0))
    assert peak_of(lambda: bounds.prove(network)) < 2 * SIDE**2 + CHUNKS


def test_quantization_takes_little_beside_the_float_weights():
    weight = np.random.default_rng(0).normal(size=(SIDE, SIDE))
    network = FloatNetwork(
        populations=(
            FloatPopulation(name="input", shape=(SIDE,), neuron=Source()),
            FloatPopulation(name="a", shape=(SIDE,), neuron=FloatNeuron(threshold=np.array(1.0))),
        ),
        projections=(FloatProjection(source="input", target="a", stages=(Dense(weight=weight),)),),
        steps=2,
    )
    assert peak_of(lambda: quantize(network)) < 4 * SIDE**2 + CHUNKS


def test_sums_in_parts_are_those_in_one(monkeypatch):
    rng = np.random.default_rng(0)
    kernel = Convolution(weight=rng.integers(-128, 128, (6, 2, 3, 3)).astype(np.int8), padding=(1, 1), groups=2)
    stages = [(Dense(weight=rng.integers(-128, 128, (7, 48)).astype(np.int8)), (5, 48)), (kernel, (5, 4, 4, 4))]
    for stage, shape in stages:
        spikes = rng.integers(0, 256, shape)
        whole = synaptic_sum(stage, spikes)
        with monkeypatch.context() as patch:
            patch.setattr("spikeport.export.linear.PART", 50)
            assert np.array_equal(synaptic_sum(stage, spikes), whole)


@given(
    data=st.data(), network=integer_networks(floors=True), force=st.sampled_from(["planes", "rows", "lists", "merged"])
)
def test_tables_in_parts_give_the_same_spikes(data, network, force):
    images = stimulus(data.draw(inputs(network)), network)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spikeport.export.engine.tables.CHUNK", data.draw(st.sampled_from([1, 7, 50])))
        found = record(fast.steps(network, images, force=force))
    for name, values in record(reference.steps(network, images)).items():
        assert np.array_equal(values, found[name])
