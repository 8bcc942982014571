"""Cuts have every neuron once; the list of cuts has fewest cores first and none with too many neurons."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.geometry import Grid
from spikeport.hardware_profiles.placement.cuts import Cut, cuts_of

sides = st.integers(1, 9)


def sizes(cut):
    """Return the neurons of every block, rows first."""
    blocks = (cut.block(*index) for index in np.ndindex(cut.shape))
    return [int(np.prod([end - begin for begin, end in block])) for block in blocks]


@given(st.integers(1, 12), st.integers(1, 12))
def test_a_cut_has_every_neuron_once(side, parts):
    edges = tuple(np.unique(np.linspace(0, side, parts + 1).astype(int)).tolist())
    cut = Cut(edges, edges, (0, side))
    seen = np.zeros((side, side, side), int)
    for row, column, part in np.ndindex(cut.shape):
        seen[tuple(slice(*edge) for edge in cut.block(row, column, part))] += 1
    assert (seen == 1).all()


@given(sides, sides, sides, st.integers(1, 60))
def test_cuts_are_nearly_equal_blocks_with_few_enough_neurons(channels, height, width, most):
    grid = Grid(channels, height, width)
    cuts = cuts_of(grid, most)
    assert [cut.size for cut in cuts] == sorted(cut.size for cut in cuts)
    assert cuts[-1] == Cut.finest(grid)
    assert (cuts[0] == Cut.whole(grid)) == (grid.neurons <= most)
    for cut in cuts:
        assert sum(sizes(cut)) == grid.neurons
        assert max(sizes(cut)) <= most
        for edges in (cut.channels, cut.rows, cut.columns):
            assert np.ptp(np.diff(edges)) <= 1


def test_all_channels_of_a_position_stay_together_where_they_can():
    """Eight blocks of 64 neurons: rows and columns first, then channels; squares before stripes."""
    shapes = [cut.shape for cut in cuts_of(Grid(4, 8, 16), 64) if cut.size == 8]
    assert shapes[:4] == [(2, 4, 1), (4, 2, 1), (1, 8, 1), (8, 1, 1)]
    assert shapes[4] == (2, 2, 2)


def test_the_inner_block_is_one_of_the_cut():
    cut = Cut((0, 2, 4), (0, 3, 6, 9), (0, 5, 9))
    assert cut.inner() == Cut((0, 2), (3, 6), (5, 9))
    assert cut.inner().size == 1
