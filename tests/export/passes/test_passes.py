"""Passes: the same spikes before and after in float64, and the structure that is expected."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import archive
from spikeport.export.errors import NetworkError
from spikeport.export.executors import floating
from spikeport.export.linear import apply
from spikeport.export.network import (
    AveragePooling,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Normalization,
    Source,
)
from spikeport.export.passes import fold_normalization, fold_synapses, folded
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.strategies import float_networks, inputs

FOLDS = {
    "fold_normalization": fold_normalization,
    "fold_synapses": lambda network: fold_synapses(fold_normalization(network)),
    "folded": folded,
}


@pytest.mark.parametrize("change", FOLDS.values(), ids=FOLDS)
@given(data=st.data(), network=float_networks())
def test_spikes_stay_the_same(change, data, network):
    driven = stimulus(data.draw(inputs(network)), network)
    before = record(floating.steps(network, driven))
    after = record(floating.steps(change(network), driven))
    for population in network.spiking:
        assert np.array_equal(before[population.name], after[population.name])
    assert np.allclose(before["readout"], after["readout"], rtol=1e-9, atol=1e-9)


@given(network=float_networks())
def test_folded_network_has_one_stage_of_synapses_each(network):
    for projection in folded(network).projections:
        assert [type(stage) in (Convolution, Dense) for stage in projection.stages] == [True]


def one_projection(*stages, shape, target, bias=0.0):
    return FloatNetwork(
        populations=(
            FloatPopulation(name="input", shape=shape, neuron=Source()),
            FloatPopulation(name="a", shape=target, neuron=FloatNeuron(threshold=np.array(1.0), bias=np.array(bias))),
        ),
        projections=(FloatProjection(source="input", target="a", stages=stages),),
        steps=1,
    )


def assert_equal(found, expected):
    """Compare two networks of one projection by structure."""
    ((stage,), (wanted,)) = (network.projections[0].stages for network in (found, expected))
    assert type(stage) is type(wanted)
    assert np.array_equal(stage.weight, wanted.weight)
    if isinstance(stage, Convolution):
        for name in ("stride", "padding", "dilation", "groups"):
            assert getattr(stage, name) == getattr(wanted, name)
    biases = (network.population("a").neuron.bias for network in (found, expected))
    assert np.array_equal(*(np.broadcast_to(bias, expected.population("a").shape) for bias in biases))


def test_pooling_before_a_convolution_enlarges_the_kernel():
    kernel = np.arange(9.0).reshape(1, 1, 3, 3)
    before = one_projection(
        AveragePooling(size=(2, 2)), Convolution(weight=kernel, padding=(1, 1)), shape=(1, 8, 8), target=(1, 4, 4)
    )
    large = np.kron(kernel[0, 0], np.ones((2, 2)))[None, None] / 4
    expected = one_projection(
        Convolution(weight=large, stride=(2, 2), padding=(2, 2)), shape=(1, 8, 8), target=(1, 4, 4)
    )
    assert_equal(fold_synapses(before), expected)


def test_pooling_before_a_dilated_convolution_enlarges_its_holes_too():
    before = one_projection(
        AveragePooling(size=(1, 2)),
        Convolution(weight=np.array([[[[2.0, 6.0]]]]), dilation=(1, 2)),
        shape=(1, 1, 8),
        target=(1, 1, 2),
    )
    expected = one_projection(
        Convolution(weight=np.array([[[[1.0, 1.0, 0.0, 0.0, 3.0, 3.0]]]]), stride=(1, 2)),
        shape=(1, 1, 8),
        target=(1, 1, 2),
    )
    assert_equal(fold_synapses(before), expected)


def test_pooling_before_dense_repeats_the_weights_of_a_window():
    before = one_projection(
        AveragePooling(size=(1, 2)), Dense(weight=np.array([[1.0, 3.0]])), shape=(1, 1, 4), target=(1,)
    )
    expected = one_projection(Dense(weight=np.array([[0.5, 0.5, 1.5, 1.5]])), shape=(1, 1, 4), target=(1,))
    assert_equal(fold_synapses(before), expected)


def test_shift_before_zero_padding_becomes_a_bias_map():
    before = one_projection(
        Normalization(scale=np.array([2.0]), shift=np.array([-1.0])),
        Convolution(weight=np.ones((1, 1, 3, 3)), padding=(1, 1)),
        shape=(1, 3, 3),
        target=(1, 3, 3),
    )
    corners = np.array([[-4.0, -6.0, -4.0], [-6.0, -9.0, -6.0], [-4.0, -6.0, -4.0]])
    expected = one_projection(
        Convolution(weight=2 * np.ones((1, 1, 3, 3)), padding=(1, 1)),
        shape=(1, 3, 3),
        target=(1, 3, 3),
        bias=corners[None],
    )
    assert_equal(fold_normalization(before), expected)


def test_batch_norm_behind_a_convolution_gives_one_bias_per_channel():
    before = one_projection(
        Convolution(weight=np.ones((2, 1, 1, 1))),
        Normalization(scale=np.array([3.0, -1.0]), shift=np.array([0.25, 4.0])),
        shape=(1, 2, 2),
        target=(2, 2, 2),
    )
    after = fold_normalization(before)
    assert after.population("a").neuron.bias.shape == (2, 1, 1)
    assert after.projections[0].stages[0].weight.ravel().tolist() == [3.0, -1.0]


def test_scales_of_two_normalizations_before_the_synapses_multiply():
    first, second = (Normalization(scale=np.array([s]), shift=np.array([1.0])) for s in (2.0, 3.0))
    before = one_projection(first, second, Dense(weight=np.array([[5.0]])), shape=(1,), target=(1,))
    expected = one_projection(Dense(weight=np.array([[30.0]])), shape=(1,), target=(1,), bias=np.array([20.0]))
    assert_equal(fold_normalization(before), expected)


def output_shape(stages, shape):
    for stage in stages:
        shape = stage.output_shape(shape)
    return shape


@pytest.mark.parametrize(
    "stages",
    [
        (),
        (AveragePooling(size=(2, 2)),),
        (Normalization(scale=np.full(1, 2.0), shift=np.ones(1)),),
        (AveragePooling(size=(2, 1)), Normalization(scale=np.full(1, 2.0), shift=np.ones(1))),
    ],
)
def test_projection_without_synapses_becomes_an_identity(stages):
    target = output_shape(stages, (1, 4, 4))
    before = one_projection(*stages, shape=(1, 4, 4), target=target)
    after = folded(before)
    (stage,) = after.projections[0].stages
    image = np.arange(16.0).reshape(1, 1, 4, 4)
    expected = image
    for each in stages:
        expected = apply(each, expected)
    bias = after.population("a").neuron.bias
    assert np.allclose(apply(stage, image) + bias, expected, rtol=1e-12)


DOUBLE = Normalization(scale=np.full(1200, 2.0), shift=np.zeros(1200))


@pytest.mark.parametrize(("stages", "factor"), [((), 1), ((DOUBLE,), 2), ((DOUBLE, AveragePooling(size=(1, 2))), 2)])
def test_identity_of_many_channels_takes_a_weight_or_a_window_per_channel(stages, factor):
    shape, target = (1200, 1, 2), output_shape(stages, (1200, 1, 2))
    (stage,) = folded(one_projection(*stages, shape=shape, target=target)).projections[0].stages
    assert stage.groups == 1200
    assert stage.weight.size <= 2400
    values = np.broadcast_to(np.arange(1200.0)[:, None, None], shape)[None]
    assert np.array_equal(
        apply(stage, values), np.broadcast_to(factor * np.arange(1200.0)[:, None, None], target)[None]
    )


LONG = Normalization(scale=np.full(9000, 2.0), shift=np.zeros(9000))
TOO_MANY_WEIGHTS = {
    "identity": ((), (9000,), (9000,), "an identity or a scale of 9,000 neurons .* 81,000,000 weights.*9000, 1, 1"),
    "scale": ((LONG,), (9000,), (9000,), "an identity or a scale of 9,000 neurons .* would need 81,000,000 weights"),
    "pooling": (
        (AveragePooling(size=(500, 500)), Convolution(weight=np.ones((300, 1, 1, 1)))),
        (1, 500, 500),
        (300, 1, 1),
        "the matrix of 250,000 x 300 for AveragePooling, Convolution, .* would need 75,000,000 weights",
    ),
    "dilated kernel behind pooling": (
        (AveragePooling(size=(2, 2)), Convolution(weight=np.ones((20, 1, 2, 2)), dilation=(999, 999))),
        (1, 2000, 2000),
        (20, 1, 1),
        "the matrix of 4,000,000 x 20 for AveragePooling, Convolution, .* would need 80,000,000 weights",
    ),
    "product": (
        (
            Convolution(weight=np.ones((1, 9000, 1, 1))),
            Convolution(weight=np.ones((9000, 1, 1, 1))),
        ),
        (9000, 1, 1),
        (9000, 1, 1),
        "the matrix of 9,000 x 9,000 for Convolution, Convolution, .* would need 81,000,000 weights.*neurons between",
    ),
}


@pytest.mark.parametrize("case", TOO_MANY_WEIGHTS)
def test_weights_that_a_pass_would_make_are_counted_first(case):
    stages, shape, target, message = TOO_MANY_WEIGHTS[case]
    with pytest.raises(NetworkError, match=f"projection input -> a: {message}"):
        folded(one_projection(*stages, shape=shape, target=target))


@pytest.mark.parametrize("delay", [0, 2])
@pytest.mark.parametrize("decay", [1.0, 0.5, 0.0])
def test_shift_into_a_current_with_memory_or_over_a_delay_keeps_the_spikes(decay, delay):
    """A constant into a synaptic current that remembers it is no bias: it builds up."""
    rng = np.random.default_rng(0)
    before = one_projection(
        Dense(weight=rng.normal(size=(20, 4))),
        Normalization(scale=rng.uniform(1, 2, 20), shift=rng.normal(size=20)),
        shape=(4,),
        target=(20,),
    )
    neuron = FloatNeuron(threshold=np.array(1.7), decay_current=np.array(decay))
    populations = (before.populations[0], FloatPopulation(name="a", shape=(20,), neuron=neuron))
    projections = tuple(replace(p, delay=delay) for p in before.projections)
    before = replace(before, populations=populations, projections=projections, steps=8)
    driven = stimulus(rng.integers(0, 256, (6, 4)), before)
    expected, found = (record(floating.steps(network, driven))["a"] for network in (before, folded(before)))
    assert np.array_equal(expected, found)
    assert expected.any()


def test_a_source_of_nothing_but_zeros_keeps_a_projection_however_often_it_is_folded():
    """Without it the network would have a second population that nothing reads."""
    current = FloatNeuron(threshold=np.array(1.0), decay_current=np.array(0.5))
    populations = (
        FloatPopulation(name="input", shape=(2,), neuron=Source(levels=1, unit=1.0)),
        FloatPopulation(name="a", shape=(2,), neuron=FloatNeuron(threshold=np.array(0.5))),
        FloatPopulation(name="b", shape=(2,), neuron=current),
    )
    shifted = Normalization(scale=np.ones(2), shift=np.ones(2))
    projections = (
        FloatProjection(source="input", target="a", stages=(Dense(weight=np.eye(2)),)),
        FloatProjection(source="a", target="b", stages=(Dense(weight=np.zeros((2, 2))), shifted)),
    )
    once = folded(FloatNetwork(populations=populations, projections=projections, steps=3))
    twice = folded(once)
    assert once.readout.name == twice.readout.name == "b"
    assert archive.digest(once) == archive.digest(twice)
