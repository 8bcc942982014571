"""Cuts have every neuron once; the list of areas has fewest patches first and none with too many positions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spikeport.hardware_profiles.placement.cuts import Cut, areas_of

sides = st.integers(1, 9)


@given(st.integers(1, 12), st.integers(1, 12))
def test_a_cut_has_every_neuron_once(side, parts):
    edges = tuple(np.unique(np.linspace(0, side, parts + 1).astype(int)).tolist())
    rng = np.random.default_rng(side)
    channels = [np.unique([0, side, *rng.integers(0, side + 1, 2)]).tolist() for _ in range(len(edges) - 1)]
    cut = Cut(tuple(map(tuple, channels)), edges, (0, side))
    seen = np.zeros((side, side, side), int)
    for block in cut.blocks:
        seen[tuple(slice(*edge) for edge in block)] += 1
    assert (seen == 1).all()


@given(sides, sides, st.integers(1, 60))
def test_areas_are_nearly_equal_patches_with_few_enough_positions(height, width, most):
    areas = areas_of(height, width, most)
    patches = [(len(rows) - 1) * (len(columns) - 1) for rows, columns in areas]
    assert patches == sorted(patches)
    assert areas[-1] == (tuple(range(height + 1)), tuple(range(width + 1)))
    assert (areas[0] == ((0, height), (0, width))) == (height * width <= most)
    for rows, columns in areas:
        assert np.ptp(np.diff(rows)) <= 1
        assert np.ptp(np.diff(columns)) <= 1
        assert np.diff(rows).max() * np.diff(columns).max() <= most


def test_squares_come_before_stripes():
    shapes = [(len(rows) - 1, len(columns) - 1) for rows, columns in areas_of(8, 16, 16)]
    assert shapes[:4] == [(2, 4), (4, 2), (1, 8), (8, 1)]


def test_blocks_are_in_the_order_of_their_patches():
    cut = Cut(((0, 4), (0, 1, 4)), (0, 2), (0, 3, 5))
    assert cut.size == 3
    assert cut.firsts.tolist() == [0, 1, 3]
    assert list(cut.blocks) == [((0, 4), (0, 2), (0, 3)), ((0, 1), (0, 2), (3, 5)), ((1, 4), (0, 2), (3, 5))]
