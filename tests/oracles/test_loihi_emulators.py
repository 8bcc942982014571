"""Two emulators of Loihi 1 that we did not write, run on the registers that `export --to loihi1` writes.

`tests/oracles/hardware/emulators/record_*.py` ran them in environments of their own; CONTRIBUTING.md says how. Every
current, potential and spike of every neuron and step is compared as an integer.
"""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

from spikeport.export import bounds, loihi1
from spikeport.export.errors import FormatError
from spikeport.export.executors import reference
from spikeport.export.fixed_point import decayed
from spikeport.export.formats import loihi1 as registers
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import record
from tests.oracles.hardware.emulators import rules
from tests.oracles.hardware.emulators.chip import digest
from tests.oracles.hardware.emulators.compare import (
    EMULATORS,
    EXPLAINED,
    compare,
    compared,
    expected,
    recorded,
    states,
)
from tests.oracles.hardware.emulators.write_cases import write

pytestmark = pytest.mark.oracle
LEAVING = {"rule-accumulator", "rule-current", "rule-input", "saturation"}
"""Cases that leave a register on purpose."""


@cache
def cases():
    """Return every case with the reference's states by its name."""
    return {case.name: (case, ours) for case, ours in expected()}


def recorded_cases(emulator, *, kernels=False):
    names = {name.removesuffix("/case") for name in recorded(emulator) if name.endswith("/case")}
    return {name for name in names if name.endswith("+kernels") == kernels}


@pytest.mark.parametrize("emulator", EMULATORS)
def test_every_state_is_the_emulators(emulator):
    runs = list(compared(emulator))
    assert [each for run in runs for each in run.differences] == []
    assert sum(run.states for run in runs if not run.case.endswith("+kernels")) >= 1_000_000


def test_nengo_loihis_shared_kernels_give_the_same_states():
    kernels = [run for run in compared("nengo-loihi") if run.case.endswith("+kernels")]
    assert len(kernels) >= 20
    assert sum(run.states for run in kernels) >= 1_000_000


def test_emulators_ran_todays_registers_of_every_case_that_they_can_say(tmp_path):
    """Whoever changes what is written records again."""
    today = {name: digest(write(case, tmp_path)) for name, (case, _) in cases().items()}
    for emulator in EMULATORS:
        found = recorded(emulator)
        assert {n: str(found[f"{n}/case"]) for n in recorded_cases(emulator)}.items() <= today.items()
    assert recorded_cases("nengo-loihi") == cases().keys() - {"delays"}
    without_bias = {
        n for n, (case, _) in cases().items() if not any(p.neuron.bias_mantissa.any() for p in case.network.neurons)
    }
    images = {name for name, (case, _) in cases().items() if case.image is not None}
    assert recorded_cases("brian2_loihi") >= without_bias | images
    assert len(recorded_cases("brian2_loihi") - without_bias) >= 8


def test_reference_executor_fires_as_its_states_say():
    for case, ours in cases().values():
        held = case.image is not None
        values = (case.image if held else case.spikes.astype(np.uint8))[None]
        stimulus = Stimulus(values=values, steps=case.network.steps, held=held)
        trace, first = record(reference.steps(case.network, stimulus)), 0
        for population in case.network.neurons:
            rows = ours[2 if population.name in trace and population.neuron.threshold is not None else 1]
            last = first + int(np.prod(population.shape))
            assert np.array_equal(trace[population.name].reshape(len(case.spikes), -1), rows[:, first:last])
            first = last


def test_cases_meet_every_format():
    projections = [loihi1.weights(p) for case, _ in cases().values() for p in case.network.projections]
    assert {each.sign_mode for each in projections} == {"mixed", "excitatory", "inhibitory"}
    assert {each.exponent for each in projections} >= {-7, -6, -1, 0, 1, 7}
    assert {each.bits for each in projections} >= {1, 2, 3, 8}
    assert min(each.mantissa.min() for each in projections) == -256
    neurons = [p.neuron for case, _ in cases().values() for p in case.network.neurons]
    assert {int(each) for neuron in neurons for each in np.unique(neuron.decay_u)} >= {1, 2, 2048, 4095, 4096}
    assert {int(each) for neuron in neurons for each in np.unique(neuron.decay_v)} >= {0, 1, 2048, 4094, 4095}
    assert {neuron.bias_exponent for neuron in neurons if neuron.bias_mantissa.any()} == set(range(8))


def test_neurons_fire_and_no_register_is_left_but_on_purpose():
    for name, (case, _) in cases().items():
        try:
            loihi1.check(case.network)
            left = False
        except FormatError:
            left = True
        assert left == (name in LEAVING), name
    rates = [ours[2].mean() for name, (_, ours) in cases().items() if name.startswith(("large", "weights"))]
    assert min(rates) > 0.003
    assert max(rates) < 0.7
    assert np.mean([ours[2].any() for _, ours in cases().values()]) > 0.9


RULED = [(emulator, name, rule) for emulator, found in EXPLAINED.items() for name, rule in found.items()]


@pytest.mark.parametrize(("emulator", "name", "rule"), RULED)
def test_difference_is_one_named_rule(emulator, name, rule):
    """The reference alone differs; with this rule, and no other, every state is the emulator's."""
    case, ours = cases()[name]
    found = recorded(emulator)
    assert compare(name, case, ours, found).differences
    assert compare(name, case, ruled(case, {rule}), found).differences == ()
    for other in rules.RULES.keys() - {rule}:
        assert compare(name, case, ruled(case, {other}), found).differences, other
    assert rules.RULES[rule].startswith(emulator)


def ruled(case, under):
    arriving = rules.arriving if "weight" in under else reference.arriving
    return states(case, partial(rules.advance, rules=under), arriving)


def test_rules_are_silent_where_no_register_is_left():
    for name in ("random-03", "ends-decay", "weights-mixed-127-3"):
        case, ours = cases()[name]
        assert np.array_equal(ruled(case, rules.RULES.keys() - {"weight"}), ours)


def test_sum_that_is_right_in_lavas_arithmetic_wraps_in_loihi_1s_accumulator(tmp_path):
    """300 inputs of weight 127: 2,438,400 potential units take 22 bits and a sign."""
    case, ours = cases()["rule-accumulator"]
    weights = loihi1.weights(case.network.projections[0])
    assert (weights.mantissa[0, 0], weights.exponent, weights.sign_mode) == (254, -1, "excitatory")
    assert bounds.is_safe(case.network)
    theirs = recorded("nengo-loihi")["rule-accumulator/states"]
    brian = recorded("brian2_loihi")["rule-accumulator/states"]
    assert (ours[0, 0, 0], brian[0, 0, 0], theirs[0, 0, 0]) == (2_438_400, 2_438_400, -1_755_904)
    assert (ours[2, 0].tolist(), theirs[2, 0].tolist()) == ([1, 0, 0, 0, 0, 0, 0], [0] * 7)
    with pytest.raises(
        FormatError, match=r"layer: what arrives in one step can reach -38,100\.\.38,100; Loihi 1 adds it"
    ):
        registers.write(case.network, tmp_path / "no.npz")
    assert list(tmp_path.iterdir()) == []


def test_accumulator_wraps_once_a_step_over_all_projections_and_does_not_saturate():
    """300 times 127 and 300 times -127 give nothing, whichever came first; -2,438,400 becomes 1,755,904."""
    theirs = recorded("nengo-loihi")["rule-accumulator/states"]
    assert theirs[0, 0, 6] == 0
    assert theirs[0, 0, 4] == 1_755_904
    assert np.array_equal(theirs[:, :, 6], cases()["rule-accumulator"][1][:, :, 6])


def inclusive(state, activation, neuron):
    return reference.advance(state, activation, replace(neuron, inclusive=True))


def later_input(state, activation, neuron):
    arriving = neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent
    before = state.u + arriving
    spikes = reference.advance(state, activation, neuron)
    state.v = np.where(spikes, 0, decayed(state.v - before, neuron.decay_v) + before)
    return spikes


def floored(state, activation, neuron):
    down = (state.u < 0) & (state.u * (4096 - neuron.decay_u) % 4096 != 0)
    spikes = reference.advance(state, activation, neuron)
    state.u = state.u - down
    return spikes


def register_as_decay(state, activation, neuron):
    return reference.advance(state, activation, replace(neuron, decay_u=np.maximum(neuron.decay_u - 1, 0)))


def paused(state, activation, neuron):
    """A refractory period of two steps instead of one."""
    rest = getattr(state, "fired", False)
    spikes = reference.advance(state, activation, neuron) & ~np.asarray(rest)
    state.v, state.fired = np.where(rest, 0, state.v), spikes
    return spikes


@pytest.mark.parametrize("emulator", EMULATORS)
@pytest.mark.parametrize("other", [inclusive, later_input, floored, register_as_decay, paused])
def test_another_arithmetic_would_be_seen(emulator, other):
    found, seen = recorded(emulator), 0
    for name in ("ends-threshold", "ends-decay", "weights-mixed-40-1", "random-05"):
        if name in recorded_cases(emulator):
            case, _ = cases()[name]
            seen += len(compare(name, case, states(case, other), found).differences)
    assert seen


def test_difference_says_which_neuron_and_step():
    found = recorded("nengo-loihi")
    case, ours = cases()["ends-threshold"]
    wrong = ours.copy()
    wrong[1, 3, 4] += 1
    (one,) = compare(case.name, case, wrong, found).differences
    assert one.what.startswith("layer (4,), step 3: ours {'u': ")
    case, ours = cases()["large-if-plain"]
    wrong = ours.copy()
    wrong[2, 7, 700] ^= 1
    (one,) = compare(case.name, case, wrong, found).differences
    assert one.what.startswith("layer0 (4, 10, 4), step 7: ")
