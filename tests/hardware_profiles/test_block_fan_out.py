"""Counts per block, without writing synapses out, are those of the synapses written out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.geometry import fan_out
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut
from spikeport.hardware_profiles.placement.cuts import Cut
from tests.hardware_profiles.written_out import synapses
from tests.strategies import integer_networks, seeds


def random_cut(rng, grid):
    sides = (grid.channels, grid.height, grid.width)
    return Cut(*(tuple(np.unique([0, side, *rng.integers(0, side + 1, 2)]).tolist()) for side in sides))


@given(integer_networks(), seeds)
def test_counts_of_every_block(network, seed):
    rng = np.random.default_rng(seed)
    for projection in network.projections:
        fan_outs = BlockFanOut(network, projection)
        cut, full = random_cut(rng, fan_outs.target), synapses(network, projection)
        blocks = 0
        for patch, counts in fan_outs.blocks(cut):
            for part in range(cut.shape[2]):
                block = tuple(slice(*edges) for edges in cut.block(patch.row, patch.column, part))
                expected = (
                    full[block]
                    .sum(axis=(0, 1, 2))
                    .reshape(fan_outs.source.channels, fan_outs.source.height, fan_outs.source.width)
                )
                rows, columns = fan_outs.sources(patch)
                assert np.array_equal(counts[part], expected[:, rows, columns])
                assert counts[part].sum() == expected.sum()
                blocks += 1
        assert blocks == cut.size
        source = network.population(projection.source).shape
        psi = fan_out(projection.synapses, source, projection.output_shape(source))
        assert fan_outs.synapses == psi.sum() == full.sum()


@given(st.integers(1, 12), st.integers(1, 12))
def test_a_cut_has_every_neuron_once(side, parts):
    edges = tuple(np.unique(np.linspace(0, side, parts + 1).astype(int)).tolist())
    cut = Cut(edges, edges, (0, side))
    seen = np.zeros((side, side, side), int)
    for row, column, part in np.ndindex(cut.shape):
        seen[tuple(slice(*edge) for edge in cut.block(row, column, part))] += 1
    assert (seen == 1).all()
