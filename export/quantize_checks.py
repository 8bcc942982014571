"""What the quantizer refuses: neurons, decays and thresholds that no scale helps, and numbers that rounding loses."""

from collections.abc import Sequence

import numpy as np

from spikeport.export.errors import QuantizationError
from spikeport.export.network import (
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    IntegerNeuron,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus.encoding import MOST_LEVELS, bits_sentence
from spikeport.export.targets import LAVA, Target

DECAY_UNITY = 4096


def check_neurons(network: FloatNetwork) -> None:
    """Refuse inputs and neurons that Loihi does not have, with the nearest alternative."""
    source = network.source.neuron
    if isinstance(source, Source) and source.levels > MOST_LEVELS:
        raise QuantizationError(f"{bits_sentence(source.levels)}: give at most {MOST_LEVELS} levels")
    for population in network.neurons:
        neuron = population.neuron
        assert isinstance(neuron, FloatNeuron)
        if neuron.most != 1:
            raise QuantizationError(
                f"population {population.name} fires several spikes a step; Loihi's neurons fire one: "
                "train it with one spike a step, import it so (--most 1, most=1 in Python), which changes what it "
                "computes, or stay with the float executor"
            )
        if neuron.refractory:
            raise QuantizationError(
                f"population {population.name} rests for {neuron.refractory} steps after a spike; our Loihi neurons do "
                "not: train or import it without (reset='hard'), or stay with the float executor"
            )
        if neuron.overhang:
            raise QuantizationError(
                f"population {population.name} compares what its reset left above the threshold by a rule of its own "
                "(snnTorch's reset_delay=False); Loihi's neurons do not: train or import it with reset='subtract', "
                "or stay with the float executor"
            )
        if neuron.threshold is None and np.any(neuron.start != 0):
            raise QuantizationError(
                f"population {population.name} never fires and starts at {neuron.start.max():g}; Loihi's potentials "
                "start at zero: set start to zero and add it to the scores, or stay with the float executor"
            )
        if np.any(neuron.gain != 1) or np.any(neuron.start != 0):
            raise QuantizationError(
                f"population {population.name} has a gain or a start of its own: run spikeport.export.passes first"
            )
        if neuron.threshold is None and network.outgoing(population.name):
            raise QuantizationError(
                f"population {population.name} never fires but is the source of others; Loihi sends spikes only: "
                "put spiking neurons there, or stay with the float executor"
            )


def check_decays(population: FloatPopulation, target: Target) -> None:
    """Refuse decays that the target does not have; no scale changes them."""
    neuron = population.neuron
    assert isinstance(neuron, FloatNeuron)
    for name, held in (("decay_current", target.decay_current), ("decay_potential", target.decay_potential)):
        decay = np.rint(getattr(neuron, name) * DECAY_UNITY)
        if decay.min() < held[0] or decay.max() > held[1]:
            raise QuantizationError(
                f"population {population.name}: {name} is {decay.min():.0f} to {decay.max():.0f} in 1/{DECAY_UNITY}; "
                f"{target.name} holds {held[0]} to {held[1]}: train or import it with such a time constant"
            )


def check_threshold(population: FloatPopulation, scale: float, target: Target) -> None:
    """Refuse a threshold beyond the register at a scale that the weights need."""
    assert isinstance(population.neuron, FloatNeuron)
    if population.neuron.threshold is None:
        return
    scaled = np.asarray(population.neuron.threshold) * scale
    if np.abs(scaled).max() > target.threshold[1] + 1:
        name = "Loihi" if target is LAVA else target.name
        raise QuantizationError(
            f"population {population.name}: at the scale of its weights the threshold is {scaled.min():,.0f} to "
            f"{scaled.max():,.0f}; {name} holds up to {target.threshold[1]:,}: scale the weights up or lower the "
            "threshold"
        )


def check_kept(
    population: FloatPopulation, integer: IntegerNeuron, lost: Sequence[IntegerProjection], too_large: str = ""
) -> None:
    """Refuse to round to nothing what was something: ``lost`` projections, resets, decays and the floor.

    ``too_large`` says why the scale is no larger, and the way out.
    """
    neuron = population.neuron
    assert isinstance(neuron, FloatNeuron)
    for projection in lost:
        raise QuantizationError(
            f"projection {projection.source} -> {projection.target}: all weights round to zero beside the "
            f"biases and the other projections of {population.name}{too_large}"
        )
    _check_floor(population, integer)
    pairs = (
        ("reset_by", neuron.reset_by, integer.reset_by),
        ("decay_potential", neuron.decay_potential, integer.decay_v),
        ("decay_current", 1 - neuron.decay_current, DECAY_UNITY - integer.decay_u),
    )
    for name, before, after in pairs:
        if before is not None and after is not None and np.any((before != 0) & (np.asarray(after) == 0)):
            raise QuantizationError(
                f"population {population.name}: {name} is too small for Loihi's integers "
                f"(1/{DECAY_UNITY} for decays, 1/{integer.scale:.4g} for resets) but not zero; "
                "set it to zero or make it larger"
            )


def _check_floor(population: FloatPopulation, integer: IntegerNeuron) -> None:
    """Refuse a floor that rounding moves to zero, or to where the neuron fires."""
    neuron = population.neuron
    assert isinstance(neuron, FloatNeuron)
    if neuron.floor is None or integer.floor is None:
        return
    if np.any((neuron.floor != 0) & (integer.floor == 0)):
        raise QuantizationError(
            f"population {population.name}: floor is too small for Loihi's integers (1/{integer.scale:.4g}) but not "
            "zero; set it to zero or make it larger"
        )
    if integer.threshold is not None and np.any(
        (integer.floor > integer.threshold) & (neuron.floor < neuron.threshold)
    ):
        raise QuantizationError(
            f"population {population.name}: floor and threshold are less than a unit apart in Loihi's integers "
            f"(1/{integer.scale:.4g}), and a neuron on its floor would fire; lower the floor"
        )
