"""The fast executor gives the reference's spikes and potentials: every neuron, every step, every kernel."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import bounds
from spikeport.export.engine.plan import KERNELS, Plan
from spikeport.export.engine.tables import Planes
from spikeport.export.errors import ExecutorError, StimulusError
from spikeport.export.executors import fast, reference
from spikeport.export.geometry import fan_out, geometry_of, pooled
from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from spikeport.hardware_profiles.counting import count_batches, gather
from tests.strategies import cases, inputs, integer_networks, seeds

WAYS = (None, *KERNELS)


def same(network, driven, **options):
    """Compare every neuron and step and return how many there were."""
    expected, found = record(reference.steps(network, driven, batch=11)), record(fast.steps(network, driven, **options))
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        assert found[name].shape == values.shape
        assert np.array_equal(values, found[name]), (name, options)
    return sum(values.size for values in expected.values())


@given(st.data(), integer_networks(floors=True), st.sampled_from(WAYS), st.integers(1, 3))
@cases(150)
def test_random_networks(data, network, force, threads):
    driven = stimulus(data.draw(inputs(network)), network)
    same(network, driven, force=force, threads=threads, batch=data.draw(st.integers(1, 5)))


@given(st.data(), integer_networks(floors=True), st.sampled_from(WAYS))
@cases(60)
def test_networks_without_a_proof_wrap_and_saturate_alike(data, network, force):
    """Exponents of up to 15 drive currents beyond 2**23 and potentials into saturation."""
    exponents = st.integers(8, 15)
    projections = tuple(replace(p, exponent=data.draw(exponents)) for p in network.projections)
    network = replace(network, projections=projections, bounds={})
    driven = stimulus(data.draw(inputs(network)), network)
    same(network, driven, force=force, threads=1)


def wide(rng, *, largest=9):
    """Draw a network of one to three convolutions of every shape and density, and a batch of up to 33 samples."""
    shape = (int(rng.integers(1, 7)), int(rng.integers(3, largest)), int(rng.integers(3, largest)))
    levels = int(rng.choice([1, 255]))
    populations = [IntegerPopulation(name="input", shape=shape, neuron=Source(levels=levels, unit=1 / levels))]
    projections = []
    for index in range(int(rng.integers(1, 4))):
        groups = int(rng.choice([g for g in (1, 2, 3) if shape[0] % g == 0]))
        channels, density = groups * int(rng.integers(1, 7)), float(rng.choice([0.005, 0.05, 0.3, 1.0]))
        first, window = drawn_convolution(rng, shape, channels, groups, density)
        target = first.output_shape(shape)
        paths = [first]
        if rng.random() < 0.4:
            paths.append(beside(rng, first, window, density))
        name = f"conv{index}"
        neuron = IntegerNeuron(
            threshold=rng.integers(0, int(rng.choice([3, 40, 400])), (target[0], 1, 1)),
            bias_mantissa=rng.integers(-90, 90, target) * int(rng.integers(0, 2)),
            reset_by=int(rng.integers(1, 40)) if rng.random() < 0.3 else None,
        )
        populations.append(IntegerPopulation(name=name, shape=target, neuron=neuron))
        projections += [
            IntegerProjection(
                source=populations[-2].name, target=name, synapses=path, delay=int(rng.integers(0, 2)) * index
            )
            for path in paths
        ]
        shape = target
    weight = drawn(rng, (4, int(np.prod(shape))), 0.5)
    silent = IntegerNeuron(threshold=None, bias_mantissa=np.zeros(()))
    populations.append(IntegerPopulation(name="readout", shape=(4,), neuron=silent))
    last = IntegerProjection(source=populations[-2].name, target="readout", synapses=Dense(weight=weight))
    network = IntegerNetwork(
        populations=tuple(populations), projections=(*projections, last), steps=int(rng.integers(1, 9))
    )
    samples, rate = int(rng.integers(1, 34)), float(rng.choice([0.0, 0.02, 0.3, 1.0]))
    values = rng.integers(1, levels + 1, (samples, *network.source.shape))
    return network, stimulus(np.where(rng.random(values.shape) < rate, values, 0), network)


def drawn(rng, shape, density):
    """Return weights with both ends of their range among them."""
    weight = np.where(rng.random(shape) < 0.1, rng.choice([-128, 127], shape), rng.integers(-9, 10, shape))
    return np.where(rng.random(shape) < density, weight, 0).astype(np.int8)


def drawn_convolution(rng, shape, channels, groups, density):
    """Return a convolution, now and then one as average pooling leaves it, and the side of the pool."""
    kernel, stride, padding, dilation = ([int(n) for n in rng.integers(a, b, 2)] for a, b in BOUNDS)
    kernel = [min(k, s) for k, s in zip(kernel, shape[1:], strict=True)]
    dilation = [d if (k - 1) * d < s else 1 for k, d, s in zip(kernel, dilation, shape[1:], strict=True)]
    weight = drawn(rng, (channels, shape[0] // groups, *kernel), density)
    window = 2 if rng.random() < 0.3 else 1
    if window == 2:
        weight, stride, padding, dilation = weight.repeat(2, 2).repeat(2, 3), [2, 2], [2, 2], [1, 1]
    found = Convolution(
        weight=weight, stride=tuple(stride), padding=tuple(padding), dilation=tuple(dilation), groups=groups
    )
    return found, window


def beside(rng, first, window, density):
    """Return a convolution with the same results as another, its kernel and padding larger now and then."""
    more = [window * int(rng.integers(0, 3)) if step == 1 else 0 for step in first.dilation]
    sides = [(side + 2 * extra) // window for side, extra in zip(first.weight.shape[2:], more, strict=True)]
    weight = drawn(rng, (*first.weight.shape[:2], *sides), density).repeat(window, 2).repeat(window, 3)
    padding = tuple(pad + extra for pad, extra in zip(first.padding, more, strict=True))
    return replace(first, weight=weight, padding=padding)


BOUNDS = ((1, 5), (1, 4), (0, 3), (1, 3))


@given(seeds, st.sampled_from(WAYS), st.integers(1, 3))
@cases(150)
def test_every_shape_density_rate_and_batch(seed, force, threads):
    network, driven = wide(np.random.default_rng(seed))
    same(network, driven, force=force, threads=threads)


def until(goal, *, largest):
    """Compare networks of large planes and batches, all kernels in turn, until there are ``goal`` neuron steps."""
    total, seed = 0, 0
    while total < goal:
        network, driven = wide(np.random.default_rng(seed), largest=largest)
        total += same(network, driven, force=WAYS[seed % len(WAYS)])
        seed += 1
    return total


def test_ten_million_neuron_steps(compared):
    compared({"fast": SimpleNamespace(compared=until(10**7, largest=100), mismatches=0)})


@pytest.mark.slow
def test_a_thousand_million_neuron_steps(compared):
    compared({"fast": SimpleNamespace(compared=until(10**9, largest=200), mismatches=0)})


@given(st.data(), integer_networks(floors=True), st.sampled_from(WAYS))
@cases(60)
def test_counts_ride_along(data, network, force):
    """Spikes per neuron are those of the trace; operations these times the fan-outs."""
    driven = stimulus(data.draw(inputs(network)), network)
    steps = list(fast.steps(network, driven, force=force, count=True, batch=3))
    counts = [step.count for step in steps if step.count is not None]
    assert [step.step for step in steps if step.count] == [network.steps - 1] * len(counts)
    slow = count_batches(network, gather(network, reference.steps(network, driven, batch=3)))
    assert [sum(c.operations[index] for c in counts) for index in range(len(slow.layers))] == [
        layer.formula for layer in slow.layers
    ]
    trace = record(reference.steps(network, driven))
    for population in network.spiking:
        expected = trace[population.name].sum(axis=(0, 1))
        assert np.array_equal(sum(c.active[population.name] for c in counts), expected)


@given(seeds)
@cases(60)
def test_degrees_are_the_fan_out(seed):
    """Counted over the taps that the kernels walk, and by the formula."""
    network, _ = wide(np.random.default_rng(seed))
    for projection in network.projections:
        source = network.population(projection.source).shape
        expected = fan_out(projection.synapses, source, projection.output_shape(source))
        assert np.array_equal(geometry_of(network, projection).degrees.ravel(), expected.ravel())


def test_only_what_is_asked_for_is_kept():
    network, driven = wide(np.random.default_rng(3))
    for step in fast.steps(network, driven, keep=("readout",)):
        assert list(step.spikes) == []
        assert list(step.potentials) == ["readout"]
        with pytest.raises(KeyError):
            step.spikes["conv0"]


def test_folded_pooling_is_taken_apart():
    """A 6x6 kernel that repeats each weight over 2x2, at stride 2, is a 3x3 kernel on sums of 2x2 spikes."""
    weight = np.random.default_rng(0).integers(-9, 9, (3, 2, 3, 3)).astype(np.int8)
    kernel = Convolution(weight=weight.repeat(2, 2).repeat(2, 3), stride=(2, 2), padding=(2, 2))
    network, _ = chain(kernel, (2, 8, 6))
    smaller, window = pooled(geometry_of(network, network.projections[0]))
    assert window == (2, 2)
    assert np.array_equal(smaller.weight, weight)
    assert (smaller.kernel.stride, smaller.kernel.padding, smaller.levels) == ((1, 1), (1, 1), 4)
    odd, _ = chain(replace(kernel, padding=(1, 1)), (2, 8, 6))
    assert pooled(geometry_of(odd, odd.projections[0]))[1] == (1, 1)


def chain(synapses, shape, *, threshold=5, samples=4):
    """Return input -> a -> readout and random spikes."""
    target = synapses.output_shape(shape)
    silent = IntegerNeuron(threshold=None, bias_mantissa=np.zeros(()))
    neuron = IntegerNeuron(threshold=threshold, bias_mantissa=np.zeros(()))
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=shape, neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="a", shape=target, neuron=neuron),
            IntegerPopulation(name="readout", shape=(2,), neuron=silent),
        ),
        projections=(
            IntegerProjection(source="input", target="a", synapses=synapses),
            IntegerProjection(
                source="a", target="readout", synapses=Dense(weight=np.ones((2, int(np.prod(target))), np.int8))
            ),
        ),
        steps=5,
    )
    return network, stimulus(np.random.default_rng(1).integers(0, 2, (samples, 5, *shape)), network)


def test_kernels_follow_density_and_rate():
    """Planes for few weights, rows for many and few spikes."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-9, 9, (64, 64, 3, 3)).astype(np.int8)
    sparse = np.where(rng.random(weight.shape) < 0.01, weight, 0).astype(np.int8)
    for values, planes in ((sparse, True), (weight, False)):
        network, _ = chain(Convolution(weight=values, padding=(1, 1)), (64, 8, 8))
        choice = Plan(network, lanes=64).choose({"input": 0.05})
        assert isinstance(choice.layers[0].incoming[0], Planes) == planes


def test_sums_are_as_narrow_as_the_proof_allows():
    """A weight sum of 32,767 fits 16 bits, one more does not; either way the spikes are right."""
    for last, bits in ((127 - 127 + 1, 16), (2, 32)):
        weight = np.zeros((1, 260), np.int8)
        weight[0, :258], weight[0, 258] = 127, last
        network, driven = chain(Dense(weight=weight), (260,), threshold=2**15)
        network = replace(network, bounds=bounds.prove(network))
        assert int(weight.astype(int).sum()) == 2**15 - 1 + (last == 2)
        layer = Plan(network, lanes=5).choose({}).layers[0]
        assert np.dtype(layer.sums).itemsize * 8 == bits
        full = stimulus(np.ones((2, 260), np.uint8), network)
        same(network, full)
        same(network, driven)


def test_runs_of_one_network_do_not_disturb_each_other():
    """A run of one sample, still being read, and a second one whose rates choose other kernels."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-9, 9, (32, 32, 3, 3)).astype(np.int8)
    network, _ = chain(Convolution(weight=weight, padding=(1, 1)), (32, 8, 8), threshold=40)
    one, three = (
        stimulus((rng.random((samples, 5, 32, 8, 8)) < rate).astype(np.uint8), network)
        for samples, rate in ((1, 0.3), (3, 0.002))
    )
    first = fast.steps(network, one, threads=2)
    begun = [next(first)]
    assert len(record(fast.steps(network, three, threads=2))["a"]) == 3
    found, expected = record([*begun, *first]), record(reference.steps(network, one))
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_threads_of_a_caller_may_run_the_same_network():
    network, driven = wide(np.random.default_rng(5), largest=12)
    expected = record(reference.steps(network, driven))
    for _ in range(5):
        fresh = replace(network)
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(lambda _, fresh=fresh: record(fast.steps(fresh, driven, threads=2)), range(8)):
                assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_what_does_not_fit_is_refused():
    network, driven = wide(np.random.default_rng(3))
    with pytest.raises(StimulusError, match="make a stimulus for this network"):
        next(fast.steps(replace(network, steps=network.steps + 1), driven))
    with pytest.raises(ExecutorError, match="no kernel 'plane'; there are planes, rows, lists, merged"):
        next(fast.steps(network, driven, force="plane"))
    with pytest.raises(ExecutorError, match="keep names redout"):
        next(fast.steps(network, driven, keep=("redout",)))


def test_large_levels_over_large_windows():
    """Sums of windows of graded input beyond 2**31."""
    weight = np.ones((1, 1, 16, 16), np.int8)
    silent = IntegerNeuron(threshold=None, bias_mantissa=np.zeros(()))
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(1, 16, 16), neuron=Source(levels=2**24 - 1)),
            IntegerPopulation(name="readout", shape=(1, 1, 1), neuron=silent),
        ),
        projections=(
            IntegerProjection(source="input", target="readout", synapses=Convolution(weight=weight, stride=(16, 16))),
        ),
        steps=2,
    )
    driven = stimulus(np.full((2, 1, 16, 16), 2**24 - 1), network)
    for force in WAYS:
        same(network, driven, force=force)


@pytest.mark.parametrize("force", WAYS)
def test_two_pools_into_one_population(force):
    """Kernels of 3x3 and 3x1, both repeated over 2x2: each has pooled spikes, and borders, of its own."""
    rng = np.random.default_rng(0)
    weights = [rng.integers(-9, 10, (3, 2, *sides)).astype(np.int8) for sides in ((3, 3), (3, 1))]
    paths = [
        Convolution(weight=weight.repeat(2, axis=2).repeat(2, axis=3), stride=(2, 2), padding=padding)
        for weight, padding in zip(weights, ((2, 2), (2, 0)), strict=True)
    ]
    neuron = IntegerNeuron(threshold=np.array(20), bias_mantissa=np.zeros((), np.int64))
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(2, 8, 8), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="a", shape=(3, 4, 4), neuron=neuron),
        ),
        projections=tuple(IntegerProjection(source="input", target="a", synapses=path) for path in paths),
        steps=5,
    )
    driven = stimulus(rng.integers(0, 2, (4, 5, 2, 8, 8)), network)
    expected, found = (
        record(run) for run in (reference.steps(network, driven), fast.steps(network, driven, force=force))
    )
    assert expected["a"].any()
    assert np.array_equal(found["a"], expected["a"])
