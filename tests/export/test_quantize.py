"""Quantization: exact where it can be, and never outside the registers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import bounds
from spikeport.export.errors import QuantizationError
from spikeport.export.executors import floating, reference
from spikeport.export.linear import synaptic_sum
from spikeport.export.network import (
    AveragePooling,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Source,
)
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.scale_search import search
from spikeport.export.stimulus import stimulus
from spikeport.export.target_rules import misfits
from spikeport.export.targets import LAVA
from spikeport.export.trace import record
from spikeport.hardware_profiles.chip_formats import target
from tests.strategies import float_networks, inputs, seeds

LOIHI1 = target("loihi1")
LOIHI1_ACCUMULATOR = 2**21
"""Q_BITS of nengo-loihi's emulator: 21 bits and the sign, after the shift by 6."""


def dense_network(weight, threshold, *, bias=0.0, levels=1, steps=4, **neuron):
    """Input -> a, with the readout that every network has."""
    weight = np.asarray(weight, float)
    return FloatNetwork(
        populations=(
            FloatPopulation(name="input", shape=(weight.shape[1],), neuron=Source(levels=levels, unit=1 / levels)),
            FloatPopulation(
                name="a",
                shape=(len(weight),),
                neuron=FloatNeuron(threshold=np.array(threshold), bias=np.array(bias), **neuron),
            ),
            FloatPopulation(name="readout", shape=(1,), neuron=FloatNeuron(threshold=None)),
        ),
        projections=(
            FloatProjection(source="input", target="a", stages=(Dense(weight=weight),)),
            FloatProjection(source="a", target="readout", stages=(Dense(weight=np.ones((1, len(weight)))),)),
        ),
        steps=steps,
    )


@given(seeds, st.sampled_from([True, False]), st.sampled_from(["zero", "value", "subtract", "less"]), st.booleans())
def test_integer_weights_and_thresholds_keep_every_spike(seed, inclusive, reset, floored):
    """Weights that are integers times any scale lose nothing, ties with the threshold included."""
    rng = np.random.default_rng(seed)
    peak = rng.choice([1, 2, 3, 5, 10, 50, 127])
    weight, unit = rng.integers(-peak, peak + 1, (6, 9)), rng.choice([1.0, 1 / 64, 1 / 255, 0.1, 1 / 3])
    threshold = rng.integers(1, 3 * peak + 1) * unit
    kinds = {
        "zero": {},
        "value": {"reset_to": rng.integers(-peak, peak) * unit},
        "subtract": {"reset_by": threshold},
        "less": {"reset_by": rng.integers(1, 2 * peak + 1) * unit},
    }
    if floored:
        kinds[reset]["floor"] = -rng.integers(0, 2 * peak + 1) * unit
    # the float network runs on the integers themselves: with another unit it would tie by chance of rounding
    exact = dense_network(
        weight,
        rng_free(threshold, unit),
        inclusive=inclusive,
        **{key: rng_free(value, unit) for key, value in kinds[reset].items()},
    )
    network = dense_network(weight * unit, threshold, inclusive=inclusive, **kinds[reset])
    driven = stimulus(rng.integers(0, 2, (8, 4, 9)), network)
    before = record(floating.steps(exact, driven))
    after = record(reference.steps(quantize(network), driven))
    assert np.array_equal(before["a"], after["a"])


def rng_free(value, unit):
    """Return the whole number that ``value`` is in units."""
    return np.rint(np.asarray(value) / unit)


@pytest.mark.parametrize(
    ("weight", "threshold", "options", "message"),
    [
        ([[1e-5, 2e-5]], 2.0, {"bias": 1.0}, "input -> a: all weights round to zero"),
        ([[1.0, 0.4], [0.3, 0.2]], [0.001, 1.0], {"reset_by": [0.001, 1.0]}, "a: reset_by is too small"),
        ([[1.0]], 1.0, {"decay_potential": 1e-4}, "a: decay_potential is too small"),
        ([[1.0]], 1.0, {"decay_current": 0.99999}, "a: decay_current is too small"),
    ],
)
def test_what_would_round_to_nothing_is_refused(weight, threshold, options, message):
    with pytest.raises(QuantizationError, match=message):
        quantize(dense_network(weight, threshold, **options))


@pytest.mark.parametrize(
    ("neuron", "message"),
    [
        ({"most": None, "reset_by": 1.0}, "fires several spikes a step; Loihi's neurons fire one"),
        ({"refractory": 1}, "rests for 1 steps after a spike"),
    ],
)
def test_neurons_that_loihi_lacks_are_refused_with_a_way_out(neuron, message):
    with pytest.raises(QuantizationError, match=message + ".*or stay with the float executor"):
        quantize(dense_network([[1.0]], 1.0, **neuron))


@pytest.mark.parametrize(("inclusive", "threshold"), [(True, 255), (False, 256)])
def test_comparison_becomes_strictly_greater(inclusive, threshold):
    """v >= 2 on a grid of 1/128 is v > 255/128; v > 2 is v > 256/128."""
    network = dense_network([[127 / 128]], 2.0, inclusive=inclusive)
    assert quantize(network).population("a").neuron.threshold == threshold


@pytest.mark.parametrize(("inclusive", "threshold"), [(True, 2), (False, 2)])
def test_threshold_between_whole_sums_fires_above_it(inclusive, threshold):
    """Weights of one and two in whole numbers: a potential above 2.5 is one of at least 3, tie or not."""
    quantized = quantize(dense_network([[1.0, 2.0]], 2.5, inclusive=inclusive), weight_bits=3)
    assert quantized.projections[0].synapses.weight.tolist() == [[1, 2]]
    assert quantized.population("a").neuron.threshold == threshold


@given(st.data(), float_networks(), st.sampled_from([8, 6, 4, 2]))
def test_no_register_leaves_its_bounds_for_any_input(data, network, bits):
    try:
        integer = quantize(folded(network), weight_bits=bits)
    except QuantizationError as error:
        assert "round to zero" in str(error) or "too small for Loihi's integers" in str(error)
        return
    assert bounds.is_safe(integer)
    assert integer.bounds == bounds.prove(integer)
    for projection in integer.projections:
        assert np.abs(projection.synapses.weight.astype(int)).max() < 2 ** (bits - 1)
    driven = stimulus(data.draw(inputs(integer)), integer)
    readout = record(reference.steps(integer, driven))["readout"]
    found = integer.bounds["readout"]
    assert found.v_min <= readout.min()
    assert readout.max() <= found.v_max


def test_graded_input_lowers_the_scale_until_the_potential_fits():
    """255 levels over 8 steps: only weights of 64 in sum fit below the saturating end."""
    network = dense_network([[-1.0, -1.0]], 1.0, levels=255, steps=8)
    integer = quantize(network)
    weight = integer.projections[0].synapses.weight
    assert weight.tolist() == [[-32, -32]]
    assert integer.bounds["a"].v_min == -64 * 255 * 64 * 8


@pytest.mark.parametrize("bias", [-1200.0, -1500.0, -2500.0, -4090.0, -8000.0, 1200.0])
def test_a_bias_costs_no_more_of_the_weights_than_its_register(bias):
    network = quantize(dense_network(np.array([[127.0, -5.3, 3.1]]), [9000.0], bias=bias * 8, levels=1, steps=1))
    population, projection = network.population("a"), network.incoming("a")[0]
    weight, neuron = int(projection.synapses.weight.max()), population.neuron
    room = (LAVA.bias_mantissa[1] << LAVA.bias_exponent[1]) / abs(bias * 8 * 64)
    assert weight <= 127 * min(1, room) + 1  # of a threshold that is rounded
    assert weight >= min(127, int(127 * room)) - 2
    assert abs(int(neuron.bias_mantissa.flat[0])) << int(neuron.bias_exponent) <= 4095 << 7


def test_two_projections_share_a_scale_through_their_exponents():
    network = dense_network([[0.5, 0.25]], 1.0)
    extra = FloatProjection(source="input", target="a", stages=(Dense(weight=np.array([[8.0, -3.0]])),))
    integer = quantize(replace(network, projections=(*network.projections, extra)))
    small, large = (p for p in integer.projections if p.target == "a")
    assert (small.exponent, large.exponent) == (0, 4)
    scale = integer.population("a").neuron.scale
    assert small.synapses.weight.tolist() == [[round(0.5 * scale), round(0.25 * scale)]]
    assert large.synapses.weight.tolist() == [[round(8 * scale / 16), round(-3 * scale / 16)]]


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (dense_network([[1.0]], 1.0), {"weight_bits": 9}, "weight_bits is 9; Loihi stores 2 to 8"),
        (dense_network([[1.0]], 1.0, bias=1e9), {}, "population a: no scale keeps its registers in range"),
    ],
)
def test_what_cannot_be_quantized_is_named(network, options, message):
    with pytest.raises(QuantizationError, match=message):
        quantize(network, **options)


def test_network_that_was_not_lowered_is_refused():
    network = dense_network([[1.0, 1.0]], 1.0)
    pooled = FloatPopulation(name="input", shape=(1, 1, 2), neuron=Source())
    stages = (AveragePooling(size=(1, 2)), Dense(weight=np.ones((1, 1))))
    unfolded = replace(
        network,
        populations=(pooled, *network.populations[1:]),
        projections=(replace(network.projections[0], stages=stages), network.projections[1]),
    )
    with pytest.raises(QuantizationError, match="holds AveragePooling, Dense; expected one"):
        quantize(unfolded)
    assert quantize(folded(unfolded)).projections[0].synapses.weight.shape == (1, 2)


def test_threshold_beyond_the_register_names_population_and_range():
    with pytest.raises(QuantizationError, match=r"population a: at the scale of its weights the threshold is .*131"):
        quantize(dense_network([[1 / 2500**2]], 1.0))


def worst_input(network, population, *, excite):
    """Return an input that drives the most excited, or the most inhibited, neuron of the first population."""
    (projection,) = network.incoming(population.name)
    ones = np.eye(int(np.prod(network.source.shape)), dtype=np.int64).reshape(-1, *network.source.shape)
    matrix = synaptic_sum(projection.synapses, ones).reshape(len(ones), -1).T
    part = np.maximum(matrix, 0) if excite else np.minimum(matrix, 0)
    totals = part.sum(axis=1)
    row = part[totals.argmax() if excite else totals.argmin()]
    return (row != 0).reshape(1, *network.source.shape) * network.source.neuron.levels


def written_out(network, name):
    """Return the synapses into a population times 64 and the most that their sources send, (targets, synapses)."""
    rows = []
    for projection in network.incoming(name):
        source = network.population(projection.source)
        ones = np.eye(int(np.prod(source.shape)), dtype=np.int64).reshape(-1, *source.shape)
        most = getattr(source.neuron, "levels", 1)
        rows.append(
            64 * most * (synaptic_sum(projection.synapses, ones).reshape(len(ones), -1).T << projection.exponent)
        )
    return np.concatenate(rows, axis=1)


@given(data=st.data(), network=float_networks())
def test_a_network_for_loihi_1_never_leaves_its_accumulator_whatever_the_order(data, network):
    """Excitation first, inhibition first, shuffled, with all that every source can send; and in the reference."""
    rng = np.random.default_rng(data.draw(seeds))
    try:
        integer = quantize(folded(network), target=LOIHI1)
    except QuantizationError as error:
        assert "rounds to zero" in str(error) or "round to zero" in str(error)
        return
    assert misfits(integer, LOIHI1) == []
    for population in integer.neurons:
        terms = written_out(integer, population.name)
        for order in (np.sort(terms, axis=1), -np.sort(-terms, axis=1), rng.permuted(terms, axis=1)):
            sums = np.cumsum(order, axis=1)
            assert -LOIHI1_ACCUMULATOR <= sums.min() <= sums.max() < LOIHI1_ACCUMULATOR
    first = integer.neurons[0]
    terms = written_out(integer, first.name)
    ends = np.maximum(terms, 0).sum(axis=1).max(), np.minimum(terms, 0).sum(axis=1).min()
    for excite, end in zip((True, False), ends, strict=True):
        seen = activations(integer, worst_input(integer, first, excite=excite))
        assert (seen[0].max() if excite else seen[0].min()) * 64 == end
        assert all(-LOIHI1_ACCUMULATOR <= 64 * a.min() <= 64 * a.max() < LOIHI1_ACCUMULATOR for a in seen)


def activations(network, values):
    """Return what arrives at every population in every step of the reference, in the order in which it computes."""
    seen, original = [], reference.advance

    def observed(state, activation, *others, **options):
        seen.append(np.array(activation))
        return original(state, activation, *others, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "advance", observed)
        for _ in reference.steps(network, stimulus(values, network)):
            pass
    return seen


@pytest.mark.parametrize("weight_bits", [2, 4, 8])
def test_a_fan_in_that_wraps_on_loihi_1_gets_a_smaller_scale_there(weight_bits):
    """300 weights of the largest size: at eight bits 2,438,400 in the accumulator, which holds 2,097,151."""
    network = dense_network(np.full((1, 300), 127.0), 40.0)
    wide, narrow = quantize(network), quantize(network, target=LOIHI1, weight_bits=weight_bits)
    assert bounds.is_safe(wide)
    assert not bounds.is_safe(wide, LOIHI1)
    assert bounds.is_safe(narrow, LOIHI1)
    assert misfits(narrow, LOIHI1) == []
    assert written_out(narrow, "a").sum() < LOIHI1_ACCUMULATOR <= written_out(wide, "a").sum()


def test_what_fits_a_chip_is_quantized_as_without_it():
    network = dense_network([[3.0, -2.0], [1.0, 4.0]], 5.0)
    plain, narrow = quantize(network), quantize(network, target=LOIHI1)
    for one, other in zip(plain.projections, narrow.projections, strict=True):
        assert np.array_equal(one.synapses.weight, other.synapses.weight)
        assert one.exponent == other.exponent


@pytest.mark.parametrize("weight_bits", [2, 8])
def test_a_threshold_that_would_be_zero_is_lifted_by_the_exponent(weight_bits):
    """Weights and threshold of one: v >= 1 is v > 0, which Loihi 1 does not hold; twice as fine it is v > 1."""
    network = dense_network(np.eye(2) * 127.0, 1.0 if weight_bits == 8 else 127.0)
    plain = quantize(network, weight_bits=weight_bits).population("a").neuron
    integer = quantize(network, weight_bits=weight_bits, target=LOIHI1)
    lifted = integer.population("a").neuron
    assert plain.threshold.min() == 0
    assert lifted.threshold.min() == 1
    assert misfits(integer, LOIHI1) == []
    driven = stimulus(np.array([[0, 1], [1, 1], [1, 0]]), integer)
    spikes = record(reference.steps(integer, driven))["a"]
    assert np.array_equal(spikes, record(floating.steps(network, driven))["a"])


def test_the_smallest_of_several_thresholds_is_lifted():
    """Ternary weights and thresholds of 1 and 100: twice as fine, the compared thresholds are 1 and 199."""
    network = dense_network(np.eye(2), [1.0, 100.0])
    assert quantize(network, weight_bits=2).population("a").neuron.threshold.tolist() == [0, 99]
    integer = quantize(network, weight_bits=2, target=LOIHI1)
    assert integer.population("a").neuron.threshold.tolist() == [1, 199]
    assert (integer.projections[0].exponent, misfits(integer, LOIHI1)) == (1, [])


def test_no_scale_for_a_chip_is_refused_with_the_rule_the_amount_and_the_way_out():
    """40,000 weights of one threshold each: the sum is 40,000 thresholds, and the least threshold is one unit."""
    network = dense_network(np.ones((1, 40_000)), 1.0)
    assert bounds.is_safe(quantize(network))
    with pytest.raises(QuantizationError, match="population a: no scale keeps its registers") as caught:
        quantize(network, target=LOIHI1)
    assert "in loihi1, the synaptic accumulator of a can reach 0..5,120,000; it holds -2,097,152..2,097,151" in str(
        caught.value
    )
    assert "use fewer steps, sparser weights, smaller biases or a higher threshold" in str(caught.value)


def test_a_readout_whose_weights_vanish_for_a_chip_says_which_register_made_them():
    network = dense_network(np.ones((40_000, 1)), 1.0, steps=1)
    assert quantize(network)
    with pytest.raises(QuantizationError, match=r"projection a -> readout: all weights round to zero .*accumulator"):
        quantize(network, target=LOIHI1)


@pytest.mark.parametrize(
    ("neuron", "message"),
    [
        ({"decay_current": np.array(0.0)}, "population a: decay_current is 0 to 0 in 1/4096; loihi1 holds 1 to 4096"),
        ({"decay_potential": np.array(1.0)}, "population a: decay_potential is 4096 to 4096 in 1/4096; loihi1 holds 0"),
    ],
)
def test_decays_that_a_chip_lacks_are_refused(neuron, message):
    network = dense_network([[1.0]], 2.0, **neuron)
    assert quantize(network)
    with pytest.raises(QuantizationError, match=message):
        quantize(network, target=LOIHI1)


def test_delays_that_a_chip_lacks_are_refused_and_named():
    network = dense_network([[1.0]], 2.0, steps=200)
    back = FloatProjection(source="a", target="a", stages=(Dense(weight=np.ones((1, 1))),), delay=64)
    looped = replace(network, projections=(*network.projections, back))
    assert quantize(looped)
    with pytest.raises(
        QuantizationError, match=r"projection a_to_a \(delay of loihi1\): .* 63..63, held are 0..62: 1 too"
    ):
        quantize(looped, target=LOIHI1)
    shorter = replace(looped, projections=(*network.projections, replace(back, delay=63)))
    assert quantize(shorter, target=LOIHI1)


def test_biases_keep_to_the_mantissa_of_a_chip():
    """-4096 is a mantissa in Lava and none on Loihi 1, whose mantissa has 12 bits and a sign."""
    network = dense_network([[127.0]], 1000.0, bias=-64.0)
    assert quantize(network).population("a").neuron.bias_mantissa == -4096
    narrow = quantize(network, target=LOIHI1).population("a").neuron
    assert (narrow.bias_mantissa, narrow.bias_exponent) == (-2048, 1)


def test_widths_beyond_a_target_are_refused():
    with pytest.raises(QuantizationError, match="weight_bits is 8; few stores 2 to 4 bits"):
        quantize(dense_network([[1.0]], 1.0), target=replace(LAVA, name="few", weight_bits=4))


@given(data=st.data(), network=float_networks())
def test_scales_that_calibration_chooses_keep_to_the_chip(data, network):
    small = folded(network)
    images = stimulus(data.draw(inputs(network)), network)
    try:
        integer, _ = search(small, images, clips=(1.0, 0.5), target=LOIHI1)
    except QuantizationError:
        return
    assert misfits(integer, LOIHI1) == []
