"""Counts per block, without writing synapses out, are those of the synapses written out."""

from itertools import pairwise

import numpy as np
from hypothesis import given

from spikeport.export.geometry import fan_out
from spikeport.export.network import Convolution, IntegerNetwork, IntegerPopulation, IntegerProjection, Source
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut
from spikeport.hardware_profiles.placement.cuts import Cut
from tests.hardware_profiles.networks import READOUT
from tests.hardware_profiles.written_out import synapses
from tests.strategies import integer_networks, seeds


def random_cut(rng, grid):
    channels, rows, columns = (grid.channels, grid.height, grid.width)
    rows, columns = (edges(rng, side) for side in (rows, columns))
    patches = (len(rows) - 1) * (len(columns) - 1)
    return Cut(tuple(edges(rng, channels) for _ in range(patches)), rows, columns)


def edges(rng, side):
    return tuple(np.unique([0, side, *rng.integers(0, side + 1, 2)]).tolist())


@given(integer_networks(), seeds)
def test_counts_of_every_block(network, seed):
    rng = np.random.default_rng(seed)
    for projection in network.projections:
        block_fan_out = BlockFanOut(network, projection)
        cut, full = random_cut(rng, block_fan_out.target), synapses(network, projection)
        blocks = 0
        for patch, counts in block_fan_out.blocks(cut):
            for part, channels in enumerate(pairwise(patch.channels)):
                block = tuple(slice(*ends) for ends in (channels, patch.row_part, patch.column_part))
                expected = (
                    full[block]
                    .sum(axis=(0, 1, 2))
                    .reshape(block_fan_out.source.channels, block_fan_out.source.height, block_fan_out.source.width)
                )
                rows, columns = block_fan_out.sources(patch)
                assert np.array_equal(counts[part], expected[:, rows, columns])
                assert counts[part].sum() == expected.sum()
                blocks += 1
        assert blocks == cut.size
        source = network.population(projection.source).shape
        psi = fan_out(projection.synapses, source, projection.output_shape(source))
        assert block_fan_out.synapses == psi.sum() == full.sum()


def test_a_convolution_into_a_flat_population_is_written_out():
    """Its results lie flat, so no kernel is shared; synapses from every source into some of the targets."""
    rng = np.random.default_rng(0)
    kernel = Convolution(
        weight=rng.integers(-2, 3, (2, 1, 3, 3)).astype(np.int8), padding=(1, 0), stride=(2, 1), groups=2
    )
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(2, 5, 4), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="flat", shape=(12,), neuron=READOUT),
        ),
        projections=(IntegerProjection(source="input", target="flat", synapses=kernel),),
        steps=1,
    )
    block_fan_out = BlockFanOut(network, network.projections[0])
    assert not block_fan_out.shares
    full = synapses(network, network.projections[0])
    for patch, counts in block_fan_out.blocks(Cut.even((0, 5, 12), (0, 1), (0, 1))):
        assert patch.row_part == patch.column_part == (0, 1)
        expected = [part.sum(axis=(0, 1, 2)) for part in (full[:5], full[5:])]
        assert np.array_equal(counts.reshape(2, -1), expected)
