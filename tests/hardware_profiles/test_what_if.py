"""Rows of the what-if table are runs of their own."""

from itertools import pairwise

import numpy as np
import pytest

from spikeport.export.errors import NetworkError, ProfileError, StimulusError
from spikeport.export.geometry import geometry_of, pooled
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import Stimulus, random_stimulus
from spikeport.hardware_profiles import what_if
from spikeport.hardware_profiles.counting import count, zero_share
from tests.hardware_profiles.test_placement import convolutional

NETWORK = small_network()
DRIVEN = random_stimulus(NETWORK, 4, 0)
DRIVEN_CONV = random_stimulus(convolutional(), 4, 0)


def test_rows_are_runs_on_every_profile():
    rows = what_if.what_if(
        NETWORK, DRIVEN, what_if.Variations(profiles=("loihi1", "cmos45_fp32"), steps=(2,), sparsities=(0.5, 1.0))
    )
    assert [row.variation for row in rows[::2]] == ["as it is", "T = 2", "50.0 % zeros", "100.0 % zeros"]
    assert [row.profile for row in rows[:2]] == ["loihi1", "cmos45_fp32"]
    counts = count(NETWORK, DRIVEN)
    assert rows[0].accumulates["fused"] == counts.formula / 4
    assert rows[0].cores == {"unrolled": 2, "shared": 2}
    assert rows[1].cores == {"unrolled": None, "shared": None}
    assert rows[2].accumulates["fused"] < rows[0].accumulates["fused"]
    assert rows[-1].accumulates["fused"] == 0
    shown = what_if.render(rows)
    assert "50.0 % zeros, loihi1" in shown
    assert "AC area_ratio" in shown


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.9, 1.0])
def test_smallest_weights_go_first(sparsity):
    changed = what_if.pruned(NETWORK, sparsity)
    for before, after in zip(NETWORK.projections, changed.projections, strict=True):
        old, new = np.abs(before.synapses.weight.astype(int)), after.synapses.weight
        assert np.count_nonzero(new == 0) >= int(sparsity * new.size)
        cut, kept = old[(new == 0) & (old > 0)], old[new != 0]
        assert cut.max(initial=0) <= kept.min(initial=127)
        assert np.array_equal(new[new != 0], before.synapses.weight[new != 0])


def test_a_folded_pool_stays_one():
    """Weights that a pool repeats go together, so more zeros never cost more."""
    small = np.random.default_rng(0).integers(-20, 21, (4, 2, 3, 3)).astype(np.int8)
    network = convolutional(2, 2, 6, 16, small.repeat(2, axis=2).repeat(2, axis=3))
    driven = random_stimulus(network, 3, 0)
    totals = []
    for sparsity in (0.0, 0.3, 0.5, 0.9):
        changed = what_if.pruned(network, sparsity)
        assert pooled(geometry_of(changed, changed.projections[0]))[1] == (2, 2)
        totals.append(count(changed, driven).layers[0])
    for before, after in pairwise(totals):
        assert after.relay < before.relay
        assert after.area_ratio < before.area_ratio


def test_rows_say_the_zeros_that_there_are():
    half = what_if.pruned(NETWORK, 0.8)
    (_, row) = what_if.what_if(half, DRIVEN, what_if.Variations(profiles=("loihi1",), sparsities=(0.1,)))
    assert row.variation == f"{100 * zero_share(half):.1f} % zeros"


def test_chips_with_a_layer_per_core_have_a_column_of_their_own():
    network = convolutional()
    (row,) = what_if.what_if(network, random_stimulus(network, 2, 0), what_if.Variations(profiles=("speck",)))
    assert row.cores == {"layers": 2}
    assert "cores layers" in what_if.render([row])


def test_encodings_are_rows_of_their_own():
    rows = what_if.what_if(
        convolutional(), DRIVEN_CONV, what_if.Variations(profiles=("loihi1", "speck"), encodings=("dense", "one_copy"))
    )
    assert [row.profile for row in rows] == ["loihi1", "speck", "loihi1 dense", "loihi1 one_copy"]
    assert len({row.spikes for row in rows}) == 1
    with pytest.raises(ProfileError, match="no encoding 'zip'; expected one of dense, sparse, run_length, one_copy"):
        what_if.what_if(NETWORK, DRIVEN, what_if.Variations(profiles=("loihi1",), encodings=("zip",)))


def test_wrong_requests_are_refused():
    with pytest.raises(NetworkError, match=r"a sparsity of 1\.5; expected a share from 0 to 1"):
        what_if.pruned(NETWORK, 1.5)
    frames = Stimulus(values=np.repeat(DRIVEN.values[:, None], NETWORK.steps, axis=1), steps=NETWORK.steps, held=False)
    with pytest.raises(StimulusError, match="other steps need an input that is held"):
        what_if.what_if(NETWORK, frames, what_if.Variations(profiles=("loihi1",), steps=(2,)))
