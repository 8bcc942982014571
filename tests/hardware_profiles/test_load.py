"""Core by core: operations and messages add up to the formula's, hops and times by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeport.export.lava.doctor import small_network
from spikeport.export.network import (
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import random_stimulus, stimulus
from spikeport.hardware_profiles.counting import batches, count
from spikeport.hardware_profiles.load import core_load
from spikeport.hardware_profiles.placement import STRATEGIES, place
from tests.hardware_profiles.networks import APART, READOUT, convolutional, limited
from tests.hardware_profiles.written_out import grid_shape, into_core
from tests.strategies import inputs, integer_networks

NETWORK = small_network()


def firing(neurons):
    """Return one input -> ``neurons`` that fire in each of two steps -> three readouts, all synapses one."""
    always = IntegerNeuron(threshold=np.array(0), bias_mantissa=np.array(1))
    populations = (
        IntegerPopulation(name="input", shape=(1,), neuron=Source(levels=1, unit=1.0)),
        IntegerPopulation(name="a", shape=(neurons,), neuron=always),
        IntegerPopulation(name="readout", shape=(3,), neuron=READOUT),
    )
    projections = (
        IntegerProjection(source="input", target="a", synapses=Dense(weight=np.ones((neurons, 1), np.int8))),
        IntegerProjection(source="a", target="readout", synapses=Dense(weight=np.ones((3, neurons), np.int8))),
    )
    return IntegerNetwork(populations=populations, projections=projections, steps=2)


def in_order(placement):
    """Return a placement with its cores numbered in the order of the network."""
    return replace(placement, numbers=tuple(range(len(placement.cores))))


def test_operations_messages_and_hops_by_hand():
    """Neuron k of 40 is on core k, the readouts on cores 40 to 42: tile 10, in row 1 and column 2 of the mesh.

    Eight tiles of row 0 lie one row above; columns are 2 1 0 1 2 3 4 5 tiles away, and 2 1 for the tiles of row 1.
    """
    network = firing(40)
    images = stimulus(np.array([[0], [1]]), network)
    load = core_load(network, images, in_order(place(network, limited(neurons=1))))
    assert load.operations.tolist() == [1.0] * 40 + [80.0] * 3
    assert load.operations_max.tolist() == [2] * 40 + [80] * 3
    assert load.messages == 40 * 3 * 2
    assert load.hops == (32 * 3 * 2, 4 * (18 + 3) * 3 * 2)
    assert (load.off_chip, load.bottleneck) == (0, 40)


def test_messages_to_another_chip_have_no_hops():
    network = firing(40)
    images = stimulus(np.array([[1]]), network)
    load = core_load(network, images, in_order(place(network, limited(neurons=1, cores_per_chip=40))))
    assert (load.messages, load.off_chip, load.hops) == (240, 240, (0, 0))


def test_a_spike_is_one_message_to_a_core_however_many_synapses_it_has_there():
    network = firing(4)
    load = core_load(network, stimulus(np.array([[1]]), network), place(network, limited(**APART)))
    assert load.messages == 4 * 2


def test_messages_within_a_core_have_no_hops():
    """The input, four neurons and three readouts on one core: an image's spike in two steps takes 4 + 12 operations."""
    network = firing(4)
    placement = place(network, limited())
    load = core_load(network, stimulus(np.array([[1]]), network), placement)
    assert placement.cores[0].populations == ("a", "readout")
    assert load.operations.tolist() == [2 * (4 + 12)]
    assert (load.messages, load.hops, load.off_chip) == (4 * 2, (0, 0), 0)


def test_the_hosts_messages_are_counted_apart():
    """One input neuron reaches four cores of ten neurons; a dark pixel sends nothing."""
    network = firing(40)
    placement = place(network, limited(neurons=10))
    lit, dark = (core_load(network, stimulus(np.array([[each]]), network), placement) for each in (1, 0))
    assert (lit.host_messages, lit.host_axons) == (4 * 2, 4)
    assert (dark.host_messages, dark.host_axons) == (0, 4)


def test_a_graded_input_takes_no_time_on_the_cores():
    """The host may do its MACs, so the time leaves them out."""
    images = random_stimulus(NETWORK, 5, 0)
    placement = place(NETWORK, limited(**APART))
    load = core_load(NETWORK, images, placement)
    conv = [number for number, core in enumerate(placement.cores) if "conv1" in core.populations]
    assert load.operations[conv].sum() == 0
    assert load.operations.sum() > 0
    assert load.host_messages == 0
    assert load.host_axons == sum(
        np.count_nonzero(into_core(NETWORK, core)[0]) for core in placement.cores if "conv1" in core.populations
    )


def test_sums_beyond_float32_are_exact():
    """Kernels of 512 x 2 x 9 ones over 64x64 on one core: 37 M operations in a step, a number that float32 has not."""
    weight = np.ones((512, 2, 3, 3), np.int8)
    weight[0, 0, 1, 1] = 0
    network = convolutional(weight=weight, side=64, padding=1)
    profile = limited("loihi2", neurons=2**22, core_memory=2**30, synaptic_memory=2**30)
    readout = replace(network.projections[1], synapses=Dense(weight=np.ones((1, 512 * 64 * 64), np.int8)))
    populations = (*network.populations[:2], replace(network.populations[2], shape=(1,)))
    network = replace(network, populations=populations, projections=(network.projections[0], readout), steps=1)
    images = random_stimulus(network, 1, 0)
    frames = np.ones_like(images.values)
    frames[..., 0, 0, 0] = 0
    images = replace(images, values=frames)
    placement = place(network, profile, "shared")
    load, counts = core_load(network, images, placement), count(network, images)
    assert int(np.float32(counts.layers[0].formula)) != counts.layers[0].formula
    assert int(load.operations.sum()) == sum(layer.formula for layer in counts.layers)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(data=st.data(), network=integer_networks())
@settings(max_examples=25)
def test_cores_do_what_their_synapses_written_out_say(data, network, strategy):
    """Operations, messages and hops of every core, neuron by neuron; cores hold at most six neurons."""
    placement = place(network, limited(neurons=6, cores_per_chip=10, input_axons=None, output_axons=None), strategy)
    values = stimulus(data.draw(inputs(network)), network)
    load = core_load(network, values, placement)
    (batch,) = batches(network, values, len(values))
    spikes = {
        name: each.reshape(len(values), network.steps, -1).astype(np.int64) for name, each in batch.spikes.items()
    }
    operations = np.zeros((len(values), network.steps, len(placement.cores)), np.int64)
    messages, off_chip, hops, host = 0, 0, np.zeros(2, np.int64), np.zeros(2, np.int64)
    for number, core in enumerate(placement.cores):
        for index, counts in into_core(network, core).items():
            projection = network.projections[index]
            source = projection.source
            if source == network.source.name:
                host[1] += np.count_nonzero(counts)
            if source == network.source.name and network.source.neuron.levels > 1:
                continue
            operations[:, :, number] += spikes[source] @ counts
            if source == network.source.name:
                host[0] += (spikes[source] @ (counts > 0)).sum()
                continue
            for neuron in np.flatnonzero(counts):
                sent = int(spikes[source][..., neuron].sum())
                home = core_of(network, placement, source, neuron)
                (chip, row, column), (end, down, across) = (
                    place_of(placement.numbers[core]) for core in (home, number)
                )
                messages += sent
                off_chip += sent * (chip != end)
                hops += sent * (chip == end) * np.abs([row - down, column - across])
    images = len(values)
    assert np.array_equal(load.operations * images, operations.sum(axis=(0, 1)))
    assert np.array_equal(load.operations_max, operations.sum(axis=1).max(axis=0))
    assert load.bottleneck == np.argmax(operations.sum(axis=(0, 1)))
    assert [round(each * images) for each in (load.messages, load.off_chip, *load.hops)] == [messages, off_chip, *hops]
    assert [round(load.host_messages * images), load.host_axons] == host.tolist()


def core_of(network, placement, population, neuron):
    """Return the number of the core that holds a neuron."""
    where = np.unravel_index(neuron, grid_shape(network.population(population).shape))
    for number, core in enumerate(placement.cores):
        for block in core.blocks:
            edges = (block.channels, block.rows, block.columns)
            if block.population == population and all(a <= i < b for i, (a, b) in zip(where, edges, strict=True)):
                return number
    raise AssertionError(population)


def place_of(core):
    """Return chip, tile row and tile column of a core: ten cores a chip, four a tile, eight tiles a row."""
    return core // 10, core % 10 // 4 // 8, core % 10 // 4 % 8
