"""What the quantizer lost that a reader has to know: weights that became zero, and bits that no weight uses."""

import math

import numpy as np

from spikeport.export.bounds import WAYS, Reached, registers, use
from spikeport.export.fixed_point import BIAS_EXPONENT_MAX, BIAS_MANTISSA_MAX
from spikeport.export.network import Bounds, FloatNetwork, IntegerNetwork, IntegerNeuron, Source
from spikeport.export.targets import WEIGHT_BITS

MUCH = 0.2
"""Share of the weights into a population from which on a reader has to know."""
UNUSED = 4
"""By so much the largest weight is below what its bits hold: two bits."""
ROUNDED = 0.01
"""Difference from a whole number from which on a weight is rounded."""
FULL = 0.5
"""Share of a register from which on it stands in the way of twice the scale."""
PIXELS = 255
HELD = ("bias", "current", "potential")
"""The registers that hold a scale down."""


def lost_bits(network: FloatNetwork, integers: IntegerNetwork, weight_bits: int) -> tuple[str, ...]:
    """Return a sentence for each population of which many weights became zero, or whose weights leave bits unused.

    ``network``: what was quantized to ``weight_bits``, one stage of synapses per projection
    (`spikeport.export.passes.folded`).
    """
    names = [population.name for population in network.neurons]
    found = [_lost(network, integers, name, weight_bits) for name in names]
    return tuple(sentence for sentence in found if sentence)


def _lost(network: FloatNetwork, integers: IntegerNetwork, name: str, weight_bits: int) -> str:
    before = sum(int(np.count_nonzero(_weight(each.stages[0]))) for each in network.incoming(name))
    after = sum(int(np.count_nonzero(each.synapses.weight)) for each in integers.incoming(name))
    lost, unused = before - after > MUCH * before, _unused(network, integers, name, weight_bits)
    room = 2 * _largest(integers, name) < 2 ** (weight_bits - 1)
    why = _held_down(integers, name, least=0.0 if lost else FULL) if room else ""
    if not lost and not (unused and why):
        return ""
    zeros = f"{before - after:,} of {before:,} weights round to zero beside the largest one"
    said = "; ".join(filter(None, (zeros if lost else "", unused)))
    more = "more bits, or " if weight_bits < WEIGHT_BITS else ""
    return f"{name}: {said}; {why or f'take {more}calibration samples, which choose at what size weights are cut'}"


def _unused(network: FloatNetwork, integers: IntegerNetwork, name: str, weight_bits: int) -> str:
    """Say that weights leave two of their bits unused, and are rounded."""
    most, largest = 2 ** (weight_bits - 1) - 1, _largest(integers, name)
    coarse = 0 < largest * UNUSED <= most and not any(each.exponent for each in integers.incoming(name))
    if not coarse or not _rounds(network, integers, name):
        return ""
    bits = math.log2(largest + 1) + 1
    return f"the largest weight is {largest} of {most} and weights are rounded, to {bits:.1f} of {weight_bits} bits"


def _largest(integers: IntegerNetwork, name: str) -> int:
    return max((int(np.abs(each.synapses.weight.astype(int)).max()) for each in integers.incoming(name)), default=0)


def _held_down(integers: IntegerNetwork, name: str, *, least: float) -> str:
    """Say which register, full to more than ``least``, holds the scale down, and what leaves it room."""
    neuron = integers.population(name).neuron
    assert isinstance(neuron, IntegerNeuron)
    register, share = max(_shares(neuron, integers.bounds[name]).items(), key=lambda each: each[1])
    if share <= least:
        return ""
    source = integers.source.neuron
    pixels = isinstance(source, Source) and source.levels == PIXELS and integers.source.name in {
        each.source for each in integers.incoming(name)
    }  # fmt: skip
    fewer = ", or fewer levels of the input (quantize --levels 63)" if pixels else ""
    return (
        f"at a larger scale its {register} could leave its register within {integers.steps} steps: "
        f"{WAYS[register]}{fewer} leave the weights more bits"
    )


def _shares(neuron: IntegerNeuron, bounds: Bounds) -> dict[str, float]:
    """Return how full the registers of `HELD` may become, as a share of what they hold."""
    full = {each.name.split()[-1]: use(each) for each in registers("", neuron, Reached(bounds))}
    bias = int(np.abs(neuron.bias_mantissa.astype(int)).max()) << neuron.bias_exponent
    full["bias"] = bias / (BIAS_MANTISSA_MAX << BIAS_EXPONENT_MAX)
    return {name: full[name] for name in HELD}


def _rounds(network: FloatNetwork, integers: IntegerNetwork, name: str) -> bool:
    """Tell whether weights are no whole multiples of what the integers count in."""
    neuron = integers.population(name).neuron
    assert isinstance(neuron, IntegerNeuron)
    for each in network.incoming(name):
        source = network.population(each.source).neuron
        scaled = _weight(each.stages[0]) * (neuron.scale * (source.unit if isinstance(source, Source) else 1.0))
        if np.any(np.abs(scaled - np.rint(scaled)) > ROUNDED):
            return True
    return False


def _weight(synapses: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    weight: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = getattr(synapses, "weight")  # noqa: B009
    return weight
