"""Integer networks in real numbers, and whether a float network holds the same ones.

A population counts in a unit of its own, a power of two: what one activation unit is worth. float32 holds all of these
numbers exactly, so they are compared as they are.
"""

import math

import numpy as np

from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.linear import apply
from spikeport.export.network import (
    Array,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatProjection,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Normalization,
    Source,
)

HALF_UNIT = 2.0 ** -(ACTIVATION_SHIFT + 1)
"""Half a unit of potential, in activation units."""
GEOMETRY = ("stride", "padding", "dilation", "groups")
UNUSED = {
    "reset_by": None, "most": 1, "floor": None, "refractory": 0, "overhang": False, "bias": 0.0, "decay_current": 1.0,
    "decay_potential": 0.0, "gain": 1.0, "start": 0.0,
}  # fmt: skip
"""What a float neuron has and an integer one without decays has not."""


def unit_of(neuron: IntegerNeuron | Source) -> float:
    """Return the power of two nearest above 1 / scale: what one activation unit is worth."""
    assert isinstance(neuron, IntegerNeuron)
    return float(2.0 ** -math.floor(math.log2(neuron.scale)))


def compared(neuron: IntegerNeuron) -> Array:
    """Return the threshold, half a potential unit off the integers, so that ``>`` and ``>=`` agree."""
    assert neuron.threshold is not None
    return (neuron.threshold + (-HALF_UNIT if neuron.inclusive else HALF_UNIT)) * unit_of(neuron)


def bias_of(neuron: IntegerNeuron) -> Array:
    """Return the bias in activation units."""
    return np.ldexp(neuron.bias_mantissa.astype(np.float64), neuron.bias_exponent - ACTIVATION_SHIFT)


def difference(network: IntegerNetwork, restored: FloatNetwork) -> str:
    """Return what a float network without decays has in other numbers than ``network``, or nothing.

    Compared are sample length, levels, shapes, delays, geometry, and every weight, threshold, reset and bias. One more
    projection of zero weights may bring a part of the bias.
    """
    shapes = {p.name: p.shape for p in network.populations}
    theirs = {p.name: p.shape for p in restored.populations}
    other = [name for name in {**shapes, **theirs} if shapes.get(name) != theirs.get(name)]
    if other:
        return f"population {other[0]} of shape {shapes.get(other[0])} becomes one of {theirs.get(other[0])}"
    if network.steps != restored.steps:
        return f"{network.steps} steps become {restored.steps}"
    sources = [each.source.neuron for each in (network, restored)]
    if getattr(sources[0], "levels", 0) != getattr(sources[1], "levels", 0):
        return "the input has other levels"
    for population in network.neurons:
        found = restored.population(population.name).neuron
        assert isinstance(population.neuron, IntegerNeuron)
        if not isinstance(found, FloatNeuron) or not _same_neuron(population.neuron, found):
            return f"population {population.name} has other neurons"
        if not _same_synapses(network, restored, population):
            return f"population {population.name} has other synapses or another bias"
    return ""


def _same_neuron(ours: IntegerNeuron, theirs: FloatNeuron) -> bool:
    silent = ours.threshold is None and ours.keeps_nothing
    expected = UNUSED | ({"decay_potential": 1.0} if silent else {})
    if any(np.any(getattr(theirs, name) != value) for name, value in expected.items()):
        return False
    if ours.threshold is None or theirs.threshold is None:
        return ours.threshold is theirs.threshold
    resets = np.all(theirs.reset_to == ours.reset_to * unit_of(ours))
    return bool(resets and np.all(theirs.threshold == compared(ours)))


def _same_synapses(network: IntegerNetwork, restored: FloatNetwork, population: IntegerPopulation) -> bool:
    """Match the projections one to one; all that is constant in them adds up to the bias."""
    assert isinstance(population.neuron, IntegerNeuron)
    unit, left = unit_of(population.neuron), list(restored.incoming(population.name))
    offset = sum(constant(restored, projection) for projection in left)
    if not np.array_equal(offset, np.broadcast_to(bias_of(population.neuron) * unit, population.shape).ravel()):
        return False
    for ours in network.incoming(population.name):
        match = next((theirs for theirs in left if _same_projection(ours, theirs, unit)), None)
        if match is None:
            return False
        left.remove(match)
    return len(left) <= 1 and all(any(not np.any(w.weight) for w in weighted(each)) for each in left)


def constant(network: FloatNetwork, projection: FloatProjection) -> Array:
    """Return what arrives over a projection when nothing is sent."""
    value = np.zeros((1, *network.population(projection.source).shape))
    for stage in projection.stages:
        value = apply(stage, value)
    return value.ravel()


def weighted(projection: FloatProjection) -> list[Convolution | Dense]:
    """Return the stages that have weights."""
    return [stage for stage in projection.stages if isinstance(stage, Convolution | Dense)]


def _same_projection(ours: IntegerProjection, theirs: FloatProjection, unit: float) -> bool:
    """Compare source, delay and the one stage of synapses; what stands beside it may only shift."""
    own, synapses = weighted(theirs), ours.synapses
    rest = [stage for stage in theirs.stages if stage not in own]
    if len(own) != 1 or any(not isinstance(each, Normalization) or np.any(each.scale != 1) for each in rest):
        return False
    if (ours.source, ours.delay, type(synapses)) != (theirs.source, theirs.delay, type(own[0])):
        return False
    if any(getattr(synapses, name, None) != getattr(own[0], name, None) for name in GEOMETRY):
        return False
    return np.array_equal(own[0].weight, synapses.weight * (unit * 2.0**ours.exponent))
