"""The biases that the host writes for a held image: what arrives from a graded input, as the bias register holds it.

Once per image, per neuron of every population that the source of a `BiasNetwork` projects to::

    drive = 64 sum over the source's projections of (W << exponent) x  +  (bias_mantissa << bias_exponent)
    bias  = mantissa << exponent,    |mantissa| <= 4095,    exponent in 0..7

``bias`` is the value of that form which is nearest to ``drive``, of two equally near the larger in magnitude: the
smallest exponent that reaches is taken, and the mantissa rounded. It is exact up to 4,095 and for multiples of
``2^exponent``; drives beyond 524,160 = 4095 << 7 get that value.

Sources: Davies et al., IEEE Micro 2018 (12-bit mantissa, 3-bit exponent, both per compartment); nengo-loihi 1.1.0 takes
mantissas of -4095..4095, lava-nc 0.10.0 those of -4096..4095: what both have is taken. The sign is a thirteenth bit, so
a neuron's two registers take 16 bits. This module also runs in Lava's Python 3.10.
"""

import math
from dataclasses import dataclass

import numpy as np

from spikeport.export.fixed_point import ACTIVATION_SHIFT, BIAS_EXPONENT_MAX, BIAS_MANTISSA_MAX, Integers
from spikeport.export.linear import synaptic_sum
from spikeport.export.network import Array, BiasNetwork, IntegerNeuron

LARGEST = BIAS_MANTISSA_MAX << BIAS_EXPONENT_MAX
"""The largest bias in units of the potential."""
REGISTER_BYTES = 2
"""What the host writes per neuron: 13 bits of mantissa with its sign and 3 bits of exponent."""
AT_ONCE = 2**22
"""Drives, 8 bytes each, that are computed at a time."""
REACHES = np.array([(((2 * BIAS_MANTISSA_MAX + 1) << exponent) - 1) >> 1 for exponent in range(BIAS_EXPONENT_MAX)])
"""By exponent, the largest magnitude that still rounds to a mantissa of 4095."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Biases:
    """What the registers of neurons hold: ``mantissa`` int16 and ``exponent`` uint8, both (N, *shape)."""

    mantissa: Array
    exponent: Array

    @property
    def values(self) -> Integers:
        """The biases in units of the potential, (N, *shape)."""
        return self.mantissa.astype(np.int64) << self.exponent.astype(np.int64)


def nearest(drive: Integers) -> Biases:
    """Return the registers that are nearest to ``drive``, whole numbers in units of the potential."""
    size = np.abs(drive)
    exponent = np.searchsorted(REACHES, size)
    mantissa = np.minimum((size + ((1 << exponent) >> 1)) >> exponent, BIAS_MANTISSA_MAX)
    return Biases(mantissa=(np.sign(drive) * mantissa).astype(np.int16), exponent=exponent.astype(np.uint8))


def drives(network: BiasNetwork, frames: Array) -> dict[str, Integers]:
    """Return what ``frames`` (N, *source) give each neuron at every step, in units of the potential, by population."""
    found: dict[str, Integers] = {}
    for projection in network.host:
        population = network.population(projection.target)
        if population.name not in found:
            found[population.name] = np.broadcast_to(own_bias(population.neuron), (len(frames), *population.shape))
        arriving = synaptic_sum(projection.synapses, frames) << (projection.exponent + ACTIVATION_SHIFT)
        found[population.name] = found[population.name] + arriving.reshape(-1, *population.shape)
    return found


def own_bias(neuron: object) -> Integers:
    """Return the bias that a neuron has by itself, in units of the potential."""
    assert isinstance(neuron, IntegerNeuron)
    return neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent


def batch_size(network: BiasNetwork) -> int:
    """Return of how many images the drives are computed at a time."""
    return max(1, AT_ONCE // sum(math.prod(population.shape) for population in network.biased))


def written(network: BiasNetwork, frames: Array) -> dict[str, Biases]:
    """Return what the host writes for held images (N, *source), by population."""
    return {name: nearest(drive) for name, drive in drives(network, frames).items()}
