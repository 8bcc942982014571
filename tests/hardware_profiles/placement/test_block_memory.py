"""Lists of blocks, of every kind and with shared kernels, are those written out one by one."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from spikeport.export.lava.doctor import small_network
from spikeport.export.network import (
    Dense,
    IntegerNetwork,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.hardware_profiles.encoding import list_bits, weight_bits
from spikeport.hardware_profiles.placement import place
from tests.hardware_profiles.networks import APART, READOUT, convolutional, limited
from tests.hardware_profiles.written_out import list_bits_of, synapses
from tests.strategies import integer_networks

NETWORK = small_network()


KINDS = [("dense",), ("run_length",), ("dense", "sparse", "run_length")]


@pytest.mark.parametrize("lists", KINDS)
@given(network=integer_networks())
@settings(max_examples=12)
def test_lists_of_every_kind_are_those_written_out(lists, network):
    profile = limited(neurons=6, lists=lists, input_axons=None, output_axons=None)
    for core in place(network, profile, "unrolled").cores:
        expected = list_bits_of(network, core, lists, 6, profile.encoding)
        assert core.use.synaptic_memory == -(-expected // 8)


@pytest.mark.parametrize("lists", [("sparse",), *KINDS])
@given(network=integer_networks(delays=False))
@settings(max_examples=10)
def test_shared_kernels_never_take_more_memory_than_written_out(lists, network):
    profile = limited(
        lists=lists, neurons=2**20, input_axons=None, output_axons=None, threshold_registers=None, decay_registers=None
    )
    shared, unrolled = (place(network, profile, strategy) for strategy in ("shared", "unrolled"))
    sums = [
        [sum(getattr(core.use, what) for core in each.cores) for what in ("synaptic_memory", "synapses", "input_axons")]
        for each in (shared, unrolled)
    ]
    assert sums[0][0] <= sums[1][0]
    assert sums[0][1] == sums[1][1]
    assert sums[0][2] <= sums[1][2]


def test_indices_tell_the_neurons_of_a_core_apart():
    """259 neurons, the readout's among them, take 9 bits, 64 and fewer the least of 6; without the readout 8."""
    network = convolutional(weight=np.full((4, 2, 3, 3), 100, np.int8))
    for limits, index in (({}, 9), (APART, 8), ({"neurons": 32}, 6)):
        profile = limited(lists=("sparse",), input_axons=None, output_axons=None, **limits)
        core = place(network, profile, "unrolled").cores[0]
        expected = list_bits_of(network, core, ("sparse",), index, profile.encoding)
        assert core.use.synaptic_memory == -(-expected // 8)


def one_copy(profile):
    shared = msgspec.structs.replace(profile.encoding.shared, value="one_copy")
    return msgspec.structs.replace(profile, encoding=msgspec.structs.replace(profile.encoding, shared=shared))


@pytest.mark.parametrize(("stride", "kernel", "phases"), [(1, 3, [9]), (2, 4, [4] * 4), (2, 3, [4, 2, 2, 1])])
def test_one_copy_is_a_list_per_phase_of_the_stride(stride, kernel, phases):
    network, profile = convolutional(stride, 1, kernel), one_copy(limited(lists=("sparse",), **APART))
    core = place(network, profile, "shared").cores[0]
    entry = 8 + max(6, (core.use.neurons - 1).bit_length())
    bits = sum(2 * int(list_bits(profile.encoding, np.array(4 * taps), entry)) for taps in phases)
    assert core.use.synaptic_memory == -(-bits // 8)


@pytest.mark.parametrize(
    ("stride", "padding", "kernel", "lists"),
    [(1, 1, 3, 9), (1, 0, 3, 25), (2, 0, 3, 16), (1, 2, 5, 25), (2, 1, 4, 16)],
)
def test_shared_kernels_are_stored_once_per_set_of_taps(stride, padding, kernel, lists):
    """Over 8x8 on one core: as many lists a channel as sets of taps that a source position meets, found one by one."""
    network, profile = convolutional(stride, padding, kernel), limited(lists=("sparse",), **APART)
    core = place(network, profile, "shared").cores[0]
    side = network.population("conv").shape[1]
    sets = {
        y: frozenset(y + padding - o * stride for o in range(side) if 0 <= y + padding - o * stride < kernel)
        for y in range(8)
    }
    chosen = {(a, b) for a in sets.values() for b in sets.values() if a and b}
    assert len(chosen) == lists
    entry = weight_bits(network.projections[0].synapses.weight) + max(6, (core.use.neurons - 1).bit_length())
    bits = sum(2 * int(list_bits(profile.encoding, np.array(4 * len(a) * len(b)), entry)) for a, b in chosen)
    assert core.use.synaptic_memory == -(-bits // 8)
    assert core.use.synapses == synapses(network, network.projections[0]).sum()


@pytest.mark.parametrize("copies", ["border_class", "one_copy"])
def test_pooled_positions_share_their_lists(copies):
    """The kernel of a 2x2 pool and a 3x3 convolution repeats every weight: one list for the four pixels of a pool."""
    small = np.random.default_rng(0).integers(1, 100, (4, 2, 3, 3)).astype(np.int8)
    folded = convolutional(2, 2, 6, 16, small.repeat(2, axis=2).repeat(2, axis=3))
    apart = convolutional(1, 1, 3, 8, small)
    profile = one_copy(limited(**APART)) if copies == "one_copy" else limited(**APART)
    memory = [place(network, profile, "shared").cores[0].use.synaptic_memory for network in (folded, apart)]
    assert memory[0] == memory[1]


def test_pruned_synapses_take_no_memory():
    weight = NETWORK.projections[1].synapses.weight.copy()
    weight[:, 18:] = 0
    projection = replace(NETWORK.projections[1], synapses=replace(NETWORK.projections[1].synapses, weight=weight))
    pruned = replace(NETWORK, projections=(NETWORK.projections[0], projection))
    before, after = (place(net, limited(**APART)).cores[-1].use for net in (NETWORK, pruned))
    removed = np.count_nonzero(NETWORK.projections[1].synapses.weight[:, 18:])
    assert after.synapses == before.synapses - removed
    assert after.input_axons == before.input_axons - 18
    assert after.synaptic_memory < before.synaptic_memory


def test_run_length_lists_fit_where_they_fit():
    weight = np.ones((64, 40), np.int8)
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(40,), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="a", shape=(64,), neuron=READOUT),
        ),
        projections=(IntegerProjection(source="input", target="a", synapses=Dense(weight=weight)),),
        steps=2,
    )
    placement = place(network, limited(lists=("run_length",), synaptic_memory=800))
    assert max(core.use.synaptic_memory for core in placement.cores) <= 800


def test_narrow_weights_take_less_memory():
    """Weights of 4 bits take 4 bits, not the 8 of the widest."""
    wide = convolutional(weight=np.full((4, 2, 3, 3), 100, np.int8))
    narrow = convolutional(weight=np.full((4, 2, 3, 3), 7, np.int8))
    bits = [place(network, limited(lists=("sparse",))).cores[0].use.synaptic_memory for network in (wide, narrow)]
    assert bits[1] < bits[0]
