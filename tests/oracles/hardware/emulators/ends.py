"""Networks at the ends of registers, and the cases whose name begins with 'rule', which leave one on purpose."""

import itertools

import numpy as np

from spikeport.export.network import Dense, IntegerNeuron, IntegerPopulation, IntegerProjection
from tests.oracles.hardware.emulators.drawn import LEAKS, drawn, firing
from tests.oracles.hardware.emulators.networks import Case, case_of, generator, input_of, one_layer, spike_trains

BITS = (*((1 << bit, 0) for bit in range(7)), *((1 << bit, 7) for bit in range(7)), (64, 7), (64, 7))
"""Weights and exponents of sixteen inputs whose sums reach every whole number up to 32,767."""

RISING = [4096 * 7, 4096 * 7 + 7, 4096 * 7 + 14, 4096 * 7 + 21, 4096 * 4 + 28]
"""Sums that bring a current with decay 1/4096 to exactly 64 * 4096 times 7, 14, 21, 28 and 32, which is 2^23."""


def thresholds() -> Case:
    """Sums that are one unit below, at, and one above the threshold."""
    thresholds, offsets = (each.reshape(-1) for each in np.meshgrid((2, 60, 120), (-1, 0, 1)))
    neuron = IntegerNeuron(threshold=thresholds, bias_mantissa=np.array(0))
    spikes = np.arange(24)[:, None] % np.array([3]) == 0
    return one_layer("ends-threshold", [((thresholds + offsets)[:, None], 0)], neuron, spikes)


def bias_thresholds() -> Case:
    """Potentials that are 1/64 of a unit below, at, and above the threshold; some fire in every step."""
    thresholds, offsets = (each.reshape(-1) for each in np.meshgrid((1, 2, 62), (-1, 0, 1, 64)))
    neuron = IntegerNeuron(threshold=thresholds, bias_mantissa=64 * thresholds + offsets)
    return one_layer("ends-bias-threshold", [(np.zeros((12, 1)), 0)], neuron, np.zeros((12, 1), bool))


def _steered(name: str, sums: list[int], neuron: IntegerNeuron, signs: tuple[int, ...]) -> Case:
    """Return a population whose neurons get plus or minus ``sums``, step by step."""
    rest, spikes = np.array(sums), np.zeros((len(sums), len(BITS)), bool)
    for index, (weight, exponent) in reversed(list(enumerate(BITS))):
        spikes[:, index] = rest >= weight << exponent
        rest = rest - spikes[:, index] * (weight << exponent)
    assert not rest.any(), name
    used = spikes.any(0)
    weights = {exponent: np.array([weight * (its == exponent) for weight, its in BITS])[used] for exponent in (0, 7)}
    projections = [(np.outer(signs, row), exponent) for exponent, row in weights.items() if row.any()]
    return one_layer(name, projections, neuron, spikes[:, used])


def decays() -> Case:
    """Every pair of decays at the ends of their registers, for both signs of the input."""
    table = np.array(list(itertools.product((1, 2, 2048, 4095, 4096), (0, 1, 2048, 4094, 4095), (-1, 1))))
    neuron = IntegerNeuron(
        threshold=np.array(2**16), bias_mantissa=np.array(0), decay_u=table[:, 0], decay_v=table[:, 1]
    )
    sums = [int(each) for each in generator("ends-decay").integers(0, 256, 24)]
    return _steered("ends-decay", sums, neuron, tuple(table[:, 2]))


def delayed() -> Case:
    """Three paths of different length, and synapses that wait, up to 62 steps beyond the one."""
    rng, shape = generator("delays"), (10,)
    populations = [input_of(shape)] + [
        IntegerPopulation(name=name, shape=(size,), neuron=firing(np.full((size, 10), 20), 0, LEAKS["cuba"], 1))
        for name, size in (("one", 8), ("two", 6), ("three", 5))
    ]
    sizes = {each.name: each.shape[0] for each in populations}
    ends = (("input", "one", 0), ("one", "two", 3), ("input", "two", 1), ("two", "three", 0), ("input", "three", 62))
    ends = (*ends, ("one", "one", 2), ("one", "three", 61))
    projections = [
        IntegerProjection(source=a, target=b, synapses=Dense(weight=drawn(rng, (sizes[b], sizes[a]), 30)), delay=delay)
        for a, b, delay in ends
    ]
    return case_of("delays", populations, projections, spike_trains(rng, 100, shape))


def accumulator() -> Case:
    """300 inputs of weight 127 (Lava: 2,438,400), and of weights whose sums stay within 21 bits or just leave them.

    The last neuron hears 127 and -127 over two projections: each alone leaves the register, their sum does not.
    """
    rng = generator("rule-accumulator")
    up, down = (np.array([row] * 300).T for row in ([127, 110, 109, 60, 0, 0, 127], [0, 0, 0, 0, -127, -110, -127]))
    neuron = IntegerNeuron(threshold=np.array(38000), bias_mantissa=np.array(0), decay_u=4000, decay_v=3500)
    rates = np.array([1, 0, 0.9, 1, 0.5, 0.85, 0.87, 1, 1, 0, 0.86, 0.1])[:, None]
    return one_layer("rule-accumulator", [(up, 0), (down, 0)], neuron, rng.random((12, 300)) < rates)


def current() -> Case:
    """Currents that reach exactly 2^23 and -2^23, and go on from there."""
    neuron = IntegerNeuron(threshold=np.array(2**17 - 1), bias_mantissa=np.array(0), decay_u=1, decay_v=4095)
    return _steered("rule-current", [*RISING, 0, 5000, 0, 20000, 20000, 0, 0], neuron, (1, -1))


def input_sum() -> Case:
    """Currents near 2^23 with a bias that leads beyond it."""
    neuron = IntegerNeuron(
        threshold=np.array(2**17 - 1),
        bias_mantissa=np.array([4095, -4095]),
        bias_exponent=7,
        decay_u=1,
        decay_v=4095,
    )
    return _steered("rule-input", [*RISING[:4], 4096 * 3 + 28, 0, 0, 100, 0], neuron, (1, -1))


def saturation() -> Case:
    """Potentials that saturate at both ends: one sign meets a threshold there, the other none."""
    neuron = IntegerNeuron(threshold=np.array(2**17 - 1), bias_mantissa=np.array(0), decay_u=4096, decay_v=0)
    return _steered("saturation", [32767] * 6 + [1, 2, 0, 3], neuron, (1, -1))


def clipped_weight() -> Case:
    """The weight -256 with exponent 7, which is -2^21 potential units."""
    neuron = IntegerNeuron(threshold=np.array(9000), bias_mantissa=np.array(0), decay_u=2000, decay_v=3000)
    spikes = np.array([[1, 0], [0, 1], [1, 1], [0, 1], [0, 0], [0, 1], [0, 1], [0, 1]], bool)
    return one_layer("rule-weight", [(np.array([[-128, 127], [-1, 100]]), 8)], neuron, spikes)
