"""No change inside a certificate flips a spike, and one just beyond does where the bound is tight."""

import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spikeport.export.bias_form import as_bias
from spikeport.export.certificate import Certificates, _decayed_up, refusal
from spikeport.export.errors import NetworkError
from spikeport.export.executors import floating, reference
from spikeport.export.fixed_point import decayed
from spikeport.export.lava.doctor import small_network
from spikeport.export.linear import apply
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
from spikeport.export.passes import folded
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import record
from tests.strategies import cases, decays, float_networks, inputs, integer_networks, seeds

INSIDE, BEYOND = 1 - 1e-9, 1 + 1e-6
"""Beside a bound in float64, whose margins are made smaller for rounding."""


LEVELS = (1, 5, 30)


def execute(network, values):
    """Return the spikes of every population, and the certificates of every sample."""
    found = Certificates(network, len(values), LEVELS)
    return spikes_of(network, values, found.add), found


def spikes_of(network, values, watch=None):
    """Return the spikes of every population."""
    held = values.ndim == 1 + len(network.source.shape)
    stimulus, steps = Stimulus(values=values, steps=network.steps, held=held), []
    executor = reference if isinstance(network, IntegerNetwork) else floating
    for step in executor.steps(network, stimulus):
        if watch is not None:
            watch(step)
        steps.append(step)
    spikes = record(steps)
    return {population.name: spikes[population.name] for population in network.spiking}


def flips(before, after):
    """Return which samples have another spike anywhere."""
    different = [(before[name] != after[name]).reshape(len(after[name]), -1).any(1) for name in before]
    return np.any(different, axis=0)


def directions(network, rng, count=3):
    """Return changes of the input by -1 to 1: at random, corners, and the corners that move one neuron the most."""
    shape = network.source.shape
    drawn = rng.uniform(-1, 1, (count, *shape))
    chosen = [*drawn, *np.sign(rng.uniform(-1, 1, (count, *shape)))]
    for projection in network.outgoing(network.source.name):
        ends = corners(shape, projection)
        chosen += [ends[each] for each in rng.permutation(len(ends))[:12]]
    return chosen


def corners(shape, projection):
    """Return the changes of the input by one level that move one target of a projection the most."""
    size = int(np.prod(shape))
    weights = apply(projection.synapses, np.eye(size).reshape(size, *shape)).reshape(size, -1)
    return [each.reshape(shape) for each in {tuple(each): each for each in np.sign([*weights.T, *-weights.T])}.values()]


def moved(network, values, size, changes):
    """Return a sample moved by ``size`` times each of the changes; levels of integers stay whole and in range."""
    step = size * np.stack([np.broadcast_to(each, values.shape) for each in changes])
    if isinstance(network, IntegerNetwork):
        return np.clip(values + np.trunc(step), 0, network.source.neuron.levels).astype(np.int64)
    return values + step * network.source.neuron.unit


def one(before, number):
    return {name: spikes[number : number + 1] for name, spikes in before.items()}


@given(st.integers(-(2**23), 2**23), st.one_of(st.integers(0, 40), st.integers(0, 2**23)), decays)
@cases(300)
def test_two_numbers_that_decay_are_no_further_apart_than_said(value, apart, decay):
    ends = decayed(np.array([value, value + apart]), decay)
    assert ends[1] - ends[0] <= _decayed_up(np.array(apart), np.array(decay))


def test_what_two_numbers_that_decay_may_differ_by_is_reached():
    values, decay = np.arange(-60, 60), np.array(1000)
    for apart in range(40):
        assert max(decayed(values + apart, 1000) - decayed(values, 1000)) == _decayed_up(np.array(apart), decay)


@given(st.data())
@cases(150)
def test_no_input_inside_the_certificate_flips_a_spike_of_an_integer_network(data):
    network = data.draw(integer_networks(floors=True))
    assume(refusal(network) is None)
    values = data.draw(inputs(network))
    before, found = execute(network, values)
    changes = directions(network, np.random.default_rng(data.draw(seeds)))
    for number, sample in enumerate(values):
        size = min(np.floor(found.input[number]), network.source.neuron.levels)
        others = moved(network, sample, size, changes)
        assert not flips(one(before, number), spikes_of(network, others)).any()


@st.composite
def chains(draw, *, leak=0):
    """Draw one convolution of the input and a dense layer behind it, both spiking, with thresholds within reach."""
    rng = np.random.default_rng(draw(seeds))
    shape = (draw(st.integers(1, 2)), draw(st.integers(2, 4)), draw(st.integers(2, 4)))
    first = Convolution(weight=rng.integers(-4, 5, (2, shape[0], 2, 2)).astype(np.int8), padding=(1, 1))
    target = first.output_shape(shape)
    second = Dense(weight=rng.integers(-3, 4, (3, int(np.prod(target)))).astype(np.int8))
    neurons = [
        IntegerNeuron(
            threshold=rng.integers(1, most, size),
            bias_mantissa=rng.integers(-9, 9, size),
            decay_v=leak,
            reset_by=draw(st.sampled_from([None, rng.integers(1, most, size)])),
        )
        for most, size in ((1500, target), (8, (3,)))
    ]
    populations = (
        IntegerPopulation(name="input", shape=shape, neuron=Source()),
        IntegerPopulation(name="first", shape=target, neuron=neurons[0]),
        IntegerPopulation(name="second", shape=(3,), neuron=neurons[1]),
    )
    projections = (
        IntegerProjection(source="input", target="first", synapses=first, exponent=draw(st.integers(0, 1))),
        IntegerProjection(source="first", target="second", synapses=second),
    )
    return IntegerNetwork(populations=populations, projections=projections, steps=draw(st.integers(1, 4)))


def ends(network):
    (projection,) = network.outgoing("input")
    return corners(network.source.shape, projection)


@given(chains(), seeds)
@cases(100)
def test_one_level_beyond_flips_a_spike(network, seed):
    values = np.random.default_rng(seed).integers(60, 196, (3, *network.source.shape))
    before, found = execute(network, values)
    for number in np.flatnonzero(found.input < 59):
        others = moved(network, values[number], np.floor(found.input[number]) + 1, ends(network))
        assert flips(one(before, number), spikes_of(network, others)).any()


@given(chains(), seeds)
@cases(50)
def test_neurons_of_the_first_population_that_some_change_flips_are_those_that_are_not_certified(network, seed):
    values = np.random.default_rng(seed).integers(60, 196, (2, *network.source.shape))
    before, found = execute(network, values)
    assert found.first == ["first"]
    for number, level in itertools.product(range(2), LEVELS):
        after = spikes_of(network, moved(network, values[number], level, ends(network)))["first"]
        broken = (after != before["first"][number]).any(axis=(0, 1))
        assert found.kept[number, LEVELS.index(level)] == pytest.approx(1 - broken.mean())


@given(st.data())
@cases(100)
def test_in_float64_the_certificate_of_the_input_is_tight(data):
    network = folded(data.draw(float_networks()))
    rng = np.random.default_rng(data.draw(seeds))
    values = rng.uniform(0, 1, (1, *network.source.shape))
    before, found = execute(network, values)
    size, changes = float(found.input[0]), [*ends(network), *rng.uniform(-1, 1, (3, *network.source.shape))]
    if not np.isfinite(size):
        size, changes = 1000, [*rng.uniform(-1, 1, (3, *network.source.shape))]
    inside, beyond = (spikes_of(network, moved(network, values[0], size * by, changes)) for by in (INSIDE, BEYOND))
    assert not flips(before, inside).any()
    assert flips(before, beyond).any() == np.isfinite(found.input[0])


def changed(network, chosen, size):
    """Return a network whose weights moved: ``chosen`` gives -1 to 1 for every weight that is not zero."""
    projections = []
    for projection in network.projections:
        weight = projection.synapses.weight
        if isinstance(network, IntegerNetwork):
            step = np.trunc(np.asarray(chosen(projection)) * size).astype(np.int64)
            weight = np.clip(weight + step * (weight != 0), -128, 127).astype(np.int8)
            projections.append(replace(projection, synapses=replace(projection.synapses, weight=weight)))
        else:
            weight = weight + chosen(projection) * (weight != 0) * size * np.abs(weight).max()
            projections.append(replace(projection, stages=(replace(projection.synapses, weight=weight),)))
    return replace(network, projections=tuple(projections))


def _one_way(chosen, target, sign, projection):
    weight = projection.synapses.weight
    rows = (np.arange(len(weight)) == target) & (projection is chosen)
    return np.broadcast_to(sign * rows.reshape(-1, *(1,) * (weight.ndim - 1)), weight.shape)


def choices(network, rng):
    """Return changes of weights: at random, at the ends, and all one way into one target or channel."""
    found = [
        lambda projection: rng.uniform(-1, 1, projection.synapses.weight.shape),
        lambda projection: rng.choice([-1, 1], projection.synapses.weight.shape),
    ]
    names = {population.name for population in network.spiking}
    for chosen in (projection for projection in network.projections if projection.target in names):
        for target in range(len(chosen.synapses.weight)):
            found += [partial(_one_way, chosen, target, sign) for sign in (-1, 1)]
    return found


@given(st.data())
@cases(60)
def test_no_change_of_weights_inside_the_certificate_flips_a_spike_and_one_beyond_does(data):
    network = folded(data.draw(float_networks()))
    rng = np.random.default_rng(data.draw(seeds))
    values = rng.uniform(0, 1, (1, *network.source.shape))
    before, found = execute(network, values)
    size = float(found.weights[0])
    if not np.isfinite(size):
        return
    tight = False
    for choice in choices(network, rng):
        assert not flips(before, spikes_of(changed(network, choice, size * INSIDE), values)).any()
        tight |= bool(flips(before, spikes_of(changed(network, choice, size * BEYOND), values)).any())
    assert tight


@given(st.data())
@cases(100)
def test_no_whole_change_of_integer_weights_inside_the_certificate_flips_a_spike(data):
    network = data.draw(st.one_of(integer_networks(floors=True), chains(leak=300)))
    assume(refusal(network) is None)
    values, rng = data.draw(inputs(network)), np.random.default_rng(data.draw(seeds))
    values[: len(values) // 2] = values[: len(values) // 2] > 0
    before, found = execute(network, values)
    for size in {int(each) for each in found.weights if 1 <= each < 128}:
        rows = found.weights >= size
        for choice in choices(network, rng)[:12]:
            assert not flips(before, spikes_of(changed(network, choice, size), values))[rows].any()


@pytest.mark.parametrize("bias", [-1, 0, 1, 63])
@pytest.mark.parametrize("inclusive", [False, True])
def test_one_unit_beside_the_threshold_the_certificate_is_that_of_all_levels_tried(bias, inclusive):
    """One neuron that hears every level from 0 to 40 once, with a threshold of 20 levels."""
    neuron = IntegerNeuron(threshold=np.array(20), bias_mantissa=np.array(bias), inclusive=inclusive)
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(1,), neuron=Source(levels=40, unit=1 / 40)),
            IntegerPopulation(name="a", shape=(1,), neuron=neuron),
        ),
        projections=(IntegerProjection(source="input", target="a", synapses=Dense(weight=np.ones((1, 1), np.int8))),),
        steps=1,
    )
    spikes, found = execute(network, np.arange(41)[:, None])
    fires = spikes["a"].ravel()
    for level in range(5, 36):
        least = next(n for n in range(1, 41) if fires[max(level - n, 0)] != fires[min(level + n, 40)])
        assert np.floor(found.input[level]) == least - 1
        assert found.kept[level].tolist() == [least > each for each in LEVELS]


def test_what_has_no_certificate_is_named():
    network = small_network()
    assert refusal(network) is None
    unsafe = replace(network, projections=tuple(replace(each, exponent=15) for each in network.projections))
    assert "a register may wrap: the" in refusal(unsafe)
    with pytest.raises(NetworkError, match="no certificate: a register may wrap"):
        Certificates(unsafe, 1)
    assert "written as biases" in refusal(as_bias(network))
    neuron = FloatNeuron(threshold=np.array(1.0), most=None)
    several = FloatNetwork(
        populations=(
            FloatPopulation(name="input", shape=(2,), neuron=Source()),
            FloatPopulation(name="a", shape=(1,), neuron=neuron),
        ),
        projections=(FloatProjection(source="input", target="a", stages=(Dense(weight=np.ones((1, 2))),)),),
        steps=2,
    )
    assert "population a compares its potential with several thresholds" in refusal(several)


def test_by_hand_the_certificate_is_the_margin_over_what_a_change_adds():
    """One neuron, weights 2 and -1, input 3 and 1 as levels of 1/2, threshold 12: potentials 5, 10, 15, which fires."""
    network = FloatNetwork(
        populations=(
            FloatPopulation(name="input", shape=(2,), neuron=Source(levels=10, unit=0.5)),
            FloatPopulation(name="a", shape=(1,), neuron=FloatNeuron(threshold=np.array(12.0))),
        ),
        projections=(FloatProjection(source="input", target="a", stages=(Dense(weight=np.array([[2.0, -1.0]])),)),),
        steps=3,
    )
    _, found = execute(network, np.array([[6, 2]]))
    assert found.input[0] == pytest.approx(2 * min(7 / 3, 2 / 6, 3 / 9))
    assert found.weights[0] == pytest.approx(min(7 / 8, 2 / 16, 3 / 24))
