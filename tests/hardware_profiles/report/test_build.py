"""The report's numbers: they add up, follow the profile's constants, and its JSON holds what it always held."""

import json
from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.bounds import is_safe, prove
from spikeport.export.errors import NetworkError, ProfileError
from spikeport.export.executors import fast
from spikeport.export.lava.doctor import small_network
from spikeport.export.stimulus import random_stimulus
from spikeport.hardware_profiles import what_if
from spikeport.hardware_profiles.counting import Counter, batches, count
from spikeport.hardware_profiles.profile import load_profile
from spikeport.hardware_profiles.report.build import check_events, report
from spikeport.hardware_profiles.report.write import write

NETWORK = small_network()
STIMULUS = random_stimulus(NETWORK, 7, 0)
REPORT = report(NETWORK, STIMULUS, ["loihi1", "loihi2"])

KEYS = {
    "": "date energy images lacks latency network not_modelled operations placement profiles schema spikeport spikes "
    "validation versions",
    "network": "digest kind neurons populations proven sparsity steps weight_bits",
    "network.populations.0": "bounds name scale shape",
    "network.populations.0.bounds": "u_max u_min v_max v_min",
    "images": "count digest",
    "operations": "difference first_layer_macs first_layer_macs_host formula held images layers mode modes per_image "
    "simulated",
    "operations.per_image": "deviation maximum mean",
    "operations.modes": "area_ratio fused relay",
    "operations.layers.0": "area_ratio difference formula graded kind per_image relay relay_synapses simulated source "
    "synapses target",
    "validation": "events formula oracles simulated",
    "validation.events": "counted difference formula images",
    "spikes.0": "active neurons per_image population rate spikes",
    "profiles.loihi1": "constants description hash",
    "placement.loihi1": "bottleneck chips cores hops lower_bounds max_core_memory_bytes messages messages_off_chip "
    "per_core refused_strategies strategy",
    "placement.loihi1.lower_bounds": "memory neurons",
    "placement.loihi1.per_core.0": "available channels columns fullest memory_share operations operations_max "
    "population rows synapses used utilisation",
    "energy.loihi1": "assumed eq12 first_layer_chip first_layer_host included neuron_updates neuron_updates_all_active "
    "scaled spike_traffic static static_alone sum_of_known synaptic_operations unknown",
    "latency.loihi1": "assumed interval interval_steps kind latency latency_steps not_minimum refused scaled shares "
    "unknown",
}
"""Schema 3: a change of these is a change of the schema."""


@pytest.mark.parametrize("path", KEYS)
def test_json_has_the_keys_of_schema_3(path):
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
    assert REPORT.operations.formula == REPORT.operations.simulated == expected > 0
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
    assert relative.accumulates == (own.formula / 7, other.formula / 7)
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


def test_event_check_sees_errors_that_cancel():
    """One projection counts one too many and another one too few: equal totals, and a difference of two."""
    counter = Counter(NETWORK)
    (batch,) = batches(NETWORK, STIMULUS.first(1))
    assert check_events(counter, batch).difference == 0
    for fan_outs, sign in zip(counter.fan_outs[:2], (1, -1), strict=True):
        spikes = batch.spikes[fan_outs.projection.source][0].sum(axis=0)
        index = np.unravel_index(np.argmax(spikes), spikes.shape)
        assert spikes[index] > 0
        fan_outs.fused[index] += sign
    assert check_events(counter, batch).difference >= 2


def test_event_check_is_of_the_first_image():
    counter = Counter(NETWORK)
    (batch,) = batches(NETWORK, STIMULUS)
    found = check_events(counter, batch)
    assert found.counted == found.formula == count(NETWORK, STIMULUS.first(1)).formula


def dropping(steps, projection):
    """Return the fast executor with one synapse that is counted once too seldom."""

    def run(*arguments, **options):
        for step in steps(*arguments, **options):
            if step.count is None:
                yield step
            else:
                operations = [int(n) - (number == projection) for number, n in enumerate(step.count.operations)]
                yield replace(step, count=replace(step.count, operations=operations))

    return run


@pytest.mark.parametrize(("projection", "name"), [(0, "input -> conv1"), (1, "conv1 -> readout")])
def test_a_kernel_that_drops_a_synapse_fails_the_report(projection, name, monkeypatch):
    monkeypatch.setattr(fast, "steps", dropping(fast.steps, projection))
    found = report(NETWORK, STIMULUS, ["loihi1"])
    assert not found.passed
    (reason,) = found.reasons
    assert reason.startswith(f"{name}: Eq. 12 counts")


def test_a_network_whose_registers_could_overflow_fails_the_report():
    longer = replace(NETWORK, steps=2000, bounds={})
    assert not is_safe(longer)
    found = report(longer, random_stimulus(longer, 1, 0), ["loihi1"])
    assert found.reasons == ("The registers are not proven: for some input one wraps or saturates.",)
