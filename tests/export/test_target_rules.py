"""Each rule of a target with a network that just fits and one that just does not; no order of additions overflows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import bounds
from spikeport.export.executors import reference
from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import stimulus
from spikeport.export.target_rules import RULES, misfits, sentence, weight_span
from spikeport.export.targets import LAVA
from spikeport.hardware_profiles.chip_formats import target
from tests.strategies import inputs, integer_networks

LOIHI1 = target("loihi1")
END = 2**21
"""The accumulator of nengo-loihi's emulator, Q_BITS = 21 and the sign."""


def neuron(*weights, levels=1, exponent=0, steps=1, delay=0, **values):
    """Return one neuron ``n`` that hears an input each over ``weights``."""
    weight = np.array([weights]).astype(np.int8)
    model = IntegerNeuron(**{"threshold": 5, "bias_mantissa": 0, **values})
    projection = {"source": "input", "target": "n", "synapses": Dense(weight=weight)}
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(weight.shape[1],), neuron=Source(levels=levels)),
            IntegerPopulation(name="n", shape=(1,), neuron=model),
        ),
        projections=(IntegerProjection(**projection, exponent=exponent, delay=delay),),
        steps=steps,
    )


def looped(delay):
    """Return a neuron that hears itself after ``delay`` steps, of which the projection takes one."""
    network = neuron(1, steps=200)
    feedback = IntegerProjection(source="n", target="n", synapses=Dense(weight=np.ones((1, 1), np.int8)), delay=delay)
    return replace(network, projections=(*network.projections, feedback))


BOUNDARIES = {
    # 258 x 127 + 1 = 32,767 times 64 is 64 below 2^21; one weight more is 2^21, which wraps
    "accumulator": (neuron(*[127] * 258, 1), neuron(*[127] * 258, 2)),
    # the current doubles its input over the steps: 4 and 5 steps of 2^21 - 64 without decay
    "current": (
        neuron(*[127] * 258, 1, decay_u=1, decay_v=4095, steps=4),
        neuron(*[127] * 258, 1, decay_u=1, decay_v=4095, steps=5),
    ),
    "current_with_bias": (
        neuron(*[127] * 258, 1, decay_u=1, decay_v=4095, steps=4, bias_mantissa=20, bias_exponent=4),
        neuron(*[127] * 258, 1, decay_u=1, decay_v=4095, steps=4, bias_mantissa=4095, bias_exponent=7),
    ),
    # what never fires adds up 2^21 - 64 a step, minus what is there: below 64 x (2^17 - 1) for three steps
    "potential": (
        neuron(*[127] * 258, 1, threshold=None, steps=3),
        neuron(*[127] * 258, 1, threshold=None, steps=5),
    ),
    "threshold": (neuron(1, threshold=1), neuron(1, threshold=0)),
    # -4096 is -2048 with an exponent that is one larger, which there is up to 7
    "bias_mantissa": (
        neuron(1, bias_mantissa=-4096, bias_exponent=6),
        neuron(1, bias_mantissa=-4096, bias_exponent=7),
    ),
    "decay_current": (neuron(1, decay_u=1), neuron(1, decay_u=0)),
    "decay_potential": (neuron(1, decay_v=4095), neuron(1, decay_v=4096)),
    "weight_exponent": (neuron(126, exponent=8), neuron(127, 0, exponent=9)),
    "delay": (looped(63), looped(64)),
}


@pytest.mark.parametrize("rule", BOUNDARIES)
def test_each_rule_holds_to_its_end_and_not_one_beyond(rule):
    fits, fails = BOUNDARIES[rule]
    assert rule not in {each.rule for each in misfits(fits, LOIHI1)}
    (misfit,) = [each for each in misfits(fails, LOIHI1) if each.rule == rule]
    assert misfit.excess > 0
    assert "n" in misfit.where
    assert sentence(misfit, LOIHI1).startswith(f"{misfit.where} ({rule.replace('_', ' ')} of loihi1): ")
    assert f"{misfit.excess:,} too much" in sentence(misfit, LOIHI1)


@pytest.mark.parametrize("rule", [each for each in BOUNDARIES if each != "current"])
def test_what_just_fits_breaks_no_rule_at_all(rule):
    assert misfits(BOUNDARIES[rule][0], LOIHI1) == []


def test_rules_without_a_boundary_on_loihi_1_have_one_on_other_targets():
    narrow = replace(
        LAVA, bias_exponent=(0, 2), sign_modes=("excitatory", "inhibitory"), weight_bits=4, exponent=(0, 2)
    )
    found = {each.rule for each in misfits(neuron(7, -1, bias_exponent=3, bias_mantissa=1), narrow)}
    assert found == {"bias_exponent", "sign_modes"}
    assert misfits(neuron(7, 0, exponent=2, bias_exponent=2, bias_mantissa=1), narrow) == []
    assert misfits(neuron(-8, exponent=2), narrow) == []
    assert [each.rule for each in misfits(neuron(8, 1), narrow)] == ["weight_exponent"]
    assert misfits(neuron(8, 16), narrow) == []
    coarse = replace(narrow, exponent=(1, 2))
    assert [each.why for each in misfits(neuron(1), coarse)] == [
        "its weights are whole multiples of 2^0 only; held are those of 2^1"
    ]
    assert {rule.__name__ for rule in RULES} == {*BOUNDARIES, "bias_exponent", "sign_modes"}


def test_rules_say_a_requirement_and_a_way_out():
    for rule in RULES:
        requirement, _, way_out = rule.__doc__.partition("; ")
        assert requirement
        assert way_out.endswith(".")


def test_three_hundred_inputs_of_weight_127_wrap_in_the_accumulator_of_loihi_1_alone():
    network = neuron(*[127] * 300, steps=4)
    assert bounds.is_safe(network)
    assert not bounds.is_safe(network, LOIHI1)
    assert bounds.proof_sentence(network, target=LOIHI1) == (
        "not proven in the formats of loihi1: the synaptic accumulator of n can reach 0..2,438,400; it holds "
        "-2,097,152..2,097,151"
    )
    (misfit,) = misfits(network, LOIHI1)
    assert (misfit.rule, misfit.found, misfit.excess) == ("accumulator", (0, 2_438_400), 341_249)
    wrapped = (2_438_400 + END) % (2 * END) - END
    assert wrapped == -1_755_904


def test_excitation_is_not_set_against_inhibition():
    """The sum of all is zero, but the order of additions decides whether the accumulator overflows on the way."""
    network = neuron(*[127] * 300, *[-127] * 300)
    (misfit,) = misfits(network, LOIHI1)
    assert misfit.found == (-2_438_400, 2_438_400)
    assert misfits(neuron(*[127] * 258, *[-127] * 258), LOIHI1) == []


def test_excitation_of_several_projections_adds_up():
    half = neuron(*[127] * 150)
    twice = replace(half, projections=(*half.projections, replace(half.projections[0])))
    assert misfits(half, LOIHI1) == []
    assert [each.found for each in misfits(twice, LOIHI1)] == [(0, 2_438_400)]


@given(data=st.data(), network=integer_networks())
def test_no_order_of_additions_leaves_what_was_proven(data, network):
    """In the reference, with every synapse added alone: all excitation first, all inhibition first, and shuffled."""
    ends = {name: found.sums for name, found in bounds.reached(network).items()}
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    driven = stimulus(data.draw(inputs(network)), network)
    history = []
    for step in reference.steps(network, driven):
        history.append({network.source.name: driven.frame(step.rows, step.step), **step.spikes})
        if step.step == 0:
            history[:-1] = []
        for name, (least, most) in ends.items():
            for running in _additions(network, name, history, rng):
                assert least <= running.min(initial=0) <= running.max(initial=0) <= most


def _additions(network, name, history, rng):
    """Yield the running sums of a neuron's synapses in a step, in three orders; each synapse is a unit stimulus."""
    terms = []
    for projection in network.incoming(name):
        if projection.delay >= len(history):
            continue
        sent = history[-1 - projection.delay][projection.source][0].astype(np.int64)
        matrix = _matrix(projection, network.population(projection.source).shape)
        terms.append(64 * (matrix << projection.exponent) * sent.reshape(-1))
    if not terms:
        return
    each = np.concatenate(terms, axis=1)
    for order in (np.sort(each, axis=1), -np.sort(-each, axis=1), rng.permuted(each, axis=1)):
        yield np.cumsum(order, axis=1)


def _matrix(projection, shape):
    """Return the synapses written out, (targets, sources), from what single source neurons send."""
    from spikeport.export.linear import synaptic_sum  # noqa: PLC0415

    count = int(np.prod(shape))
    ones = np.eye(count, dtype=np.int64).reshape(count, *shape)
    return synaptic_sum(projection.synapses, ones).reshape(count, -1).T


@given(
    weights=st.lists(st.integers(-128, 127), min_size=1, max_size=4),
    exponent=st.integers(0, 12),
    bits=st.integers(2, 9),
    ends=st.tuples(st.integers(0, 3), st.integers(3, 9)),
)
def test_weights_fit_where_some_exponent_of_the_target_writes_them(weights, exponent, bits, ends):
    """Against every exponent and mantissa of the target, tried one by one."""
    narrow = replace(LAVA, weight_bits=bits, exponent=ends)
    values = [weight << exponent for weight in weights]
    mantissas = range(-1 << (bits - 1), 1 << (bits - 1))
    written = any(all(v % 2**e == 0 and v >> e in mantissas for v in values) for e in range(ends[0], ends[1] + 1))
    found = [each for each in misfits(neuron(*weights, exponent=exponent), narrow) if each.rule == "weight_exponent"]
    assert (not found) == (written or not any(values))


def test_span_of_weights():
    def span(*weights, exponent=0):
        return weight_span(neuron(*weights, exponent=exponent).projections[0])

    assert span(6, -4) == ((-4, 6), 1)
    assert span(6, -4, exponent=3) == ((-32, 48), 4)
    assert span(-128) == ((-128, 0), 7)
    assert span(0) == ((0, 0), 0)
    assert span(-1) == ((-1, 0), 0)


def test_projections_are_named_one_by_one():
    first = neuron(127, exponent=9)
    twice = replace(first, projections=(*first.projections, replace(first.projections[0])))
    found = [each.where for each in misfits(twice, LOIHI1) if each.rule == "weight_exponent"]
    assert found == ["projection input_to_n", "projection input_to_n:2"]


def test_a_loop_that_the_chip_cannot_close_in_time_is_named():
    network = neuron(1)
    back = IntegerProjection(source="m", target="n", synapses=Dense(weight=np.ones((1, 1), np.int8)), delay=1)
    forth = IntegerProjection(source="n", target="m", synapses=Dense(weight=np.ones((1, 1), np.int8)))
    second = IntegerPopulation(name="m", shape=(1,), neuron=network.neurons[0].neuron)
    short = replace(
        network, populations=(*network.populations, second), projections=(*network.projections, back, forth)
    )
    (misfit,) = misfits(short, LOIHI1)
    assert misfit.rule == "delay"
    assert "form a loop with a shorter delay" in sentence(misfit, LOIHI1)
    assert misfits(short, LAVA) == []


def test_a_skip_waits_for_the_longer_way():
    """Two projections against one: the chip holds the skipping spikes for the step that the longer way takes."""
    network = neuron(1, steps=200)
    populations, weight = list(network.populations), Dense(weight=np.ones((1, 1), np.int8))
    projections, last = list(network.projections), "n"
    for number in range(63):
        name = f"n{number}"
        populations.append(IntegerPopulation(name=name, shape=(1,), neuron=network.neurons[0].neuron))
        projections.append(IntegerProjection(source=last, target=name, synapses=weight))
        last = name
    for source, waits in (("n0", 61), ("n", 62), ("input", 63)):
        skip = IntegerProjection(source=source, target=last, synapses=weight)
        skipping = IntegerNetwork(populations=tuple(populations), projections=(*projections, skip), steps=200)
        found = [each.found for each in misfits(skipping, LOIHI1)]
        assert found == ([(waits, waits)] if waits > 62 else [])


def test_delays_beyond_the_sample_deliver_nothing_and_need_no_room():
    assert misfits(replace(looped(500), steps=20), LOIHI1) == []


def test_shared_kernels_are_counted_at_their_fullest_place():
    """A 3 x 3 kernel of 127 over 30 channels: 270 taps in the middle, 120 at a corner."""
    synapses = Convolution(weight=np.full((1, 30, 3, 3), 127, np.int8), padding=(1, 1))
    source = IntegerPopulation(name="input", shape=(30, 4, 4), neuron=Source(levels=1))
    target_ = IntegerPopulation(name="n", shape=(1, 4, 4), neuron=IntegerNeuron(threshold=5, bias_mantissa=0))
    projection = IntegerProjection(source="input", target="n", synapses=synapses)
    network = IntegerNetwork(populations=(source, target_), projections=(projection,), steps=1)
    (misfit,) = misfits(network, LOIHI1)
    assert misfit.found == (0, 64 * 127 * 270)
