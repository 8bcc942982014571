"""Channels of a patch go into the fewest parts that their axons allow; runs are those of the synapses written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.network import Convolution, Dense, IntegerNetwork, IntegerPopulation, IntegerProjection, Source
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut
from spikeport.hardware_profiles.placement.block_use import BlockUse
from spikeport.hardware_profiles.placement.loops import count_parts
from spikeport.hardware_profiles.placement.parting import Area, Parting, longest
from spikeport.hardware_profiles.placement.runs import Runs
from tests.hardware_profiles.networks import READOUT, limited
from tests.hardware_profiles.written_out import grid_shape, synapses
from tests.strategies import cases, integer_networks, seeds


def parting_of(network, population, strategy="unrolled", **limits):
    """Return the parting of a population on a changed Loihi 1."""
    profile = limited(**limits)
    fan_outs = tuple(BlockFanOut(network, projection) for projection in network.projections)
    blocks = BlockUse(network, profile, fan_outs, strategy)
    return Parting(blocks, population, profile.limits), blocks.no_axons(population)


@given(network=integer_networks(), seed=seeds, most=st.integers(1, 40), shared=st.booleans())
@cases(60)
def test_runs_end_where_one_more_channel_takes_too_many_axons(network, seed, most, shared):
    """Source neurons, or source positions with several axons each, that reach a block of rows and columns."""
    rng = np.random.default_rng(seed)
    for population in network.neurons:
        incoming = network.incoming(population.name)
        channels, *sides = grid_shape(population.shape)
        rows, columns = (tuple(sorted(rng.choice(side + 1, 2, replace=False).tolist())) for side in sides)
        lists, reached = [], []
        for projection in incoming:
            fan_out = BlockFanOut(network, projection)
            parts = rng.integers(1, 4, (fan_out.source.height, fan_out.source.width)) if shared else None
            parts = parts if fan_out.kernel is not None else None
            lists.append((fan_out, parts))
            full = synapses(network, projection)[:, slice(*rows), slice(*columns)].any(axis=(1, 2))
            if parts is not None:
                full = full.reshape(channels, *grid_shape(network.population(projection.source).shape)).any(axis=1)
                full = full.reshape(channels, -1)
            reached.append((full, np.ones(full.shape[1], int) if parts is None else parts.ravel()))
        ends = Runs(channels, lists).ends(rows, columns, most)
        for first in range(channels):
            last = first
            while last < channels and axons(reached, first, last + 1) <= most:
                last += 1
            assert ends[first] == last
            if last == first:
                break


def axons(reached, first, last):
    """Return the axons of the channels from ``first`` to before ``last``."""
    return sum(int(takes[full[first:last].any(axis=0)].sum()) for full, takes in reached)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(1, 12), st.integers(0, 9))
def test_parts_are_the_fewest(outputs, longest_part, most):
    """Against all ways to part a row of channels."""
    channels = len(outputs)
    ends = np.minimum(np.arange(channels) + longest_part, channels)
    sums = np.cumsum([0, *outputs])
    counts = count_parts(ends[None], np.zeros(1, np.int64), sums[:, None], np.array([most]))
    fits = {(a, b) for a in range(channels) for b in range(a + 1, ends[a] + 1) if sums[b] - sums[a] <= most}
    fewest = {0: 0}
    for last in range(1, channels + 1):
        before = [fewest[first] + 1 for first in range(last) if (first, last) in fits and first in fewest]
        if before:
            fewest[last] = min(before)
    assert counts.tolist() == [fewest.get(channels, 0)]
    within = np.minimum(ends, np.searchsorted(sums, sums[:-1] + most, side="right") - 1)
    edges = longest(within)
    assert (edges is None) == (channels not in fewest)
    assert edges is None or len(edges) - 1 == fewest[channels]


def line(most):
    """Return four channels over a line of eight: each reads its own source channel over three positions."""
    weight = np.zeros((4, 4, 1, 3), np.int8)
    weight[np.arange(4), np.arange(4)] = 1
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(4, 1, 8), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="a", shape=(4, 1, 8), neuron=READOUT),
        ),
        projections=(
            IntegerProjection(source="input", target="a", synapses=Convolution(weight=weight, padding=(0, 1))),
        ),
        steps=1,
    )
    return parting_of(network, "a", input_axons=most)


def test_patches_at_a_border_hold_more_channels():
    """Two sources a channel reach the ends, three what lies between: four axons are enough for 2 channels, or for 1."""
    parting, none = line(4)
    cut = parting.cut(Area((0, 1), tuple(range(9))), none, 99)
    assert cut.channels == ((0, 2, 4), *((0, 1, 2, 3, 4),) * 6, (0, 2, 4))
    assert parting.least(Area((0, 1), tuple(range(9))), none) == cut.size == 2 * 2 + 6 * 4
    assert parting.cut(Area((0, 1), tuple(range(9))), none, 27) is None


def test_output_axons_make_parts_shorter():
    """Six axons take three channels at an end, but the outputs of the second may leave no room beside it."""
    parting, outputs = line(6)
    outputs[1] = 4096
    outputs[[0, 2, 3]] = 1
    assert parting.cut(Area((0, 1), (0, 1, 8)), outputs, 99) is None
    outputs[1] = 600
    assert parting.cut(Area((0, 1), tuple(range(9))), outputs, 99).channels[0] == (0, 3, 4)
    outputs[1] = 4096
    assert parting.cut(Area((0, 1), tuple(range(9))), outputs, 99).channels[0] == (0, 1, 2, 4)


@pytest.mark.parametrize("memory", [2000, 700])
def test_where_memory_binds_parts_are_nearly_equal(memory):
    """Sixty-four rows of ones over forty sources, 40 lists of weights of 8 bits."""
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(40,), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="a", shape=(64,), neuron=READOUT),
        ),
        projections=(
            IntegerProjection(source="input", target="a", synapses=Dense(weight=np.full((64, 40), 100, np.int8))),
        ),
        steps=1,
    )
    parting, none = parting_of(network, "a", synaptic_memory=memory)
    (edges,) = parting.cut(Area((0, 1), (0, 1)), none, 99).channels
    assert np.ptp(np.diff(edges)) <= 1
    assert all(parting.use(((0, 1), (0, 1)), edges).uses["synaptic_memory"] <= memory)
    fewer = tuple(64 * part // (len(edges) - 2) for part in range(len(edges) - 1))
    assert max(parting.use(((0, 1), (0, 1)), fewer).uses["synaptic_memory"]) > memory
