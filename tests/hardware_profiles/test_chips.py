"""Whether a chip runs a network: every rule, what is not known, and the words for both."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import loihi1
from spikeport.export.errors import FormatError, NetworkError, ProfileError
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import FloatNeuron, Source
from spikeport.export.target_rules import RULES, Examined
from spikeport.export.targets import LAVA
from spikeport.hardware_profiles.chip_formats import FORMATS, known, profiles_of, target, target_of
from spikeport.hardware_profiles.chips import TRIVIAL, chip_verdict, runs_networks
from spikeport.hardware_profiles.profile import PROFILE_DIR, Formats, load_profile, profile_names
from spikeport.hardware_profiles.verdicts import ChipVerdict, Failure
from tests.export.test_target_rules import BOUNDARIES, neuron
from tests.hardware_profiles.test_float_costs import PLAIN, layered
from tests.strategies import integer_networks

LOIHI1, LOIHI2 = load_profile("loihi1"), load_profile("loihi2")


def rules(verdict):
    """Return the rules that fail."""
    return [failure.rule for failure in verdict.failures]


def test_formats_of_loihi_1_are_those_of_its_emulators():
    """Read in nengo-loihi 1.1.0 (Q_BITS, U_BITS, VTH_MAN_MAX, BIAS_MAN_MAX, validate_*) and brian2_loihi 0.5.2."""
    found = target_of(LOIHI1)
    assert found.accumulator == (-(2**21), 2**21 - 1)
    assert found.current == (1 - 2**23, 2**23 - 1)
    assert found.current_with_bias == (-(2**23), 2**23 - 1)
    assert found.potential == (1 - 2**23, 2**23 - 1)
    assert found.threshold == (1, 2**17 - 1)
    assert (found.bias_mantissa, found.bias_exponent) == ((-4095, 4095), (0, 7))
    assert (found.decay_current, found.decay_potential) == ((1, 4096), (0, 4095))
    assert (found.weight_bits, found.exponent, found.delay) == (8, (0, 8), 62)
    assert found.sign_modes == LAVA.sign_modes
    assert found.unknown == ()
    assert target_of(load_profile("loihi1_silicon_fit")) == replace(found, name="loihi1_silicon_fit")


def test_lava_is_the_widest_of_both_loihis():
    for profile in (LOIHI1, LOIHI2):
        held = known(profile)
        for name in FORMATS:
            field = "exponent" if name == "weight_exponent" else name
            chip, lava = getattr(held, field), getattr(LAVA, field)
            if isinstance(lava, tuple) and isinstance(lava[0], int):
                assert lava[0] <= chip[0] <= chip[1] <= lava[1]
    assert known(LOIHI2).unknown == ("accumulator of loihi2", "weight exponent of loihi2", "delay of loihi2")
    assert known(LOIHI2).bias_mantissa == LAVA.bias_mantissa
    assert known(LOIHI2).threshold == LAVA.threshold


def test_formats_are_the_rules_and_the_keys_of_profiles():
    assert tuple(rule.__name__ for rule in RULES) == (
        *("accumulator", "current", "current_with_bias", "potential", "threshold", "bias_mantissa", "bias_exponent"),
        *("decay_current", "decay_potential", "weight_exponent", "sign_modes", "delay"),
    )
    assert tuple(rule.__name__ for rule in RULES) == FORMATS
    assert {field.name for field in msgspec.structs.fields(Formats)} == {*FORMATS, "refractory"}


@pytest.mark.parametrize("rule", BOUNDARIES)
def test_each_format_has_a_network_that_runs_and_one_that_does_not(rule):
    fits, fails = BOUNDARIES[rule]
    if rule != "current":
        assert chip_verdict(fits, LOIHI1).runs is True
    verdict = chip_verdict(fails, LOIHI1)
    assert verdict.runs is False
    assert rule in rules(verdict)
    failure = next(each for each in verdict.failures if each.rule == rule)
    assert (failure.evidence, failure.source) == (
        getattr(LOIHI1.formats, rule).evidence,
        getattr(LOIHI1.formats, rule).source,
    )
    assert "too much. " in failure.sentence
    assert failure.sentence.endswith(f"{failure.requirement}; {failure.way_out}")


def test_the_example_of_three_hundred_weights():
    verdict = chip_verdict(neuron(*[127] * 300, steps=4), LOIHI1, asked=True)
    assert verdict.lines == (
        "does not run on loihi1:",
        (
            "population n (accumulator): a step can add up 0..2,438,400, held are -2,097,152..2,097,151: 341,249 too "
            "much. Excitation and inhibition of a step each fit the accumulator; quantize for the chip (--for) or "
            "prune synapses."
        ),
    )
    (reason,) = verdict.reasons
    assert reason.startswith("does not run on loihi1: population n (accumulator): ")
    assert not list(replace(verdict, asked=False).reasons)


def test_what_nobody_has_published_is_not_known_and_never_runs():
    network = neuron(127, exponent=3, steps=4)
    verdict = chip_verdict(network, LOIHI2)
    assert (verdict.runs, verdict.unknown) == (None, ("accumulator", "weight exponent"))
    assert verdict.lines == (
        (
            "not known whether it runs on loihi2: no known rule fails; not known: accumulator, weight exponent "
            "(no source says what the chip holds)"
        ),
    )
    assert replace(verdict, asked=True).lines[0].startswith("warning: not known whether")
    assert not list(replace(verdict, asked=True).reasons)
    assert chip_verdict(neuron(1, steps=4), LOIHI2).unknown == ("accumulator",)
    assert chip_verdict(BOUNDARIES["delay"][0], LOIHI2).unknown == ("accumulator", "delay")
    for name in ("speck", "spinnaker2", "truenorth"):
        assert chip_verdict(network, load_profile(name)).runs is None


def test_a_format_that_is_not_known_cannot_be_broken():
    """Beyond Lava's registers: whether SpiNNaker2's are wider, nobody has published."""
    verdict = chip_verdict(neuron(*[127] * 3, exponent=15, threshold=None, steps=9), load_profile("spinnaker2"))
    assert verdict.failures == ()
    assert {"current", "potential", "accumulator", "weight exponent"} <= set(verdict.unknown)


def test_a_network_that_asks_nothing_of_a_format_needs_no_source_for_it():
    silent = neuron(0, threshold=None, bias_mantissa=0)
    assert chip_verdict(silent, LOIHI2).runs is True
    assert [rule.__name__ for rule in RULES if list(rule(Examined(silent), TRIVIAL))] == ["sign_modes"]


def test_graded_input_fails_on_chips_whose_spikes_are_bits():
    graded = neuron(1, levels=2)
    verdict = chip_verdict(graded, LOIHI1)
    assert rules(verdict) == ["graded_input", "multiply_accumulate"]
    assert [failure.where for failure in verdict.failures] == [("population input",), ("projection input_to_n",)]
    assert "its input has 2 levels; the chip holds 1, 1 fewer. A spike carries no number" in verdict.lines[1]
    assert "--input-as bias" in verdict.lines[1]
    assert rules(chip_verdict(neuron(1, levels=1), LOIHI1)) == []
    assert rules(chip_verdict(graded, LOIHI2)) == []
    assert rules(chip_verdict(graded, load_profile("truenorth"))) == ["graded_input", "multiply_accumulate"]
    assert rules(chip_verdict(graded, load_profile("speck"))) == []


def test_subtractive_resets_count_the_compartments_that_they_would_take():
    network = small_network()
    chosen = tuple(
        replace(p, neuron=replace(p.neuron, reset_by=np.array(3))) if p.name == "conv1" else p
        for p in network.populations
    )
    (failure,) = [
        each
        for each in chip_verdict(replace(network, populations=chosen), LOIHI1).failures
        if each.rule == "subtractive_reset"
    ]
    neurons = int(np.prod(network.population("conv1").shape))
    assert f"{neurons} neurons, so {neurons} compartments more" in failure.sentence


def test_thresholds_that_fire_where_they_are_met_fail_on_loihi_1():
    assert rules(chip_verdict(neuron(1, inclusive=True), LOIHI1)) == ["inclusive"]
    assert rules(chip_verdict(neuron(1, inclusive=False), LOIHI1)) == []


@pytest.mark.parametrize(
    ("floor", "fails"), [(None, False), (0, False), (-1, True), (-131072, False), (np.array([0]), False)]
)
def test_floors_of_zero_and_of_the_registers_end_run_on_loihi_1(floor, fails):
    assert (rules(chip_verdict(neuron(1, floor=floor), LOIHI1)) == ["floor"]) is fails


@pytest.mark.parametrize(("steps", "fails"), [(0, False), (62, False), (63, True)])
def test_rests_up_to_the_longest_of_the_chip(steps, fails):
    network = layered(replace(PLAIN, refractory=steps))
    found = chip_verdict(network, LOIHI1)
    assert (rules(found) == ["rest"]) is fails
    if fails:
        assert "it rests 63 steps, held are 62: 1 too many" in found.lines[1]


def test_a_network_that_does_not_fit_the_cores_does_not_run():
    verdict = chip_verdict(neuron(1), LOIHI1, refused="population n: too many axons")
    assert verdict.lines == ("does not run on loihi1:", "population n: too many axons")


def test_weights_wider_than_the_chip_stores():
    weight = msgspec.structs.replace(LOIHI1.encoding.weight, value=4)
    narrow = msgspec.structs.replace(LOIHI1, encoding=msgspec.structs.replace(LOIHI1.encoding, weight=weight))
    assert rules(chip_verdict(neuron(7, -8), narrow)) == []
    wide = chip_verdict(neuron(9, 1), narrow)
    assert rules(wide) == ["weights", "weight_exponent"]
    assert "projection input_to_n (weights): weights of 5 bit: the chip stores up to 4, 1 fewer" in wide.lines[1]


def test_prices_of_operations_run_nothing():
    prices = [name for name in profile_names() if not runs_networks(load_profile(name))]
    assert prices == ["cmos45_fp32", "cmos45_int8"]
    with pytest.raises(ProfileError, match="cmos45_fp32 prices operations only: nothing runs on it"):
        chip_verdict(neuron(1), load_profile("cmos45_fp32"))


def test_targets_are_taken_by_name_path_or_profile_and_joined():
    assert target("loihi1") == target(LOIHI1) == target(PROFILE_DIR / "loihi1.toml") == target(["loihi1"])
    assert target(()) is LAVA
    assert target(["loihi1", LOIHI2]).name == "loihi1 and loihi2"
    assert target(["loihi1", "loihi2"]).unknown == known(LOIHI2).unknown
    assert [profile.name for profile in profiles_of("speck")] == ["speck"]
    with pytest.raises(ProfileError, match="speck publishes no formats of its registers and synapses"):
        target("speck")


def test_formats_that_lavas_arithmetic_does_not_meet_are_refused():
    span = msgspec.structs.replace(LOIHI1.formats.weight_exponent, value=(-7, -3))
    odd = msgspec.structs.replace(LOIHI1, formats=msgspec.structs.replace(LOIHI1.formats, weight_exponent=span))
    with pytest.raises(ProfileError, match=r"\[formats.weight_exponent\] shares no value with Lava's arithmetic"):
        target_of(odd)


NEARLY = st.one_of(integer_networks(), integer_networks(leaky=False, resets=("zero",), least=1))
"""Networks of every kind, and such as run on Loihi 1 more often than not."""


@given(data=st.data(), network=NEARLY)
def test_what_runs_on_loihi_1_is_what_can_be_written_in_its_registers(data, network):
    """Against the writer of Loihi 1's registers, which has checks of its own; floors and graded input aside."""
    exponent, steps = data.draw(st.sampled_from([0, 1, 7, 8, 9, 12])), data.draw(st.sampled_from([1, 4, 70]))
    projections = tuple(
        replace(p, exponent=exponent, delay=p.delay * data.draw(st.sampled_from([1, 21, 63])))
        for p in network.projections
    )
    populations = tuple(
        replace(p, neuron=replace(p.neuron, levels=1)) if p.name == network.source.name else p
        for p in network.populations
    )
    changed = replace(network, populations=populations, projections=projections, steps=steps, bounds={})
    assert (chip_verdict(changed, LOIHI1).runs is True) == writable(changed)


def writable(network):
    """Return whether the registers of Loihi 1 hold a network."""
    short = network.with_short_delays()
    try:
        loihi1.check(short)
        for projection in short.on_chip:
            loihi1.weights(projection)
        for population in short.neurons:
            loihi1.neurons(population)
    except (FormatError, NetworkError):
        return False
    return True


def test_a_verdict_is_plain_data_with_every_number():
    document = chip_verdict(neuron(*[127] * 300), LOIHI1, asked=True).to_dict()
    assert (document["chip"], document["runs"], document["asked"], document["unknown"]) == ("loihi1", False, True, [])
    (failure,) = document["failures"]
    assert failure["rule"] == "accumulator"
    assert failure["where"] == ["population n"]
    assert (failure["found"], failure["holds"]) == ([0, 2_438_400], [-2_097_152, 2_097_151])
    assert failure["way_out"].startswith("quantize for the chip")
    assert failure["sentence"] == document["lines"][1]


def test_names_of_one_kind_are_said_once():
    failure = {"rule": "a_rule", "amount": "", "requirement": "It is so", "way_out": "leave it."}
    several = Failure(where=("population a", "population b"), **failure)
    assert several.sentence == "populations a, b (a rule): It is so; leave it."
    mixed = Failure(where=("population a", "projection b"), **failure)
    assert mixed.sentence.startswith("population a, projection b (a rule): ")
    assert ChipVerdict(chip="c", failures=(several, mixed), asked=True).runs is False
    assert "(and 1 more)" in next(ChipVerdict(chip="c", failures=(several, mixed), asked=True).reasons)


def test_every_docstring_names_a_way_out():
    network = layered(
        FloatNeuron(threshold=np.array(2.0), most=3, reset_by=np.array(1.0), floor=np.array(-1.0), refractory=90),
        levels=4,
    )
    found = chip_verdict(network, LOIHI1)
    assert len(found.failures) == 6
    assert all(each.way_out for each in found.failures)
    assert isinstance(network.source.neuron, Source)
