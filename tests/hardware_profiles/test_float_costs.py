"""Costs of float networks: counts and cores of the integer network with the same spikes, and the rules of neurons."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from spikeport.export import bounds
from spikeport.export.crossings import costed
from spikeport.export.errors import ExecutorError, NetworkError, PlacementError
from spikeport.export.executors import floating
from spikeport.export.network import (
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    MaxPooling,
    Source,
)
from spikeport.export.stimulus import Stimulus, stimulus
from spikeport.export.trace import record
from spikeport.hardware_profiles.chips import UNQUANTIZED, chip_verdict, runs_networks
from spikeport.hardware_profiles.counting import count
from spikeport.hardware_profiles.encoding import weight_bits
from spikeport.hardware_profiles.load import core_load
from spikeport.hardware_profiles.neuron_rules import INPUT_RULES, RULES, neuron_failures
from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.profile import Neurons, load_profile, profile_names
from spikeport.hardware_profiles.report.build import report
from spikeport.hardware_profiles.report.html import render as page
from spikeport.hardware_profiles.report.result import Report
from spikeport.hardware_profiles.what_if import Variations, what_if
from tests.hardware_profiles.float_networks import as_float
from tests.strategies import float_networks, inputs, integer_networks

SLOW = settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None)


def layered(neuron, *, weight=1.0, steps=4, levels=1):
    """Return two inputs into one population called ``n``, into a readout that never fires."""
    populations = (
        FloatPopulation(name="input", shape=(2,), neuron=Source(levels=levels, unit=1.0)),
        FloatPopulation(name="n", shape=(3,), neuron=neuron),
        FloatPopulation(name="readout", shape=(2,), neuron=FloatNeuron(threshold=None)),
    )
    first = Dense(weight=np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]) * weight)
    projections = (
        FloatProjection(source="input", target="n", stages=(first,)),
        FloatProjection(source="n", target="readout", stages=(Dense(weight=np.ones((2, 3))),)),
    )
    return FloatNetwork(populations=populations, projections=projections, steps=steps)


def held(network, *rows):
    """Return samples held over the steps."""
    return Stimulus(values=np.array(rows), steps=network.steps, held=True)


PLAIN = FloatNeuron(threshold=np.array(2.0))
SEVERAL = FloatNeuron(threshold=np.array(1.0), reset_by=np.array(1.0), most=None)


def counted(counts):
    """Return the layers that have synapses.

    The folded form of a kernel may have another area (mode area_ratio), and lack projections of zeros beside it.
    """
    layers = [replace(layer, per_image=None, area_ratio=0.0, part="") for layer in counts.layers]
    return [layer for layer in layers if layer.formula or layer.synapses]


@SLOW
@given(data=st.data(), network=integer_networks(leaky=False))
def test_counts_are_those_of_the_integer_network_with_the_same_spikes(data, network):
    assume(bounds.is_safe(network))
    driven = stimulus(data.draw(inputs(network)), network)
    ours = count(as_float(network), driven)
    theirs = count(network, driven)
    assert counted(ours) == counted(theirs)
    assert {each.population: each for each in ours.spikes} == {each.population: each for each in theirs.spikes}
    assert ours.per_image == theirs.per_image


def widened(projection):
    """Return a projection whose weights that are not zero take 8 bits, different ones still."""
    weight = projection.synapses.weight.astype(np.int64)
    wide = (np.sign(weight) * (100 + np.abs(weight))).astype(np.int8)
    return replace(projection, synapses=replace(projection.synapses, weight=wide))


@SLOW
@given(network=integer_networks(leaky=False, delays=False))
def test_cores_are_those_of_integers_of_the_stated_width(network):
    """Weights of 8 bits, so that one number states them all; relays aside."""
    network = replace(network, projections=tuple(map(widened, network.projections)), bounds={})
    real = as_float(network)
    assume({weight_bits(projection.synapses.weight) for projection in network.projections} == {8})
    assume(len(costed(real).synapses.projections) == len(network.projections))
    profile = load_profile("loihi1")
    try:
        expected = place(network, profile)
    except PlacementError:
        return
    found = place(real, profile, weight_bits=8)
    assert (found.strategy, found.cores, found.refused) == (expected.strategy, expected.cores, expected.refused)
    assert found.lower_bounds == expected.lower_bounds


@SLOW
@given(data=st.data(), network=float_networks())
def test_both_ways_of_counting_agree_on_trained_networks(data, network):
    driven = stimulus(data.draw(inputs(network)), network)
    counts = count(network, driven, verify=len(driven))
    assert counts.verification.passed
    assert [layer.reference for layer in counts.verification.layers] == [layer.formula for layer in counts.layers]


def test_spikes_are_those_of_the_network_as_it_is():
    network = layered(PLAIN, weight=1.1)
    driven = held(network, (1, 1), (0, 1))
    spikes = record(floating.steps(network, driven))["n"]
    assert count(network, driven).spikes[0].spikes == spikes.sum()


def test_several_spikes_in_a_step_are_as_many_operations():
    network = layered(SEVERAL, weight=2.5, steps=2)
    counts = count(network, held(network, (1, 1)))
    # 5.0 and 2.5 arrive a step: 5 + 2 + 2 spikes, then 5 + 3 + 3
    assert counts.spikes[0].spikes == 20
    assert counts.spikes[0].active == 6
    assert counts.spikes[0].rate == 20 / 6
    assert [(layer.kind, layer.formula) for layer in counts.layers] == [("AC", 8), ("AC", 40)]
    assert [layer.reference for layer in counts.verification.layers] == [8, 40]


def test_more_spikes_than_a_byte_holds_are_counted():
    network = layered(SEVERAL, weight=1000.0, steps=1)
    assert count(network, held(network, (1, 0))).spikes[0].spikes == 2000


def test_spikes_that_cannot_be_added_up_are_refused():
    network = layered(SEVERAL, weight=1e12, steps=1)
    with pytest.raises(ExecutorError, match=r"n fires 1e\+12 times in a step; expected at most 2,147,483,648"):
        count(network, held(network, (1, 0)))


@pytest.mark.parametrize(
    ("frame", "levels", "kind", "operations"),
    [
        ((1, 0), 1, "AC", 2),
        ((1.0, 0.0), 1, "AC", 2),
        ((0.5, 0.0), 1, "MAC", 2),
        ((2.0, 1.0), 1, "MAC", 4),
        ((3, 0), 255, "MAC", 2),
    ],
)
def test_real_frames_and_levels_are_graded_and_ones_are_spikes(frame, levels, kind, operations):
    network = layered(PLAIN, steps=1, levels=levels)
    counts = count(network, held(network, frame))
    first, event = counts.layers[0], counts.verification.layers[0]
    assert (first.kind, first.formula, event.reference) == (kind, operations, operations)


def test_max_pooling_is_counted_as_the_population_that_hardware_needs():
    stage = MaxPooling(size=(2, 2), stride=(2, 2))
    populations = (
        FloatPopulation(name="input", shape=(1, 4, 4), neuron=Source(levels=1, unit=1.0)),
        FloatPopulation(name="n", shape=(1, 4, 4), neuron=FloatNeuron(threshold=np.array(0.5))),
        FloatPopulation(name="out", shape=(2,), neuron=PLAIN),
    )
    projections = (
        FloatProjection(source="input", target="n", stages=(Convolution(weight=np.ones((1, 1, 1, 1))),)),
        FloatProjection(source="n", target="out", stages=(stage, Dense(weight=np.ones((2, 4))))),
    )
    network = FloatNetwork(populations=populations, projections=projections, steps=1)
    counts = count(network, stimulus(np.ones((1, 1, 4, 4), np.uint8), network))
    assert {layer.source: layer.reference for layer in counts.verification.layers} == {
        "input": 16,
        "n": 16,
        "n_pool": 8,
    }


def test_load_of_cores_adds_up_to_the_operations():
    network = layered(SEVERAL, weight=2.5)
    driven = held(network, (1, 1), (0, 1))
    load = core_load(network, driven, place(network, load_profile("loihi1")))
    counts = count(network, driven)
    assert load.operations.sum() * 2 == counts.formula
    assert load.messages == counts.spikes[0].spikes / 2


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_memory_follows_the_stated_width(bits):
    network = layered(PLAIN)
    placed = place(network, load_profile("spinnaker2"), weight_bits=bits)
    assert placed.weight_bits == placed.to_dict()["weight_bits"] == bits
    assert f"weights of {bits} bit" in placed.text()
    entry, header, word = bits + 16, 96, 32
    expected = [-(-(header + count * entry) // word) * word // 8 for count in (2, 2, 2, 2, 2)]
    assert [core.use.synaptic_memory for core in placed.cores] == [sum(expected)]


def test_a_width_of_integers_is_refused_and_one_of_no_chip_too(small_integers):
    with pytest.raises(NetworkError, match="weight bits are 8; the weights of an integer network have bits"):
        place(small_integers, load_profile("loihi1"), weight_bits=8)
    with pytest.raises(NetworkError, match="weight bits is 1; expected one whole number from 2 to 32"):
        place(layered(PLAIN), load_profile("loihi1"), weight_bits=1)


@pytest.fixture
def small_integers():
    """Return a small integer network."""
    from spikeport.export.lava.doctor import small_network  # noqa: PLC0415

    return small_network()


NEURONS = {
    "several_spikes": {"most": 3},
    "subtractive_reset": {"reset_by": np.array(2.0)},
    "reset_value": {"reset_to": np.array(-1.0)},
    "overhang": {"overhang": True},
    "floor": {"floor": np.array(-1.0)},
    "refractory": {"refractory": 2},
    "synaptic_current": {"decay_current": np.array(0.5)},
    "leak": {"decay_potential": np.array(0.5)},
}


@pytest.mark.parametrize("name", NEURONS)
def test_each_rule_names_the_population_that_needs_what_the_chip_lacks(name):
    profile = load_profile("loihi1")
    lack = msgspec.convert({"evidence": "assumed", "source": "a test"}, msgspec.structs.fields(Neurons)[0].type)
    strict = msgspec.structs.replace(profile, neurons=Neurons(**dict.fromkeys(NEURONS, lack)))
    (failure,) = neuron_failures(layered(replace(PLAIN, **NEURONS[name])), strict)
    assert failure.sentence.startswith(f"population n ({name.replace('_', ' ')}): 3 neurons")
    assert (failure.rule, failure.where, failure.evidence, failure.source) == (
        name,
        ("population n",),
        "assumed",
        "a test",
    )
    assert f"{failure.requirement}; {failure.way_out}" in failure.sentence
    assert failure.way_out
    free = msgspec.structs.replace(profile, neurons=Neurons(**{**dict.fromkeys(NEURONS, lack), name: None}))
    assert not list(neuron_failures(layered(replace(PLAIN, **NEURONS[name])), free))
    assert not list(neuron_failures(layered(PLAIN), strict))


def test_rules_are_the_keys_that_profiles_take():
    keys = [field.name for field in msgspec.structs.fields(Neurons)]
    assert keys == [rule.__name__ for rule in (*RULES, *INPUT_RULES)]
    assert list(NEURONS) == [rule.__name__ for rule in RULES if rule.__name__ != "inclusive"]


def test_chips_whose_neurons_are_programs_run_them_all():
    network = layered(replace(PLAIN, **{key: value for each in NEURONS.values() for key, value in each.items()}))
    broken = {name: len(list(neuron_failures(network, load_profile(name)))) for name in profile_names()}
    assert {name: number for name, number in broken.items() if number} == {
        "loihi1": 4,
        "loihi1_silicon_fit": 4,
        "speck": 4,
        "truenorth": 5,
    }
    chips = [profile for profile in map(load_profile, profile_names()) if runs_networks(profile)]
    found = {profile.name: chip_verdict(layered(PLAIN), profile) for profile in chips}
    assert {verdict.unknown for verdict in found.values()} == {(UNQUANTIZED,)}
    assert {name: verdict.runs for name, verdict in found.items()} == dict.fromkeys(found)


def test_report_says_how_a_float_network_was_placed_and_on_what_it_does_not_run():
    network = layered(SEVERAL, weight=2.5)
    found = report(network, held(network, (1, 1)), ("loihi1", "loihi2"), weight_bits=16)
    assert found.passed
    assert found.network.kind == "float"
    assert found.network.proven is None
    assert set(found.placement) == {"loihi1", "loihi2"}
    text = found.text()
    assert "every weight that is not zero placed with 16 bit" in text
    assert "does not run on loihi1:\npopulation n (several spikes): 3 neurons. A neuron fires at most once" in text
    assert (
        "does not run on loihi2:\nall projections (weights): weights of 16 bit: the chip stores up to 8, 8 fewer"
        in text
    )
    assert Report.from_dict(found.to_dict()) == found
    html = page(found)
    assert "Does not run on loihi1:" in html
    assert "placed with 16 bit" in html
    assert "Proof of the registers" not in html


def test_energy_of_updates_takes_a_neuron_of_several_spikes_as_active_once():
    network = layered(SEVERAL, weight=100.0, steps=4)
    found = report(network, held(network, (1, 1)), ("loihi1",)).energy["loihi1"]
    constants = load_profile("loihi1").energy
    active, idle = 3 * 4, 2 * 4
    expected = active * constants.neuron_update_active.value + idle * constants.neuron_update_inactive.value
    assert found.neuron_updates == pytest.approx(expected, rel=1e-12)


def test_what_if_varies_float_networks():
    network = layered(PLAIN)
    rows = what_if(network, held(network, (1, 1)), Variations(profiles=("loihi1",), steps=(8,), sparsities=(0.5,)))
    assert [row.variation for row in rows] == ["as it is", "T = 8", "50.0 % zeros"]
    assert rows[1].spikes == 2 * rows[0].spikes
    assert rows[2].accumulates["fused"] < rows[0].accumulates["fused"]
