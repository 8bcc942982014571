"""Numbers on the mesh: each core has its own, messages are counted exactly, and ways never get longer."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut
from spikeport.hardware_profiles.placement.loops import swap
from spikeport.hardware_profiles.placement.mesh import Mesh
from spikeport.hardware_profiles.placement.numbering import cost, numbered
from spikeport.hardware_profiles.placement.traffic import messages
from tests.hardware_profiles.networks import limited
from tests.hardware_profiles.written_out import grid_shape, into_core
from tests.strategies import cases, integer_networks, seeds


def test_hops_follow_the_mesh():
    """A core 40 is on tile 10: row 1, column 2; one on the next chip begins anew."""
    chip, row, column = Mesh(128).places(np.array([0, 3, 4, 40, 127, 128]))
    assert chip.tolist() == [0, 0, 0, 0, 0, 1]
    assert list(zip(row.tolist(), column.tolist(), strict=True)) == [(0, 0), (0, 0), (0, 1), (1, 2), (3, 7), (0, 0)]


def test_part_of_a_chip_is_a_rectangle_with_short_sides():
    """Nine tiles of 128 cores: three rows of three. One core: a tile. More than a chip: all of two."""
    _, row, column = Mesh(128).places(Mesh(128).free(36))
    assert (row.max(), column.max(), len(row)) == (2, 2, 36)
    assert Mesh(128).free(1).tolist() == [0, 1, 2, 3]
    assert len(Mesh(128).free(129)) == 256


@given(network=integer_networks())
@cases(40)
def test_messages_are_those_of_the_synapses_written_out(network):
    placement = place(network, limited(neurons=6, input_axons=None, output_axons=None), "unrolled")
    cores = len(placement.cores)
    found = messages(
        [BlockFanOut(network, projection) for projection in network.projections],
        placement.cuts,
        placement.core_of,
        cores,
    )
    home = {p.name: np.zeros(grid_shape(p.shape), int) for p in network.populations}
    for number, core in enumerate(placement.cores):
        for block in core.blocks:
            home[block.population][tuple(slice(*e) for e in (block.channels, block.rows, block.columns))] = number
    expected = np.zeros((cores, cores), int)
    for number, core in enumerate(placement.cores):
        for index, counts in into_core(network, core).items():
            source = network.projections[index].source
            if source != network.source.name:
                np.add.at(expected[:, number], home[source].ravel()[counts > 0], 1)
    assert np.array_equal(found.toarray(), expected)


@given(seeds, st.integers(1, 40), st.sampled_from([3, 8, 16, 128]), st.sampled_from([0.05, 0.5]))
def test_every_core_has_a_number_of_its_own_and_ways_are_no_longer(seed, cores, per_chip, density):
    """On as few chips as there can be; the same messages give the same numbers."""
    rng = np.random.default_rng(seed)
    sent = csr_array(np.where(rng.random((cores, cores)) < density, rng.integers(1, 9, (cores, cores)), 0))
    numbers, mesh = numbered(sent, per_chip), Mesh(per_chip)
    assert len(set(numbers.tolist())) == cores
    assert 0 <= numbers.min() <= numbers.max() < -(-cores // per_chip) * per_chip
    both = csr_array(sent + sent.T)
    both.setdiag(0)
    assert cost(both, numbers, mesh) <= cost(both, np.arange(cores), mesh)
    assert np.array_equal(numbered(sent, per_chip), numbers)


def test_cost_by_hand():
    """Two messages to the next tile, three to the tile below it, five to another chip of 128 cores."""
    sent = np.zeros((4, 4))
    sent[0, 1], sent[1, 2], sent[2, 3] = 2, 3, 5
    both = csr_array(sent + sent.T)
    assert cost(both, np.array([0, 4, 36, 128]), Mesh(128)) == (5, 2 + 3)


@given(seeds)
def test_swaps_end_where_no_swap_is_better(seed):
    rng = np.random.default_rng(seed)
    flow = np.triu(rng.integers(0, 9, (6, 6)), 1).astype(float)
    flow += flow.T
    side = np.arange(6)
    hops, places = np.abs(side[:, None] - side), rng.permutation(6)
    before = (flow * hops[places][:, places]).sum()
    swap(flow, hops, places, 100)
    after = (flow * hops[places][:, places]).sum()
    assert sorted(places.tolist()) == list(range(6))
    assert after <= before
    for i, j in itertools.combinations(range(6), 2):
        other = places.copy()
        other[[i, j]] = places[[j, i]]
        assert (flow * hops[other][:, other]).sum() >= after


@pytest.mark.parametrize("chips", [1, 2, 4])
def test_groups_that_talk_lie_together(chips):
    """Eight cores a group that all send to each other, dealt out in turns: no message leaves a chip of eight."""
    group = np.arange(8 * chips) % chips
    sent = csr_array((group[:, None] == group).astype(float))
    numbers = numbered(sent, 8)
    assert [len(set(group[numbers // 8 == chip])) for chip in range(chips)] == [1] * chips
