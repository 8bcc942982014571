"""Rewrite neurons so that their input counts once and their potential starts at zero, as Loihi's do."""

from dataclasses import replace

import numpy as np

from spikeport.export.errors import NetworkError
from spikeport.export.network import (
    Array,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Normalization,
)
from spikeport.export.passes.contract import UNIT_GAINS, network_pass


@network_pass(guarantees=(UNIT_GAINS,))
def normalize_neurons(network: FloatNetwork) -> FloatNetwork:
    """Return ``network`` with gains of one and potentials that start at zero; the spikes are the same.

    1. A gain g > 0 divides everything that the potential is compared with or set to: ``v / g`` is the new potential.
    2. The gain of a population that never fires, whose potential is an output, multiplies the synapses instead.
    3. A start v0 moves the potential, ``v - v0``: threshold, reset and floor move along, and a leak toward zero becomes
       a bias of ``-decay v0``. Neurons of several spikes a step keep theirs: how many thresholds fit would change.
    """
    populations = tuple(_normalized(population) for population in network.populations)
    projections = tuple(_scaled(network.population(p.target), p) for p in network.projections)
    return replace(network, populations=populations, projections=projections)


def _normalized(population: FloatPopulation) -> FloatPopulation:
    neuron = population.neuron
    if not isinstance(neuron, FloatNeuron):
        return population
    if neuron.threshold is None:
        return replace(population, neuron=replace(neuron, gain=np.ones(())))
    if np.any(neuron.gain <= 0):
        raise NetworkError(f"population {population.name}: gain {np.min(neuron.gain):g}; expected positive gains")
    if np.any(neuron.gain != 1):
        neuron = _divided(neuron)
    if np.any(neuron.start != 0) and neuron.most == 1:
        neuron = _moved(population.name, neuron)
    return replace(population, neuron=neuron)


def _divided(neuron: FloatNeuron) -> FloatNeuron:
    names = ("threshold", "bias", "reset_to", "reset_by", "start", "floor")
    values = {name: getattr(neuron, name) for name in names}
    divided = {name: value / neuron.gain for name, value in values.items() if value is not None}
    return replace(neuron, gain=np.ones(()), **divided)


def _moved(name: str, neuron: FloatNeuron) -> FloatNeuron:
    assert neuron.threshold is not None
    threshold = neuron.threshold - neuron.start
    if np.any(threshold <= 0):
        raise NetworkError(f"population {name} starts at or above its threshold; expected a start below")
    return replace(
        neuron,
        threshold=threshold,
        bias=neuron.bias - neuron.decay_potential * neuron.start,
        reset_to=neuron.reset_to - neuron.start,
        floor=None if neuron.floor is None else neuron.floor - neuron.start,
        start=np.zeros(()),
    )


def _scaled(target: FloatPopulation, projection: FloatProjection) -> FloatProjection:
    neuron = target.neuron
    assert isinstance(neuron, FloatNeuron)
    if neuron.threshold is not None or np.all(neuron.gain == 1):
        return projection
    gain: Array = np.broadcast_to(neuron.gain, target.shape).reshape(target.shape[0], -1)
    if np.any(gain != gain[:, :1]):
        raise NetworkError(f"population {target.name} never fires and its gain differs within a channel")
    stage = Normalization(scale=gain[:, 0], shift=np.zeros(len(gain)))
    return replace(projection, stages=(*projection.stages, stage))
