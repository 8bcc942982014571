"""Counts per block, without writing synapses out, are those of the synapses written out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikeport.hardware_profiles.counting import fan_out
from spikeport.hardware_profiles.reach import Cut, Reach
from tests.hardware_profiles.written_out import synapses
from tests.strategies import integer_networks, seeds


def random_cut(rng, grid):
    sides = (grid.channels, grid.height, grid.width)
    return Cut(*(tuple(np.unique([0, side, *rng.integers(0, side + 1, 2)]).tolist()) for side in sides))


@given(integer_networks(), seeds)
def test_counts_of_every_block(network, seed):
    rng = np.random.default_rng(seed)
    for projection in network.projections:
        reach = Reach(network, projection)
        cut, full = random_cut(rng, reach.target), synapses(network, projection)
        blocks = 0
        for window, counts in reach.blocks(cut):
            for part in range(cut.shape[2]):
                block = tuple(slice(*edges) for edges in cut.block(window.row, window.column, part))
                expected = (
                    full[block]
                    .sum(axis=(0, 1, 2))
                    .reshape(reach.source.channels, reach.source.height, reach.source.width)
                )
                rows, columns = reach.sources(window)
                assert np.array_equal(counts[part], expected[:, rows, columns])
                assert counts[part].sum() == expected.sum()
                blocks += 1
        assert blocks == cut.size
        source = network.population(projection.source).shape
        psi = fan_out(projection.synapses, source, projection.output_shape(source))
        assert reach.synapses == psi.sum() == full.sum()


@given(st.integers(1, 12), st.integers(1, 12))
def test_a_cut_has_every_neuron_once(side, parts):
    edges = tuple(np.unique(np.linspace(0, side, parts + 1).astype(int)).tolist())
    cut = Cut(edges, edges, (0, side))
    seen = np.zeros((side, side, side), int)
    for row, column, part in np.ndindex(cut.shape):
        seen[tuple(slice(*edge) for edge in cut.block(row, column, part))] += 1
    assert (seen == 1).all()
