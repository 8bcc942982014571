"""Loihi 1's registers say every number of the network exactly, in the fewest bits, or a sentence says why not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import bounds, loihi1
from spikeport.export.errors import FormatError
from spikeport.export.network import (
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)

weights = st.lists(st.one_of(st.integers(-128, 127), st.sampled_from([-128, -127, -1, 0, 1, 64, 127])), min_size=1)


def projection(weight, exponent=0, **more):
    synapses = Dense(weight=np.array([weight], np.int8))
    return IntegerProjection(source="input", target="a", synapses=synapses, exponent=exponent, **more)


def neuron(**more):
    return IntegerNeuron(**{"threshold": np.array(5), "bias_mantissa": np.array(0)} | more)


def population(**more):
    return IntegerPopulation(name="a", shape=(3,), neuron=neuron(**more))


def network(*, weight=(1, 1), exponent=0, levels=1, delay=0, steps=4, **more):
    source = IntegerPopulation(name="input", shape=(len(weight),), neuron=Source(levels=levels))
    target = IntegerPopulation(name="a", shape=(1,), neuron=neuron(**more))
    return IntegerNetwork(
        populations=(source, target), projections=(projection(weight, exponent, delay=delay),), steps=steps
    )


def arriving(mantissa, exponent):
    """What the chip adds for a mantissa, as nengo-loihi and brian2_loihi shift it."""
    return int(mantissa) << exponent if exponent >= 0 else int(mantissa) >> -exponent


@given(weight=weights, exponent=st.integers(0, 15))
def test_weights_are_exact_in_the_widest_mantissas(weight, exponent):
    try:
        made = loihi1.weights(projection(weight, exponent))
    except FormatError:
        assert max(weight) << exponent > 127 << 8 or min(weight) << exponent < -128 << 8
        return
    mantissas = made.mantissa[0].tolist()
    assert [arriving(each, made.exponent) for each in mantissas] == [each << exponent for each in weight]
    low, high = loihi1.MANTISSAS[made.sign_mode]
    assert all(low <= each <= high for each in mantissas)
    assert -7 <= made.exponent <= 7
    wider = [2 * each for each in mantissas]
    assert not any(weight) or made.exponent == -7 or min(wider) < low or max(wider) > high


@given(weight=weights, exponent=st.integers(0, 8))
def test_width_is_the_smallest_that_keeps_every_mantissa(weight, exponent):
    """Sign modes and what a width drops as brian2_loihi has them: `LoihiSynapses` divides by this, toward zero."""
    made = loihi1.weights(projection(weight, exponent))
    mixed = made.sign_mode == "mixed"
    assert mixed == (min(weight) < 0 < max(weight) or min(weight) << exponent == -128 << 8)
    assert made.sign_mode != "inhibitory" or max(weight) <= 0
    step = 2 ** (8 - (made.bits - mixed))
    assert not (made.mantissa % step).any()
    fewer = [bits for bits in (1, 2, 3, 4, 5, 6, 8) if bits < made.bits]
    assert not fewer or (made.mantissa % 2 ** (8 - (fewer[-1] - mixed))).any()


@pytest.mark.parametrize(
    ("weight", "exponent", "mantissa", "shared"),
    [
        ([1, -1], 0, [128, -128], (-7, "mixed", 2)),
        ([127, -128], 0, [254, -256], (-1, "mixed", 8)),
        ([127, 0], 8, [254, 0], (7, "excitatory", 8)),
        ([-128, -1], 0, [-128, -1], (0, "inhibitory", 8)),
        ([-1], 14, [-128], (7, "inhibitory", 1)),
        ([3], 0, [192], (-6, "excitatory", 2)),
        ([0, 0], 15, [0, 0], (0, "excitatory", 1)),
        ([-128, -1], 8, [-256, -2], (7, "mixed", 8)),
    ],
)
def test_weights_by_hand(weight, exponent, mantissa, shared):
    made = loihi1.weights(projection(weight, exponent))
    assert made.mantissa.tolist() == [mantissa]
    assert (made.exponent, made.sign_mode, made.bits) == shared


def test_exponent_beyond_the_range_is_refused():
    with pytest.raises(
        FormatError, match=r"input -> a: weights from 3 to 127 with exponent 9 take exponent 8 on Loihi 1"
    ):
        loihi1.weights(projection([3, 127], 9))


@given(
    mantissa=st.integers(-4096, 4095),
    exponent=st.integers(0, 7),
    decays=st.tuples(st.integers(1, 4096), st.integers(0, 4095)),
    threshold=st.integers(1, 2**17 - 1),
)
def test_neurons_are_exact(mantissa, exponent, decays, threshold):
    more = {"bias_mantissa": np.array([mantissa, 7, -9]), "bias_exponent": exponent, "threshold": np.array(threshold)}
    try:
        made = loihi1.neurons(population(decay_u=np.array(decays[0]), decay_v=np.array(decays[1]), **more))
    except FormatError as error:
        assert "bias mantissa -4096 with exponent 7 is beyond" in str(error)
        assert (mantissa, exponent) == (-4096, 7)
        return
    assert (made.bias_mantissa << made.bias_exponent).tolist() == [each << exponent for each in (mantissa, 7, -9)]
    assert np.abs(made.bias_mantissa).max() <= 4095
    assert made.bias_exponent.max() <= 7
    assert made.threshold_mantissa.tolist() == [threshold] * 3
    assert (made.decay_u + 1).tolist() == [decays[0]] * 3
    assert made.decay_v.tolist() == [decays[1]] * 3


def test_readout_has_the_largest_threshold():
    assert loihi1.neurons(population(threshold=None)).threshold_mantissa.tolist() == [2**17 - 1] * 3


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"threshold": np.array(0)}, "a: the threshold is 0 to 0; Loihi 1 holds 1 to 131071: multiply"),
        ({"decay_u": np.array(0)}, "a: decay_u is 0 to 0; Loihi 1 holds 1 to 4096"),
        ({"decay_v": np.array(4096)}, "a: decay_v is 4096 to 4096; Loihi 1 holds 0 to 4095"),
        ({"reset_by": np.array(5)}, "a resets by subtraction, which takes two compartments"),
        ({"reset_to": np.array(-1)}, "a resets to a value"),
        ({"floor": np.array(-3)}, "a has a floor"),
        ({"inclusive": True}, "a fires at v == threshold"),
    ],
)
def test_neuron_that_loihi_1_lacks_is_refused(more, sentence):
    with pytest.raises(FormatError, match=f"population {sentence}"):
        loihi1.neurons(population(**more))


def test_graded_input_is_refused():
    with pytest.raises(FormatError, match="population input sends 255 levels; a spike of Loihi 1 is one bit"):
        loihi1.check(network(levels=255))


def test_delay_beyond_62_is_refused():
    """A delay of 63 steps, before which the layer has not begun, is one step and none to wait."""
    far = IntegerProjection(source="input", target="a", synapses=Dense(weight=np.ones((1, 2), np.int8)), delay=63)
    near = network(steps=80)
    waits = IntegerNetwork(populations=near.populations, projections=(*near.projections, far), steps=80)
    with pytest.raises(FormatError, match=r"input -> a waits 63 steps beyond the one .* at most 62"):
        loihi1.check(waits)


@pytest.mark.parametrize(("count", "kept"), [(258, True), (259, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_accumulator_holds_21_bits_and_a_sign_behind_the_shift(count, kept, sign):
    """258 x 127 = 32,766 activation units are 2,097,024 of potential; 2^21 are 2,097,152."""
    given_ = network(weight=[sign * 127] * count, steps=1)
    if kept:
        loihi1.check(given_)
        return
    with pytest.raises(FormatError, match=r"what arrives in one step can reach .* adds it up in -32,768..32,767"):
        loihi1.check(given_)
    loihi1.check(given_, unproven=True)


@pytest.mark.parametrize(("sign", "span"), [(1, r"-1,270\.\.33,020"), (-1, r"-33,020\.\.1,270")])
def test_excitation_and_inhibition_count_apart(sign, span):
    """Their sum would stay inside, but not on the way to it."""
    with pytest.raises(FormatError, match=f"can reach {span}"):
        loihi1.check(network(weight=[sign * 127] * 260 + [sign * -127] * 10, steps=1))


def test_register_that_can_be_left_is_refused():
    leaving = network(weight=[127] * 200, steps=400, bias_mantissa=np.array(-4095), bias_exponent=7)
    with pytest.raises(FormatError, match=r"the potential of a can reach .* quantize the network again"):
        loihi1.check(leaving)
    loihi1.check(leaving, unproven=True)


def test_current_of_two_to_the_23_is_lavas_alone():
    """30,570 units in each of 11 steps, decayed by 891/4096, are exactly 2^23, which the chip turns to -2^23."""
    more = {"decay_u": np.array(891), "decay_v": np.array(4095), "threshold": np.array(2**17 - 1)}
    more |= {"bias_mantissa": np.array(-4095), "bias_exponent": 7}
    at_most = network(weight=[127] * 240 + [90], steps=11, **more)
    assert bounds.is_safe(at_most)
    with pytest.raises(FormatError, match=r"current of a can reach 8,388,608; Loihi 1 holds 8,388,607"):
        loihi1.check(at_most)
    loihi1.check(network(weight=[127] * 240 + [89], steps=11, **more))
