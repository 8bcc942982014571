"""Where an emulator computes otherwise than Lava and the reference: each rule by itself, as arithmetic of one step."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from spikeport.export.executors.reference import State
from spikeport.export.fixed_point import (
    ACTIVATION_SHIFT,
    Integers,
    decayed,
    saturated_potential,
    wrapped_current,
)
from spikeport.export.network import Array, Dense, IntegerNetwork, IntegerNeuron, IntegerPopulation

RULES = {
    "accumulator": "nengo-loihi adds up what arrives in one step in 21 bits plus sign, and wraps",
    "current": "nengo-loihi's current wraps modulo 2^24 into -2^23..2^23 - 1; Lava keeps 2^23, and turns -2^23 into it",
    "input": "nengo-loihi wraps the sum of current and bias like the current; Lava saturates the potential alone",
    "widths": "brian2_loihi's current and potential have no width: they neither wrap nor saturate",
    "weight": "brian2_loihi clips a weight to +-(2^21 - 2^6) potential units, which meets -256 with exponent 7 alone",
}
WEIGHT_LIMIT = (2**21 - 2**6) >> ACTIVATION_SHIFT
"""brian2_loihi's largest weight in activation units."""


def advance(state: State, activation: Integers, neuron: IntegerNeuron, rules: AbstractSet[str]) -> Array:
    """Advance ``state`` as `reference.advance` does, but under ``rules``; return the spikes."""
    arrived = activation << ACTIVATION_SHIFT
    if "accumulator" in rules:
        arrived = _wrapped(arrived, 21)
    current = decayed(state.u, neuron.decay_u) + arrived
    if "current" in rules:
        current = _wrapped(current, 23)
    elif "widths" not in rules:
        current = wrapped_current(current)
    state.u = current
    driven = current + (neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent)
    if "input" in rules:
        driven = _wrapped(driven, 23)
    potential = decayed(state.v, neuron.decay_v) + driven
    state.v = potential if "widths" in rules else saturated_potential(potential)
    assert neuron.level is not None
    spikes: Array = state.v > neuron.level
    state.v = np.where(spikes, 0, state.v)
    return spikes


def _wrapped(value: Integers, bits: int) -> Integers:
    """Return two's complement in ``bits`` bits and a sign."""
    return (value + 2**bits) % 2 ** (bits + 1) - 2**bits


def arriving(
    network: IntegerNetwork, population: IntegerPopulation, past: Sequence[Mapping[str, Array]], _: int
) -> Integers:
    """Return the synaptic sums of one sample over dense weights, each clipped as brian2_loihi does."""
    total: Integers = np.zeros((1, *population.shape), np.int64)
    for projection in network.incoming(population.name):
        assert isinstance(projection.synapses, Dense)
        weight = projection.synapses.weight.astype(np.int64) << projection.exponent
        spikes = past[projection.delay][projection.source].reshape(1, -1)
        total += (spikes @ np.clip(weight, -WEIGHT_LIMIT, WEIGHT_LIMIT).T).reshape(total.shape)
    return total
