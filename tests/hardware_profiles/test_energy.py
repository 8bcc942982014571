"""Energy part by part: each its count times a constant; what a profile lacks is named."""

import re
from dataclasses import replace

import msgspec
import pytest

from spikeport.export.errors import ProfileError
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles.counting import MODES, count
from spikeport.hardware_profiles.energy import energy
from spikeport.hardware_profiles.latency import latency
from spikeport.hardware_profiles.load import core_load
from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.profile import load_profile
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
    assert found.static == pytest.approx(0.104 * latency(placement, load).seconds)
    assert found.first_layer_host == pytest.approx(counts.first_layer_macs / 5 * 0.9e-9)
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
    assert found.static == pytest.approx(0.104 * placement.chips * latency(placement, load).seconds)
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
