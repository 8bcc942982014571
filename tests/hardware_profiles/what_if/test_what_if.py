"""Rows of the what-if table are runs of their own."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from spikeport.export.errors import NetworkError, ProfileError, StimulusError
from spikeport.export.geometry import geometry_of, pooled
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import Stimulus, random_stimulus
from spikeport.hardware_profiles import what_if
from spikeport.hardware_profiles.counting import count, zero_share
from spikeport.hardware_profiles.energy import energy
from spikeport.hardware_profiles.load import core_load
from spikeport.hardware_profiles.placement import STRATEGIES, place
from spikeport.hardware_profiles.profile import load_profile
from spikeport.hardware_profiles.what_if.variations import encoded
from tests.hardware_profiles.networks import convolutional, limited

NETWORK = small_network()
IMAGES = random_stimulus(NETWORK, 4, 0)
CONV_IMAGES = random_stimulus(convolutional(), 4, 0)


def test_rows_are_runs_on_every_profile():
    rows = what_if.what_if(
        NETWORK, IMAGES, what_if.Variations(profiles=("loihi1", "cmos45_fp32"), steps=(2,), sparsities=(0.5, 1.0))
    )
    assert [row.variation for row in rows[::2]] == ["as it is", "T = 2", "50.0 % zeros", "100.0 % zeros"]
    assert [row.profile for row in rows[:2]] == ["loihi1", "cmos45_fp32"]
    counts = count(NETWORK, IMAGES)
    assert rows[0].accumulates["fused"] == counts.formula / 4
    assert rows[0].cores == {"unrolled": 1, "shared": 1}
    assert rows[1].cores == {"unrolled": None, "shared": None}
    assert rows[2].accumulates["fused"] < rows[0].accumulates["fused"]
    assert rows[-1].accumulates["fused"] == 0
    shown = what_if.render(rows)
    assert "50.0 % zeros, loihi1" in shown
    assert "accumulates, area_ratio" in shown
    assert re.search(r"as it is, loihi1 .* [\d.]+ .J  +[\d.]+ .J\*  +[\d.]+ .J\*~\n", shown)
    assert "loihi1: energy.neuron_update_inactive*, energy.neuron_update_active*, latency" in shown


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.9, 1.0])
def test_smallest_weights_go_first(sparsity):
    changed = what_if.pruned(NETWORK, sparsity)
    for before, after in zip(NETWORK.projections, changed.projections, strict=True):
        old, new = np.abs(before.synapses.weight.astype(int)), after.synapses.weight
        assert np.count_nonzero(new == 0) >= int(sparsity * new.size)
        cut, kept = old[(new == 0) & (old > 0)], old[new != 0]
        assert cut.max(initial=0) <= kept.min(initial=127)
        assert np.array_equal(new[new != 0], before.synapses.weight[new != 0])


def test_the_most_negative_weight_goes_last():
    """-128 has no positive counterpart in 8 bits."""
    weight = np.full((4, 2, 3, 3), 100, np.int8)
    weight[0, 0] = -128
    synapses = what_if.pruned(convolutional(weight=weight), 63 / 72).projections[0].synapses
    assert np.flatnonzero(synapses.weight).tolist() == list(range(9))


def test_a_folded_pool_stays_one():
    """Weights that a pool repeats go together, so more zeros never cost more."""
    small = np.random.default_rng(0).integers(-20, 21, (4, 2, 3, 3)).astype(np.int8)
    network = convolutional(2, 2, 6, 16, small.repeat(2, axis=2).repeat(2, axis=3))
    images = random_stimulus(network, 3, 0)
    totals = []
    for sparsity in (0.0, 0.3, 0.5, 0.9):
        changed = what_if.pruned(network, sparsity)
        assert pooled(geometry_of(changed, changed.projections[0]))[1] == (2, 2)
        totals.append(count(changed, images).layers[0])
    for before, after in pairwise(totals):
        assert after.relay < before.relay
        assert after.area_ratio < before.area_ratio


def test_rows_say_the_zeros_that_there_are():
    half = what_if.pruned(NETWORK, 0.8)
    (_, row) = what_if.what_if(half, IMAGES, what_if.Variations(profiles=("loihi1",), sparsities=(0.1,)))
    assert row.variation == f"{100 * zero_share(half):.1f} % zeros"


def test_chips_with_a_layer_per_core_have_a_column_of_their_own():
    network = convolutional()
    (row,) = what_if.what_if(network, random_stimulus(network, 2, 0), what_if.Variations(profiles=("speck",)))
    assert row.cores == {"layers": 2}
    shown = what_if.render([row])
    assert "cores, layers" in shown
    assert "cores: layers: a whole layer on each core; -: the network does not fit" in shown


def test_encodings_are_rows_of_their_own():
    rows = what_if.what_if(
        convolutional(), CONV_IMAGES, what_if.Variations(profiles=("loihi1", "speck"), encodings=("dense", "one_copy"))
    )
    assert [row.profile for row in rows] == ["loihi1", "speck", "loihi1 dense", "loihi1 one_copy"]
    assert len({row.spikes for row in rows}) == 1


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"sparsities": (1.5,)}, NetworkError, r"a sparsity of 1\.5; expected a share from 0 to 1"),
        ({"sparsities": (-0.1,)}, NetworkError, "a sparsity of -0.1; expected"),
        ({"sparsities": (0.5, float("nan"))}, NetworkError, "a sparsity of nan; expected"),
        ({"sparsities": (1e300,)}, NetworkError, r"a sparsity of 1e\+300; expected"),
        ({"sparsities": ("0.5",)}, NetworkError, "a sparsity of '0.5'; expected"),
        ({"sparsities": (True,)}, NetworkError, "a sparsity of True; expected"),
        ({"steps": (0,)}, StimulusError, "0 steps; expected a whole number from 1 to 100,000"),
        ({"steps": (10**9,)}, StimulusError, "1000000000 steps; expected"),
        ({"steps": (4.5,)}, StimulusError, "4.5 steps; expected"),
        ({"steps": (float("nan"),)}, StimulusError, "nan steps; expected"),
        (
            {"encodings": ("zip",)},
            ProfileError,
            "no encoding 'zip'; expected one of dense, sparse, run_length, one_copy",
        ),
    ],
)
def test_wrong_values_are_refused_before_anything_runs(asked, error, message):
    with pytest.raises(error, match=message):
        what_if.Variations(**asked)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"profiles": ()}, "no profile given"),
        ({"profiles": ("loihi1", "loihi1")}, "are called 'loihi1'"),
        ({"profiles": ("speck",), "encodings": ("dense",)}, "speck: no synapse lists; expected a profile with lists"),
        ({"profiles": ("truenorth",), "encodings": ("one_copy",)}, "truenorth shares no kernels; expected one of the"),
    ],
)
def test_profiles_that_cannot_be_varied_so_are_refused(asked, message):
    with pytest.raises(ProfileError, match=message):
        what_if.what_if(NETWORK, IMAGES, what_if.Variations(**asked))


def test_other_steps_need_an_input_that_is_held():
    with pytest.raises(NetworkError, match=r"a sparsity of 1\.5; expected a share from 0 to 1"):
        what_if.pruned(NETWORK, 1.5)
    frames = Stimulus(values=np.repeat(IMAGES.values[:, None], NETWORK.steps, axis=1), steps=NETWORK.steps, held=False)
    with pytest.raises(StimulusError, match="other steps need an input that is held"):
        what_if.what_if(NETWORK, frames, what_if.Variations(profiles=("loihi1",), steps=(2,)))


def test_rows_are_the_functions_results():
    """Fewer steps: counted and priced as the shorter network alone; the better placement is priced."""
    profile = limited("loihi1_silicon_fit", synaptic_memory=12000)
    variations, network = what_if.Variations(profiles=(profile,), steps=(2,)), convolutional(side=16)
    _, row = what_if.what_if(network, random_stimulus(network, 4, 0), variations)
    shorter = replace(network, steps=2)
    counts = count(shorter, random_stimulus(shorter, 4, 0))
    assert row.accumulates == counts.modes
    assert row.spikes == counts.total_spikes / 4
    placed = {strategy: place(shorter, profile, strategy) for strategy in STRATEGIES}
    assert row.cores == {strategy: len(each.cores) for strategy, each in placed.items()}
    best = min(placed.values(), key=lambda each: len(each.cores))
    load = core_load(shorter, random_stimulus(shorter, 4, 0), best)
    assert row.energy == energy(counts, profile, placement=best, load=load)
    assert row.energy.static > row.energy.synaptic_operations
    assert len(placed["shared"].cores) < len(placed["unrolled"].cores)


def test_rows_say_why_a_strategy_does_not_fit():
    (row,) = what_if.what_if(NETWORK, IMAGES, what_if.Variations(profiles=("cmos45_fp32",)))
    assert row.cores == {"unrolled": None, "shared": None}
    assert "has no cores" in row.refused["shared"]
    (row,) = what_if.what_if(NETWORK, IMAGES, what_if.Variations(profiles=("speck",)))
    assert "spiking_input is 1 of 0" in row.refused["layers"]


def test_an_encoding_changes_only_the_memory():
    """Dense lists of a sparse network take more memory than sparse lists, and so more cores."""
    network = what_if.pruned(convolutional(side=16), 0.9)
    images = random_stimulus(network, 2, 0)
    names = ("dense", "sparse", "run_length", "one_copy", "dense")
    rows = what_if.what_if(network, images, what_if.Variations(profiles=("loihi2",), encodings=names))
    assert [row.profile for row in rows] == ["loihi2", *(f"loihi2 {name}" for name in names[:4])]
    assert len({str(row.accumulates) for row in rows}) == 1
    for name in names[:3]:
        changed = encoded(load_profile("loihi2"), name)
        assert changed.encoding.lists.value == (name,)
        assert changed.encoding.shared == load_profile("loihi2").encoding.shared
    assert encoded(load_profile("loihi2"), "one_copy").encoding.shared.value == "one_copy"


def test_rows_are_plain_data():
    rows = what_if.what_if(NETWORK, IMAGES, what_if.Variations(profiles=("loihi1",)))
    (document,) = json.loads(json.dumps([row.to_dict() for row in rows]))
    keys = "accumulates accuracy accuracy_error cores energy images profile refused spikes variation"
    assert " ".join(sorted(document)) == keys
    assert document["energy"]["eq12"]["fused"] == rows[0].energy.synaptic_operations
