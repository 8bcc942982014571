"""Loihi 1's own number formats: the registers that say an integer network there, or a sentence why none do.

A weight is a mantissa whose exponent, width and sign mode all synapses of a projection share::

    arriving += floor(mantissa 2^exponent)              activation units, 64 units of potential each
    mixed: -256..254, even;  excitatory: 0..255;  inhibitory: -255..0;  exponent -7..7

A width of ``bits`` keeps the highest bits of a mantissa: all are multiples of ``2^(8 - bits)``, of twice that where
signs are mixed. What arrives at a neuron in one step is added up in 21 bits plus sign of potential, that is
-2^15..2^15 - 1 activation units. Sources: Davies et al., IEEE Micro 38(1), 2018; nengo-loihi 1.1.0
(`builder/discretize.py`, `builder/validate.py`); brian2_loihi 0.5.2 for sign modes and the longest delay.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from spikeport.export import bounds
from spikeport.export.errors import FormatError
from spikeport.export.fixed_point import ACTIVATION_SHIFT, BIAS_EXPONENT_MAX, NO_THRESHOLD, STATE_LIMIT, THRESHOLD_MAX
from spikeport.export.network import (
    Array,
    BiasNetwork,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.targets import Range

SignMode = Literal["mixed", "excitatory", "inhibitory"]
Registers = npt.NDArray[np.int32]

MANTISSAS: dict[SignMode, tuple[int, int]] = {"mixed": (-256, 254), "excitatory": (0, 255), "inhibitory": (-255, 0)}
WEIGHT_EXPONENTS = (-7, 7)
WEIGHT_BITS = (1, 2, 3, 4, 5, 6, 8)
ACCUMULATOR = (-(2**15), 2**15 - 1)
"""Sums of one step in activation units; 21 bits plus sign behind the shift by 6."""
CURRENT_MAX = STATE_LIMIT - 1
"""Largest current, and largest sum of current and bias: the chip wraps modulo 2^24 where Lava keeps 2^23."""
THRESHOLDS = (1, THRESHOLD_MAX)
BIAS_MANTISSA_MAX = 2**12 - 1
CURRENT_DECAYS = (1, 4096)
"""The register holds one less."""
POTENTIAL_DECAYS = (0, 4095)
LONGEST_DELAY = 62
"""Steps that a synapse waits beyond the one that every spike takes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """The synapses of a projection: ``mantissa`` has the shape of the network's weights, int16."""

    mantissa: Array
    exponent: int
    sign_mode: SignMode
    bits: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Neurons:
    """Registers of a population, one number per neuron in C order; the names are the file's."""

    threshold_mantissa: Registers
    bias_mantissa: Registers
    bias_exponent: Registers
    decay_u: Registers
    decay_v: Registers


def weights(projection: IntegerProjection) -> Weights:
    """Return the weights in the fewest bits: mantissas as large as the sign mode allows; `FormatError` if none fit."""
    weight = projection.synapses.weight.astype(np.int16)
    if not weight.any():
        return Weights(mantissa=weight, exponent=0, sign_mode="excitatory", bits=WEIGHT_BITS[0])
    least, most = int(weight.min()), int(weight.max())
    ups = {mode: _shift(least, most, projection.exponent, mode) for mode in _sign_modes(least, most)}
    mode: SignMode = next(
        (each for each, up in ups.items() if projection.exponent - up <= WEIGHT_EXPONENTS[1]), "mixed"
    )
    exponent = projection.exponent - ups[mode]
    if exponent > WEIGHT_EXPONENTS[1]:
        raise FormatError(
            f"projection {projection.source} -> {projection.target}: weights from {least} to {most} with exponent "
            f"{projection.exponent} take exponent {exponent} on Loihi 1, which holds {WEIGHT_EXPONENTS[0]} to "
            f"{WEIGHT_EXPONENTS[1]}; divide the weights and the threshold of {projection.target} by a power of two"
        )
    mantissa = weight << ups[mode]
    return Weights(mantissa=mantissa, exponent=exponent, sign_mode=mode, bits=_bits(mantissa, mode))


def _sign_modes(least: int, most: int) -> tuple[SignMode, ...]:
    """Return the modes that hold such weights, the one with most bits first; mixed ones alone reach -256."""
    if least >= 0:
        return "excitatory", "mixed"
    return ("inhibitory", "mixed") if most <= 0 else ("mixed",)


def _shift(least: int, most: int, exponent: int, mode: SignMode) -> int:
    """Return by how many bits the weights can be shifted up."""
    (low, high), up = MANTISSAS[mode], 0
    while low <= least << (up + 1) and most << (up + 1) <= high and exponent - up > WEIGHT_EXPONENTS[0]:
        up += 1
    return up


def _bits(mantissa: Array, mode: SignMode) -> int:
    """Return the smallest width that keeps every bit that is set; the sign of mixed weights takes one."""
    used = int(np.bitwise_or.reduce(mantissa, axis=None))
    dropped = (used & -used).bit_length() - 1
    least = 8 - dropped + (mode == "mixed")
    return next(bits for bits in WEIGHT_BITS if bits >= least)


def neurons(population: IntegerPopulation) -> Neurons:
    """Return the registers of a population; `FormatError` names what Loihi 1's neuron does not do or hold."""
    neuron = population.neuron
    assert isinstance(neuron, IntegerNeuron)
    _check_kind(population.name, neuron)
    threshold = np.asarray(NO_THRESHOLD) if neuron.threshold is None else neuron.threshold
    for name, values, (low, high), advice in (
        ("the threshold", threshold, THRESHOLDS, "multiply weights, biases and threshold by a power of two"),
        ("decay_u", neuron.decay_u, CURRENT_DECAYS, "let the current decay by 1/4096"),
        ("decay_v", neuron.decay_v, POTENTIAL_DECAYS, "let the current decay at once and the potential by 4095/4096"),
    ):
        if values.min() < low or values.max() > high:
            raise FormatError(
                f"population {population.name}: {name} is {values.min()} to {values.max()}; Loihi 1 holds {low} to "
                f"{high}: {advice}"
            )
    mantissa, exponent = _bias(population.name, neuron)
    of_each = {"threshold_mantissa": threshold, "bias_mantissa": mantissa, "bias_exponent": exponent}
    of_each |= {"decay_u": neuron.decay_u - 1, "decay_v": neuron.decay_v}
    spread = {name: np.broadcast_to(value, population.shape) for name, value in of_each.items()}
    return Neurons(**{name: value.reshape(-1).astype(np.int32) for name, value in spread.items()})


def _check_kind(name: str, neuron: IntegerNeuron) -> None:
    kinds = (
        (neuron.reset_by is not None, "resets by subtraction, which takes two compartments on Loihi 1"),
        (neuron.reset_by is None and bool(neuron.reset_to.any()), "resets to a value; Loihi 1 resets to zero"),
        (neuron.floor is not None, "has a floor of its potential, which Loihi 1 holds as a power of two alone"),
        (neuron.inclusive, "fires at v == threshold; Loihi 1 fires above it"),
    )
    for found, sentence in kinds:
        if found:
            raise FormatError(f"population {name} {sentence}: quantize a network whose neurons Loihi 1 has")


def _bias(name: str, neuron: IntegerNeuron) -> tuple[Array, Array]:
    """Return mantissas of 12 bits and a sign, which leave out -4096, and an exponent for each."""
    smallest = neuron.bias_mantissa < -BIAS_MANTISSA_MAX
    if smallest.any() and neuron.bias_exponent == BIAS_EXPONENT_MAX:
        raise FormatError(
            f"population {name}: the bias mantissa {neuron.bias_mantissa.min()} with exponent {BIAS_EXPONENT_MAX} is "
            f"beyond Loihi 1's {-BIAS_MANTISSA_MAX}: divide weights, biases and threshold by a power of two"
        )
    mantissa = np.where(smallest, neuron.bias_mantissa >> 1, neuron.bias_mantissa)
    return mantissa, neuron.bias_exponent + smallest


def check(network: IntegerNetwork, *, unproven: bool = False) -> None:
    """Refuse, with a `FormatError`, graded input, delays that are too long, and registers that can leave their range.

    ``unproven`` allows sums and registers that can wrap or saturate.
    """
    _check_source(network)
    depths = network.depths()
    for projection in network.on_chip:
        delay = network.slack(projection, depths)
        if delay > LONGEST_DELAY:
            raise FormatError(
                f"projection {projection.source} -> {projection.target} waits {delay} steps beyond the one that every "
                f"spike takes; a synapse of Loihi 1 waits at most {LONGEST_DELAY}: put populations that relay between"
            )
    if unproven:
        return
    reached = bounds.reached(network)
    for name, each in reached.items():
        assert each.sums is not None
        _check_accumulator(name, each.sums)
    left = bounds.unproven(network)
    if left:
        raise FormatError(f"{left[0].sentence()}; quantize the network again without forcing the scale")
    for name, each in reached.items():
        current = each.bounds.u_max
        if current > CURRENT_MAX:
            raise FormatError(
                f"the synaptic current of {name} can reach {current:,}; Loihi 1 holds {CURRENT_MAX:,}, Lava one "
                "more: let the current decay faster, or divide weights, biases and threshold by a power of two"
            )


def _check_source(network: IntegerNetwork) -> None:
    neuron = network.source.neuron
    assert isinstance(neuron, Source)
    if neuron.levels != 1 and not isinstance(network, BiasNetwork):
        raise FormatError(
            f"population {network.source.name} sends {neuron.levels} levels; a spike of Loihi 1 is one bit: give the "
            "network spikes, or let the host write the first layer's sums (--input-as bias)"
        )


def _check_accumulator(name: str, sums: Range) -> None:
    """Refuse sums that leave the accumulator in some order of additions: excitation and inhibition count apart."""
    least, most = (end >> ACTIVATION_SHIFT for end in sums)
    if least < ACCUMULATOR[0] or most > ACCUMULATOR[1]:
        raise FormatError(
            f"population {name}: what arrives in one step can reach {least:,}..{most:,}; Loihi 1 "
            f"adds it up in {ACCUMULATOR[0]:,}..{ACCUMULATOR[1]:,} and wraps beyond: divide the weights, biases and "
            f"threshold of {name} by a power of two, or give its neurons fewer inputs"
        )
