"""Profiles as text: every constant with its source, every rule of a core."""

import re

import spikeport
from spikeport.toolchain.verbs.profiles import profile_list, show_profile


def test_every_profile_is_listed_with_its_description():
    names = spikeport.profile_names()
    assert {"loihi1", "loihi2", "speck", "cmos45_fp32"} <= set(names)
    lines = profile_list().splitlines()
    assert [line.split(": ", 1)[0] for line in lines] == names
    assert all(len(line.split(": ", 1)[1]) > 10 for line in lines)


def test_rules_are_sentences_with_their_limits():
    assert show_profile("loihi1", rules=True).startswith("loihi1: Intel Loihi (2018)")
    assert "\n131,072 B synaptic_memory: The synapse" in show_profile("loihi1", rules=True)
    assert "\n1,024 neurons: A core holds" in show_profile("loihi1", rules=True)
    assert "65,536 kernel_words: A core holds" in show_profile("speck", rules=True)
    assert "geometry: Strides are" in show_profile("speck", rules=True)
    assert "no cores and no rules" in show_profile("cmos45_fp32", rules=True)


def test_every_constant_is_shown_with_its_source():
    for name in spikeport.profile_names():
        assert all(len(line) > 20 for line in show_profile(name).splitlines()[4:])
    shown = show_profile("loihi1")
    assert "published" in shown
    assert "Davies" in shown
    assert re.search(r"latency.accumulate +3.5 ns +published, maximum +Davies", shown)
    assert "published, our reading" in shown
    assert "we read it as: a neuron that fires in the step" in shown
    assert "600 ns from 1, 1 µs from 2, 1.4 µs from 4, 1.8 µs from 29 tiles" in show_profile("loihi1_silicon_fit")
    assert re.search(r"limits.synaptic_memory +131,072 B +published", shown)
    assert re.search(r"limits.neurons +1,024 +published", shown)
    assert re.search(r"energy.neuron_update_active +142.1 pJ +fitted", show_profile("loihi1_silicon_fit"))
    assert "neuron_updates, spike_traffic, static" in show_profile("speck")
