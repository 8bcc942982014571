"""Axons, memory and registers of blocks are those of the synapses written out; lower bounds lie below."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from spikeport.export.lava.doctor import small_network
from spikeport.hardware_profiles.placement import STRATEGIES, place
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut
from spikeport.hardware_profiles.placement.block_use import BlockUse
from tests.hardware_profiles.networks import APART, convolutional, limited, needs, two_convolutions, with_encoding
from tests.hardware_profiles.written_out import block_of, grid_shape, into_core, list_bits_of
from tests.strategies import cases, integer_networks

NETWORK = small_network()


@given(network=integer_networks())
@cases(40)
def test_uses_are_those_of_the_synapses_written_out(network):
    """Words of 3 bits are no whole bytes; an input axon takes 5 bytes."""
    profile = limited(neurons=7, lists=("sparse",), input_axons=None, output_axons=None, synapse_registers=None)
    profile = with_encoding(profile, word=3, input_axon_entry=5)
    placement = place(network, profile, "unrolled")
    reached = {p.name: np.zeros(int(np.prod(p.shape)), int) for p in network.populations}
    for core in placement.cores:
        for number, counts in into_core(network, core).items():
            reached[network.projections[number].source] += counts > 0
    for core in placement.cores:
        each = into_core(network, core)
        use, encoding = core.use, profile.encoding
        assert use.neurons == sum(sizes(block) for block in core.blocks) <= 7
        assert use.synapses == sum(counts.sum() for counts in each.values())
        assert use.input_axons == sum(int((counts > 0).sum()) for counts in each.values())
        assert use.synaptic_memory == -(-list_bits_of(network, core, ("sparse",), 6, encoding) // 8)
        state, entry = encoding.neuron_state.value, encoding.input_axon_entry.value
        assert use.core_memory == use.synaptic_memory + use.neurons * state + use.input_axons * entry
        assert use.synapse_registers == len(each)
        assert use.output_axons == sum(sent(network, block, reached) for block in core.blocks)
        thresholds = decays = 0
        for block in core.blocks:
            neuron = network.population(block.population).neuron
            thresholds += different(network, block, neuron.threshold)
            decays += different(network, block, neuron.decay_u, neuron.decay_v)
        assert (use.threshold_registers, use.decay_registers) == (thresholds, decays)


def sizes(block):
    """Return the neurons of a block."""
    return int(np.prod([end - begin for begin, end in (block.channels, block.rows, block.columns)]))


def sent(network, block, reached):
    """Return the output axons of a block's neurons."""
    shape = grid_shape(network.population(block.population).shape)
    return reached[block.population].reshape(shape)[block_of(block)].sum()


def different(network, block, *values):
    """Return how many different tuples of values the neurons of a block have."""
    shape = network.population(block.population).shape
    arrays = [np.broadcast_to(0 if value is None else value, shape).reshape(grid_shape(shape)) for value in values]
    return len(set(zip(*(array[block_of(block)].ravel().tolist() for array in arrays), strict=True)))


def test_population_axons_carry_all_channels_of_a_position():
    network = convolutional()
    unrolled, shared = (place(network, limited(**APART), strategy) for strategy in STRATEGIES)
    assert (unrolled.cores[0].use.input_axons, shared.cores[0].use.input_axons) == (128, 64)
    assert shared.cores[0].use.output_axons == unrolled.cores[0].use.output_axons == 256


def test_source_on_several_cores_takes_axons_for_each():
    """conv's 4 channels lie on two cores of 2, so each of 4 positions arrives at conv2 twice, and takes two slots."""
    network = two_convolutions()
    placement = place(network, limited(neurons=2), "shared")
    conv, conv2 = ([core for core in placement.cores if core.populations == (name,)] for name in ("conv", "conv2"))
    assert sorted(core.blocks[0].channels for core in conv) == [(0, 2)] * 4 + [(2, 4)] * 4
    assert [core.use.input_axons for core in conv2] == [2 * 4] * 4
    assert [core.use.output_axons for core in conv] == [4 * 2] * 8


def test_thresholds_and_decays_take_registers():
    values = np.arange(36).reshape(4, 3, 3)
    hidden = NETWORK.populations[1]
    shape = hidden.shape
    values = np.arange(int(np.prod(shape))).reshape(shape)
    many = replace(hidden, neuron=replace(hidden.neuron, threshold=values))
    network = replace(NETWORK, populations=(NETWORK.populations[0], many, *NETWORK.populations[2:]), bounds={})
    cores = [
        core
        for core in place(network, limited(threshold_registers=16, neurons=16)).cores
        if hidden.name in core.populations
    ]
    assert max(core.use.threshold_registers for core in cores) <= 16
    readout = sum(len(core.blocks) - 1 for core in cores)
    assert sum(core.use.threshold_registers for core in cores) == values.size + readout
    alike = replace(
        hidden, neuron=replace(hidden.neuron, decay_v=np.broadcast_to([[[5]], [[6]]] * (shape[0] // 2), shape))
    )
    network = replace(NETWORK, populations=(NETWORK.populations[0], alike, *NETWORK.populations[2:]), bounds={})
    assert place(network, limited(**APART)).cores[0].use.decay_registers == 2


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("lists", [("sparse",), ("dense", "sparse"), ("run_length",)])
@given(network=integer_networks())
@settings(max_examples=20)
def test_lower_bounds_are_below_what_is_taken(lists, strategy, network):
    memory = max(64, needs(network, strategy)["synaptic_memory"])
    free = {"core_memory": 2**20, "input_axons": None, "output_axons": None}
    for limit in (memory, 2**20):
        placement = place(network, limited("loihi2", lists=lists, synaptic_memory=limit, **free), strategy)
        taken = sum(core.use.synaptic_memory for core in placement.cores)
        assert (placement.lower_bounds.memory - 1) * limit < taken
        assert placement.lower_bounds.memory <= len(placement.cores)
        neurons = sum(int(np.prod(population.shape)) for population in network.neurons)
        assert placement.lower_bounds.neurons == -(-neurons // 8192)


def test_lower_bound_by_memory_by_hand():
    """72 weights of the unfolded kernel, once, then 768 ones of two bits; a header of 10 bits for every 64 entries."""
    small = np.full((4, 2, 3, 3), 100, np.int8)
    network = convolutional(2, 2, 6, 16, small.repeat(2, axis=2).repeat(2, axis=3))
    fan_outs = tuple(BlockFanOut(network, projection) for projection in network.projections)
    synapses_of = fan_outs[0].synapses
    for strategy, stored in (("shared", 72), ("unrolled", synapses_of)):
        bits = stored * (8 + 10 / 64) + 768 * (2 + 10 / 64)
        dense, sparse = (BlockUse(network, limited(lists=(kind,)), fan_outs, strategy) for kind in ("dense", "sparse"))
        assert dense.least_bytes() == pytest.approx(bits / 8)
        assert sparse.least_bytes() == pytest.approx((bits + 6 * (stored + 768)) / 8)


def test_kernels_larger_than_the_map_bound_by_what_is_met():
    network = convolutional(weight=np.ones((64, 2, 15, 15), np.int8), kernel=15, padding=7, side=2)
    placement = place(network, limited("loihi2", synaptic_memory=2048), "shared")
    assert placement.lower_bounds.memory <= len(placement.cores)
