"""What arrives in the compiled kernels with weights one: every neuron, every projection, every kernel."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import bounds
from spikeport.export.engine import tally
from spikeport.export.engine.plan import KERNELS
from spikeport.export.executors import fast, reference
from spikeport.export.network import Dense, IntegerNetwork, IntegerNeuron, IntegerPopulation, IntegerProjection, Source
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.export.executors.test_fast import wide
from tests.hardware_profiles.written_out import synapses
from tests.strategies import inputs, integer_networks, seeds

WAYS = (None, *KERNELS)


def sampled(network, driven, first=0, **options):
    """Return what the kernels counted in every sample from a ``first`` one on."""
    steps = fast.steps(network, driven, count=True, sampled=range(first, len(driven)), **options)
    found = [each for step in steps if step.count is not None for each in step.count.sampled]
    assert [each.image for each in found] == list(range(first, len(driven)))
    assert not any(value for each in found for value in each.miscounted.values())
    return found


def check(network, each, *, whole):
    """Compare neuron by neuron, or the sums where only these are kept."""
    for projection, arrived in zip(network.projections, each.arrived, strict=True):
        right = expected(network, projection, each.spikes[projection.source])
        assert arrived.sum() == right.sum()
        assert arrived.size == 1 or whole
        assert not whole or np.array_equal(arrived, right)


def expected(network, projection, spikes):
    """Return the accumulates per neuron, synapse by written-out synapse, of spikes (T, *source) that arrive in time."""
    target = network.population(projection.target).shape
    arriving = spikes[: max(0, network.steps - projection.delay)].sum(axis=0, dtype=np.int64)
    joined = synapses(network, projection)
    return (joined.reshape(-1, arriving.size) @ arriving.ravel()).reshape(target)


@given(st.data(), integer_networks(floors=True), st.sampled_from(WAYS), st.integers(1, 3))
def test_accumulates_are_those_of_the_synapses_written_out(data, network, force, threads):
    """Loops, delays, leaks, floors, held input and input step by step."""
    driven = stimulus(data.draw(inputs(network)), network)
    trace = record(reference.steps(network, driven))
    first = data.draw(st.integers(0, len(driven) - 1))
    for each in sampled(network, driven, first, force=force, threads=threads, batch=data.draw(st.integers(1, 5))):
        for name, spikes in trace.items():
            if name in each.spikes:
                assert np.array_equal(each.spikes[name], spikes[each.image])
        frames = np.stack([driven.frame(slice(each.image, each.image + 1), step)[0] for step in range(network.steps)])
        assert np.array_equal(each.spikes[network.source.name], frames != 0)
        check(network, each, whole=each.image == first)


@given(seeds, st.sampled_from(WAYS), st.integers(1, 3))
def test_every_shape_density_rate_and_batch(seed, force, threads):
    """Pooling, strides, groups, dilation, wide batches; frames and copies."""
    network, driven = wide(np.random.default_rng(seed), largest=7)
    first = seed % len(driven)
    for each in sampled(network, driven, first, force=force, threads=threads):
        check(network, each, whole=each.image == first)


def test_the_run_is_as_it_was_without_counting():
    network, driven = wide(np.random.default_rng(7), largest=9)
    plain = record(fast.steps(network, driven, threads=2))
    counted = record(fast.steps(network, driven, threads=2, count=True, sampled=range(0, len(driven), 2)))
    assert all(np.array_equal(values, counted[name]) for name, values in plain.items())


def dense(size, *, steps, leak=0, weight=1):
    """Return all-ones synapses from ``size`` inputs to one neuron."""
    neuron = IntegerNeuron(threshold=2**16, bias_mantissa=np.zeros(()), decay_v=leak)
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(size,), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="n", shape=(1,), neuron=neuron),
        ),
        projections=(IntegerProjection(source="input", target="n", synapses=Dense(weight=np.full((1, size), weight))),),
        steps=steps,
    )
    return replace(network, bounds=bounds.prove(network))


@pytest.mark.parametrize(
    ("size", "steps", "leak"), [(2**15 + 1, 3, 0), (300, 1000, 5), (140_000, 3, 5), (70_000, 4, 9)]
)
def test_numbers_beyond_a_register_are_added_up(size, steps, leak):
    """More than 16-bit sums hold, than 2^17 in a potential that leaks, and than 2^17 in a step."""
    network = dense(size, steps=steps, leak=leak, weight=np.int8(1))
    driven = stimulus(np.ones((2, size), np.uint8), network)
    for force in WAYS:
        (first, second) = sampled(network, driven, force=force)
        assert [int(each.arrived[0].sum()) for each in (first, second)] == [size * steps] * 2


def test_weights_of_both_signs_need_wider_sums_than_the_run():
    """20,000 ones and as many minus ones: 16 bits hold the run's sums and not 40,000 accumulates."""
    network = dense(40_000, steps=2, weight=np.int8(1))
    weight = np.where(np.arange(40_000) % 2, 1, -1).astype(np.int8)[None]
    network = replace(network, projections=(replace(network.projections[0], synapses=Dense(weight=weight)),), bounds={})
    network = replace(network, bounds=bounds.prove(network))
    runner = fast._runner(network, 2, None)
    layer = runner.choice.layers[0]
    assert np.dtype(layer.sums) == np.int16
    assert tally._wide_enough(layer) == np.int32
    (found,) = sampled(network, stimulus(np.ones((1, 40_000), np.uint8), network))
    assert found.arrived[0].tolist() == [80_000]
