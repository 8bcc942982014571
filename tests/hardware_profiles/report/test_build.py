"""The report's numbers: they add up, follow the profile's constants, and its JSON holds what it always held."""

import json
from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.bounds import is_safe, prove
from spikeport.export.errors import NetworkError, ProfileError, StimulusError
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.export.three_counts import sampled_images
from spikeport.hardware_profiles import what_if
from spikeport.hardware_profiles.counting import Counter, batches, count
from spikeport.hardware_profiles.profile import PROFILE_DIR, load_profile
from spikeport.hardware_profiles.report import build, html
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.write import write
from tests.export.engine.kernel_mutants import KERNELS, apply, force, network_of

NETWORK = small_network()
STIMULUS = random_stimulus(NETWORK, 7, 0)
REPORT = report(NETWORK, STIMULUS, ["loihi1", "loihi2"])

KEYS = {
    "": "chips date energy images latency layers network not_modelled operations placement profiles schema spikeport "
    "spikes validation versions",
    "network": "digest kind name neurons populations proven sparsity steps weight_bits",
    "network.populations.0": "bounds name role scale shape",
    "network.populations.0.bounds": "u_max u_min v_max v_min",
    "images": "count digest",
    "operations": "first_layer_macs first_layer_macs_host formula held images layers mode modes per_image",
    "operations.per_image": "deviation maximum mean",
    "operations.modes": "area_ratio fused relay",
    "operations.layers.0": "area_ratio formula graded kind part per_image relay relay_synapses source synapses target",
    "validation": "counts oracles verified",
    "validation.counts": "formula images kernels layers mode passed reference simulated",
    "validation.counts.layers.0": "difference formula graded neurons_different neurons_miscounted on_the_way reference "
    "reference_difference reference_formula simulated source target",
    "spikes.0": "active neurons per_image population rate spikes",
    "layers.0": "bits density fan_out_max fan_out_mean kind memory part source synapses target weights zeros",
    "profiles.loihi1": "constants description hash",
    "placement.loihi1": "bottleneck chips cores cores_with_several_populations hops host_axons lower_bounds "
    "max_core_memory_bytes messages messages_from_host messages_off_chip per_core refused_strategies strategy",
    "placement.loihi1.lower_bounds": "memory neurons",
    "placement.loihi1.per_core.0": "available blocks fullest memory_share number operations operations_max "
    "synapses used utilisation",
    "placement.loihi1.per_core.0.blocks.0": "channels columns population rows",
    "energy.loihi1": "assumed eq12 first_layer_chip first_layer_host included missing neuron_updates "
    "neuron_updates_all_active scaled spike_traffic static static_alone sum_of_known synaptic_operations unknown",
    "latency.loihi1": "assumed interval interval_steps kind latency latency_steps not_minimum refused scaled shares "
    "unknown",
}
"""Schema 4: a change of these is a change of the schema."""


def test_chips_that_are_asked_for_are_added_once_and_never_confused(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text((PROFILE_DIR / "loihi1.toml").read_text())
    found = report(NETWORK, random_stimulus(NETWORK, 2, 0), ["loihi1"], chips=[file, "loihi2"])
    assert {name: (chip.asked, chip.runs) for name, chip in found.chips.items()} == {
        "loihi1": (True, False),
        "loihi2": (True, None),
    }
    assert [reason[:26] for reason in found.reasons] == ["does not run on loihi1: po"]
    file.write_text(file.read_text().replace("value = 62", "value = 61", 1))
    with pytest.raises(ProfileError, match=r"two of the profiles .* are called 'loihi1'"):
        report(NETWORK, random_stimulus(NETWORK, 2, 0), ["loihi1"], chips=[file])


@pytest.mark.parametrize("path", KEYS)
def test_json_has_the_keys_of_schema_4(path):
    section = REPORT.to_dict()
    for key in filter(None, path.split(".")):
        section = section[int(key) if key.isdigit() else key]
    assert " ".join(sorted(section)) == KEYS[path]


def test_json_is_plain_data(tmp_path):
    write(REPORT, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == REPORT.to_dict()


def test_counts_are_those_of_the_network_counted_alone():
    assert REPORT.operations == count(NETWORK, STIMULUS)
    assert REPORT.operations.images == REPORT.images.count == 7


def test_totals_leave_out_the_graded_input():
    """Added up layer by layer from the network's spikes, not from the report."""
    counter, expected, macs = Counter(NETWORK), 0, 0
    for batch in batches(NETWORK, STIMULUS):
        for fan_outs in counter.fan_outs:
            psi = fan_outs.fused
            operations = int((batch.spikes[fan_outs.projection.source].astype(np.int64) * psi).sum())
            graded = fan_outs.projection.source == "input"
            expected, macs = expected + operations * (not graded), macs + operations * graded
    assert REPORT.operations.formula == expected > 0
    assert REPORT.operations.first_layer_macs == macs > 0


def test_cores_hold_all_neurons_and_all_work():
    for placed in REPORT.placement.values():
        assert placed.cores == len(placed.per_core)
        key = "core_memory" if placed.per_core[0].available["core_memory"] else "synaptic_memory"
        assert placed.max_core_memory_bytes == max(core.used[key] for core in placed.per_core)
        assert sum(core.used["neurons"] for core in placed.per_core) == REPORT.network.neurons
        assert round(sum(core.operations for core in placed.per_core) * 7) == REPORT.operations.formula
        assert all(core.used["core_memory"] >= core.used["synaptic_memory"] for core in placed.per_core)
        for core in placed.per_core:
            ratios = {key: core.used[key] / most for key, most in core.available.items() if most}
            assert core.utilisation == ratios
            assert ratios[core.fullest] == max(ratios.values())
            assert core.memory_share == ratios[key]


def test_network_section_is_the_proof():
    assert REPORT.network.proven == is_safe(NETWORK)
    assert {each.name: each.bounds for each in REPORT.network.populations} == prove(NETWORK)


def test_energy_is_eq_12_with_the_profiles_constant():
    for name, energy in REPORT.energy.items():
        profile = load_profile(name)
        expected = REPORT.operations.formula / 7 * profile.energy.accumulate.value
        assert energy.synaptic_operations == pytest.approx(expected, rel=1e-12)
        constants = REPORT.profiles[name].constants
        assert constants["energy.accumulate"]["value"] == profile.energy.accumulate.value
        assert REPORT.profiles[name].description == profile.description


def test_relative_is_the_other_over_this():
    """Table 3 of the paper: the dense network's spikes and energy over the sparse one's."""
    sparse = what_if.pruned(NETWORK, 0.5)
    relative = report(sparse, STIMULUS, ["loihi1"], relative_to=NETWORK).relative
    own, other = (count(each, STIMULUS) for each in (sparse, NETWORK))
    assert relative.energy_ratio["fused"] == other.formula / own.formula
    assert relative.energy_ratio["relay"] == other.total("relay") / own.total("relay")
    assert relative.spikes_ratio == other.total_spikes / own.total_spikes
    assert relative.spikes == (own.total_spikes / 7, other.total_spikes / 7)
    assert relative.accumulates["fused"] == (own.formula / 7, other.formula / 7)
    assert relative.accumulates["area_ratio"] == (own.total("area_ratio") / 7, other.total("area_ratio") / 7)
    assert relative.energy_ratio["area_ratio"] == other.total("area_ratio") / own.total("area_ratio")
    assert relative.energy_ratio_paper == other.total("area_ratio") / own.formula
    assert relative.reasons == ()
    assert relative.sparsity[0] > relative.sparsity[1]


def test_relative_to_a_network_without_spikes_has_no_ratio():
    silent = what_if.pruned(NETWORK, 1.0)
    relative = report(silent, STIMULUS, ["loihi1"], relative_to=NETWORK).relative
    assert count(silent, STIMULUS).formula == 0
    assert relative.energy_ratio == {"fused": None, "relay": None, "area_ratio": None}


def test_relative_needs_the_same_shape():
    spiking = replace(NETWORK.populations[0], neuron=replace(NETWORK.source.neuron, levels=1))
    changed = replace(NETWORK, populations=(spiking, *NETWORK.populations[1:]))
    for different in (changed, replace(NETWORK, steps=NETWORK.steps + 1)):
        with pytest.raises(
            NetworkError, match="other populations, steps or input levels; expected one of the same shape"
        ):
            report(NETWORK, STIMULUS, ["loihi1"], relative_to=different)


def test_what_does_not_fit_stands_in_the_report():
    found = report(NETWORK, random_stimulus(NETWORK, 2, 0), ["speck", "cmos45_fp32", "loihi1"])
    assert "spiking_input is 1 of 0" in found.refused["speck"]
    assert found.to_dict()["placement"]["speck"] == {"refused": found.refused["speck"]}
    assert list(found.to_dict()["placement"]) == ["speck", "cmos45_fp32", "loihi1"]
    assert found.energy["speck"].spike_traffic is None
    assert found.passed


@pytest.mark.parametrize(
    ("profiles", "message"),
    [
        (["loihi1", "loihi1"], "two of the profiles loihi1, loihi1 are called 'loihi1'; rename one"),
        ([], "no profile given; expected at least one of cmos45_fp32"),
        ("loihi1", "profiles is the text 'loihi1'; expected a sequence of names"),
    ],
)
def test_profiles_are_a_sequence_of_different_ones(profiles, message):
    with pytest.raises(ProfileError, match=message):
        report(NETWORK, STIMULUS, profiles)


def test_errors_that_cancel_are_seen():
    """One projection counts one too many and another one too few: a sentence for each."""
    counter = Counter(NETWORK)
    (batch,) = batches(NETWORK, STIMULUS.first(1), sampled=[0])
    for fan_outs, sign in zip(counter.fan_outs[:2], (1, -1), strict=True):
        spikes = batch.spikes[fan_outs.projection.source][0].sum(axis=0)
        fan_outs.fused[np.unravel_index(np.argmax(spikes), spikes.shape)] += sign
    counter.add(batch)
    reasons = counter.counts().verification.reasons
    assert [reason.split(":")[0] for reason in reasons] == ["input -> conv1"] * 2 + ["conv1 -> readout"] * 2


def test_images_are_sampled_evenly_and_said():
    found = report(NETWORK, random_stimulus(NETWORK, 20, 0), ["loihi1"], verify=4)
    assert found.operations.verification.images == (0, 6, 13, 19)
    assert "accumulates of images 0, 6, 13 and 19: Eq. 12 fused" in found.text()
    assert found.to_dict()["validation"]["counts"]["images"] == [0, 6, 13, 19]


@pytest.mark.parametrize(
    ("images", "verify", "expected"), [(7, 4, (0, 2, 4, 6)), (3, 4, (0, 1, 2)), (9, 1, (0,)), (9, 0, ())]
)
def test_there_are_no_more_sampled_images_than_asked_for(images, verify, expected):
    assert sampled_images(images, verify) == expected


def test_a_negative_number_of_images_is_refused():
    with pytest.raises(StimulusError, match=r"-1 images to verify; expected 0 \(none\) or more"):
        report(NETWORK, STIMULUS, ["loihi1"], verify=-1)


def test_without_verification_nothing_is_called_simulated():
    found = report(NETWORK, STIMULUS, ["loihi1"], verify=0)
    assert found.passed
    assert not found.verified
    assert found.to_dict()["validation"]["verified"] is False
    assert found.to_dict()["validation"]["counts"] is None
    for shown in (found.text(), html.render(found), json.dumps(found.to_dict())):
        assert "simulat" not in shown
    assert "\nnot verified: operations are Eq. 12, spike counts times fan-outs" in found.text()
    assert "Not verified: operations are Eq. 12" in html.render(found)


@pytest.mark.parametrize("mutant", KERNELS[::15], ids=lambda mutant: mutant.label)
def test_a_wrong_kernel_fails_the_report(mutant, monkeypatch):
    """With projection and numbers; tests/export/engine/test_kernel_mutants.py has all mutants."""
    network, driven, kernel = network_of(mutant.case)
    force(kernel, monkeypatch.setattr)
    apply(mutant, monkeypatch.setattr, compiled=False)
    with np.errstate(all="ignore"):
        found = report(network, driven, ["cmos45_fp32"])
    assert not found.passed
    assert any(reason in found.text().split("FAILED:")[1] for reason in found.operations.verification.reasons)


def test_counts_of_the_other_network_are_verified_too(monkeypatch):
    """Its operations stand in the ratio; its sentences name it."""
    monkeypatch.setattr(build, "count", lambda *_, **__: replace(REPORT.operations, verification=WRONG))
    found = report(NETWORK, STIMULUS, ["loihi1"], relative_to=NETWORK)
    (reason,) = found.reasons
    assert reason.startswith("The other network, input -> conv1: Eq. 12 counts")


RIGHT = REPORT.operations.verification
WRONG = replace(RIGHT, layers=(replace(RIGHT.layers[0], simulated=1), *RIGHT.layers[1:]))


def test_spikes_on_their_way_when_a_sample_ends_are_no_difference():
    """A projection with a delay of two steps: what its source sends in the last two never arrives in the sample."""
    network = with_delay(2)
    counts = count(network, random_stimulus(network, 3, 1))
    (layer,) = [layer for layer in counts.verification.layers if layer.source == "conv1"]
    assert 0 < layer.on_the_way < layer.formula
    assert layer.formula == layer.on_the_way + layer.simulated
    assert counts.verification.passed


def with_delay(steps):
    """Return the small network with a delay before its readout."""
    first, second = NETWORK.projections
    return replace(NETWORK, projections=(first, replace(second, delay=steps)), bounds={})


def test_a_network_whose_registers_could_overflow_fails_the_report():
    longer = replace(NETWORK, steps=2000, bounds={})
    assert not is_safe(longer)
    found = report(longer, random_stimulus(longer, 1, 0), ["loihi1"])
    assert found.reasons == ("The registers are not proven: for some input one wraps or saturates.",)
