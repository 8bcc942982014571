"""Energy part by part: each its count times a constant; what a profile lacks is named."""

import re
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from spikeport.export.errors import ProfileError
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus, stimulus
from spikeport.export.three_counts import by_events
from spikeport.hardware_profiles.counting import MODES, count
from spikeport.hardware_profiles.energy import energy
from spikeport.hardware_profiles.latency import latency
from spikeport.hardware_profiles.load import core_load
from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.profile import constants, load_profile
from tests.hardware_profiles.networks import convolutional, limited

NETWORK = small_network()


def test_energy_is_split_and_says_what_it_does_not_know():
    images = random_stimulus(NETWORK, 5, 0)
    counts, placement = count(NETWORK, images), place(NETWORK, load_profile("loihi1"))
    load = core_load(NETWORK, images, placement)
    found = energy(counts, placement.profile, placement=placement, load=load)
    updates, fired = 39 * NETWORK.steps, counts.total_spikes / 5
    assert found.synaptic_operations == pytest.approx(counts.formula / 5 * 23.6e-12)
    assert found.neuron_updates == pytest.approx((updates - fired) * 52e-12 + fired * 81e-12)
    assert found.neuron_updates_all_active == pytest.approx(updates * 81e-12)
    assert found.spike_traffic == pytest.approx(
        load.messages * 1.7e-12 + load.hops[0] * 4.0e-12 + load.hops[1] * 3.0e-12
    )
    time = latency(placement, load)
    assert found.static == pytest.approx(0.104 * time.interval)
    assert found.static_alone == pytest.approx(0.104 * time.latency)
    assert time.latency > time.interval > 0
    assert found.first_layer_host == pytest.approx(counts.first_layer_macs / 5 / NETWORK.steps * 0.9e-9)
    assert found.first_layer_chip is None
    assert found.unknown == {"first_layer_chip": "loihi1 gives no energy of a multiply-accumulate"}
    parts = (found.synaptic_operations, found.neuron_updates, found.spike_traffic, found.first_layer_host, found.static)
    assert found.sum_of_known == pytest.approx(sum(parts))


def test_shared_kernels_have_their_own_energy_where_it_was_fitted():
    """Dense synapses share nothing and cost what they cost."""
    network, profile = convolutional(), load_profile("loihi1_silicon_fit")
    counts = count(network, random_stimulus(network, 5, 0))
    conv, dense = (layer.formula for layer in counts.layers)
    for strategy, each in (("unrolled", 33.6e-12), ("shared", 24.0e-12)):
        placement, expected = place(network, profile, strategy), (conv * each + dense * 33.6e-12) / 5
        assert energy(counts, profile, placement=placement).synaptic_operations == pytest.approx(expected)


def test_arithmetic_alone_has_no_neurons_no_traffic_and_no_time():
    images = random_stimulus(NETWORK, 5, 0)
    counts = count(NETWORK, images)
    found = energy(counts, load_profile("cmos45_fp32"))
    assert found.synaptic_operations == pytest.approx(counts.formula / 5 * 0.9e-12)
    assert found.first_layer_chip == pytest.approx(counts.first_layer_macs / 5 * 4.6e-12)
    assert (found.neuron_updates, found.spike_traffic, found.static) == (None, None, None)
    assert set(found.unknown) == {"neuron_updates", "spike_traffic", "static"}


def test_eq_12_in_every_mode_is_its_accumulates_times_one_constant():
    images = random_stimulus(NETWORK, 5, 0)
    counts = count(NETWORK, images)
    found = energy(counts, load_profile("loihi1"))
    assert found.eq12 == {mode: pytest.approx(counts.total(mode) / 5 * 23.6e-12) for mode in MODES}
    assert found.eq12["fused"] == found.synaptic_operations
    assert counts.total("area_ratio") != counts.total("fused")


def test_shared_energy_is_taken_in_every_mode():
    network, profile = convolutional(), load_profile("loihi1_silicon_fit")
    counts = count(network, random_stimulus(network, 5, 0))
    found = energy(counts, profile, placement=place(network, profile, "shared"))
    conv, dense = (layer.operations("area_ratio") for layer in counts.layers)
    assert found.eq12["area_ratio"] == pytest.approx((conv * 24.0e-12 + dense * 33.6e-12) / 5)


def test_traffic_between_chips_is_named_and_hops_are_priced_each_way():
    network, profile = convolutional(), limited(neurons=4, cores_per_chip=3)
    images = random_stimulus(network, 2, 0)
    placement = place(network, profile)
    load = replace(core_load(network, images, placement), hops=(2.0, 5.0))
    assert load.off_chip > 0
    counts = count(network, images)
    found = energy(counts, profile, placement=placement, load=load)
    assert found.spike_traffic == pytest.approx(load.messages * 1.7e-12 + 2.0 * 4.0e-12 + 5.0 * 3.0e-12)
    assert f"{load.off_chip:,.0f} messages an image leave" in found.unknown["spike_traffic_between_chips"]
    assert found.static == pytest.approx(0.104 * placement.chips * latency(placement, load).interval)
    assert placement.chips > 1


def test_without_a_load_traffic_and_static_energy_are_unknown():
    counts = count(NETWORK, random_stimulus(NETWORK, 5, 0))
    for placement in (None, place(NETWORK, load_profile("loihi1"))):
        found = energy(counts, load_profile("loihi1"), placement=placement)
        assert (found.spike_traffic, found.static) == (None, None)
        assert (found.unknown["spike_traffic"], found.unknown["static"]) == ("no placement", "no latency")


def test_one_unknown_neuron_energy_makes_updates_unknown():
    counts, profile = count(NETWORK, random_stimulus(NETWORK, 5, 0)), load_profile("loihi1")
    for name in ("neuron_update_active", "neuron_update_inactive"):
        changed = msgspec.structs.replace(profile, energy=msgspec.structs.replace(profile.energy, **{name: None}))
        found = energy(counts, changed)
        assert found.neuron_updates is None
        assert "neuron_updates" in found.unknown


def test_a_placement_on_another_chip_is_refused():
    counts = count(NETWORK, random_stimulus(NETWORK, 5, 0))
    with pytest.raises(ProfileError, match="the placement is on loihi2; expected one on loihi1 to price it"):
        energy(counts, load_profile("loihi1"), placement=place(NETWORK, load_profile("loihi2")))


def test_text_says_what_is_unknown():
    shown = energy(count(NETWORK, random_stimulus(NETWORK, 5, 0)), load_profile("loihi1")).text()
    assert re.search(r"spike traffic +unknown", shown)
    assert "\nspike traffic: no placement" in shown


def test_the_first_layer_of_a_held_image_is_computed_once_by_a_host_and_every_step_by_a_chip():
    held = random_stimulus(NETWORK, 5, 0)
    given = replace(held, values=held.values[:, None].repeat(NETWORK.steps, axis=1), held=False)
    once, every = (energy(count(NETWORK, each), load_profile("loihi2")) for each in (held, given))
    assert NETWORK.steps == 4
    assert every.first_layer_host == pytest.approx(4 * once.first_layer_host)
    assert every.first_layer_chip == once.first_layer_chip > 0
    macs = [by_events(NETWORK.projections[0], image[None] != 0).sum() for image in held.values]
    assert once.first_layer_host == pytest.approx(np.mean(macs) * 0.9e-9)


def test_frames_that_change_are_computed_step_by_step():
    """Levels 0 in the first step, then three steps of one level in one pixel."""
    frames = np.zeros((1, NETWORK.steps, *NETWORK.source.shape), np.int64)
    frames[:, 1:, 0, 0, 0] = 7
    counts = count(NETWORK, stimulus(frames, NETWORK))
    assert counts.held is False
    assert (
        counts.first_layer_macs_host
        == counts.first_layer_macs
        == 3 * by_events(NETWORK.projections[0], frames[:, 1] != 0).sum()
    )


def test_a_spiking_input_has_no_first_layer():
    network = convolutional()
    counts = count(network, random_stimulus(network, 2, 0))
    assert counts.first_layer_macs == counts.first_layer_macs_host == 0
    found = energy(counts, load_profile("loihi2"))
    assert (found.first_layer_host, found.first_layer_chip) == (0, 0)
    assert "first_layer_host" not in {**found.assumed, **found.scaled}
    without = energy(counts, load_profile("speck"))
    assert (without.first_layer_host, without.first_layer_chip, without.missing) == (0, 0, ())


def test_potentials_that_others_hear_are_no_input_of_the_host():
    """Only the layer of the input is computed once; a graded layer further in multiplies in every step."""
    counts = count(NETWORK, random_stimulus(NETWORK, 5, 0))
    first = counts.layers[0]
    inner = replace(first, source=first.target, target="b", formula=100)
    counts = replace(counts, layers=(*counts.layers, inner))
    assert counts.first_layer_macs_host == first.formula // NETWORK.steps + 100


@pytest.mark.parametrize(
    ("name", "assumed", "scaled"),
    [
        (
            "loihi1",
            {"neuron_updates", "neuron_updates_all_active", "static", "static_alone", "sum_of_known"},
            {"first_layer_host", "sum_of_known"},
        ),
        (
            "loihi2",
            {"neuron_updates", "neuron_updates_all_active", "first_layer_chip", "sum_of_known"},
            {
                *("synaptic_operations", "neuron_updates", "neuron_updates_all_active", "spike_traffic"),
                *("first_layer_host", "sum_of_known"),
            },
        ),
        (
            "spinnaker2",
            {"first_layer_chip"},
            {
                *("synaptic_operations", "neuron_updates", "neuron_updates_all_active", "first_layer_host"),
                "sum_of_known",
            },
        ),
        ("truenorth", set(), set()),
        ("speck", {"synaptic_operations", "sum_of_known"}, set()),
        ("cmos45_int8", set(), set()),
    ],
)
def test_parts_with_assumed_or_scaled_constants_are_named(name, assumed, scaled):
    profile, images = load_profile(name), random_stimulus(NETWORK, 2, 0)
    placement = place(NETWORK, profile) if profile.limits else None
    load = core_load(NETWORK, images, placement) if placement else None
    found = energy(count(NETWORK, images), profile, placement=placement, load=load)
    assert set(found.assumed) == assumed
    assert set(found.scaled) == scaled
    everything = constants(profile)
    for kind, part_of in (("assumed", found.assumed), ("scaled", found.scaled)):
        for keys in part_of.values():
            assert all(everything[key].evidence == kind or everything[key].reading for key in keys)


def test_marks_stand_behind_the_figures():
    shown = energy(count(NETWORK, random_stimulus(NETWORK, 5, 0)), load_profile("loihi2")).text()
    assert re.search(r"neuron updates +\S+ .J\*~\n", shown)
    assert re.search(r"synaptic operations, Eq. 12 fused +[\d.]+ .J~\n", shown)
    assert re.search(r"first layer on the chip, every step +[\d.]+ .J\*\n", shown)
    assert "\n* with a constant that is assumed" in shown
    assert "energy.neuron_update_inactive*~" in shown
    plain = energy(count(NETWORK, random_stimulus(NETWORK, 5, 0)), load_profile("cmos45_fp32")).text()
    assert "*" not in plain
    assert "~" not in plain


def test_an_assumed_time_is_in_static_energy():
    profile, images = load_profile("loihi1"), random_stimulus(NETWORK, 2, 0)
    times = {key: msgspec.structs.replace(profile.latency.barrier, evidence="scaled") for key in ("barrier",)}
    profile = msgspec.structs.replace(profile, latency=msgspec.structs.replace(profile.latency, **times))
    placement = place(NETWORK, profile)
    load = core_load(NETWORK, images, placement)
    found = energy(count(NETWORK, images), profile, placement=placement, load=load)
    assert found.scaled["static"] == found.scaled["static_alone"] == ("latency.barrier",)
    assert found.assumed["static"] == ("latency.neuron_update", "latency.neuron_update_active")


@pytest.mark.parametrize("name", ["truenorth", "speck"])
def test_parts_in_the_energy_of_an_accumulate_are_not_added_again(name):
    """A profile's own static power and neuron energies change nothing where Eq. 12 holds them already."""
    own, loihi = load_profile(name), load_profile("loihi1")
    doubled = msgspec.structs.replace(loihi, energy=msgspec.structs.replace(loihi.energy, included=own.energy.included))
    images = random_stimulus(NETWORK, 2, 0)
    placement = place(NETWORK, doubled)
    load = core_load(NETWORK, images, placement)
    found = energy(count(NETWORK, images), doubled, placement=placement, load=load)
    assert set(found.included) == {"neuron_updates", "spike_traffic", "static"}
    assert (found.neuron_updates, found.neuron_updates_all_active) == (None, None)
    assert (found.spike_traffic, found.static, found.static_alone) == (None, None, None)
    assert found.sum_of_known == pytest.approx(found.synaptic_operations + found.first_layer_host)
    assert not set(found.unknown) & set(found.included)
    assert re.search(r"static, images back to back +in Eq. 12\n", found.text())
    assert "static_power" not in str(found.assumed)


def test_corrected_constants():
    """As their sources have them: a prototype, sums of more than 8 bits, and all of a chip's power in one number."""
    spinnaker2, int8 = load_profile("spinnaker2").energy, load_profile("cmos45_int8").energy
    both = (spinnaker2.accumulate, spinnaker2.neuron_update_inactive, spinnaker2.neuron_update_active)
    assert {each.evidence for each in both} == {"scaled"}
    assert all("28 nm prototype" in each.source for each in both)
    assert (int8.accumulate.value, int8.multiply_accumulate.value) == (0.1e-12, 0.3e-12)
    for name in ("speck", "truenorth"):
        energy_ = load_profile(name).energy
        assert "static" in energy_.included.value
        assert energy_.static_power is None
