"""A trained ReLU network -> a float network whose spikes code the activations by their rates.

A population with threshold theta and activation a fires at the rate ``r = clip(a / theta, 0, 1)`` per step, and each of
its spikes counts theta in the layers behind, so that ``theta r`` stands for the activation. Reset by subtraction keeps
what a spike leaves over (Rueckauer et al., Frontiers in Neuroscience 2017). What is left after T steps is lost: a
spiking layer rounds down. ``shift`` thresholds, spread over the T steps as a bias, round to the nearest at one half
(Bu et al., ICLR 2022, who start the potential there; Loihi's neurons start at 0).

A population that gets held images alone has the same current in every step: where it is negative, no spike ever comes.
A floor of 0 under its potential therefore changes no spike, and halves the range that its register has to hold over the
steps, so that integers keep one or two bits more of its weights.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from spikeport.export.network import (
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    MaxPooling,
    Normalization,
    Reshape,
)
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking

Reset = Literal["subtractive", "hard"]


def rate_coded(
    ann: ANN, thresholds: dict[str, float], *, steps: int, shift: float = 0.0, reset: Reset = "subtractive"
) -> FloatNetwork:
    """Return the spiking network of ``ann`` over ``steps`` steps, in evaluation mode, nothing folded yet.

    ``thresholds`` has one per population with neurons; ``shift`` is in thresholds per sample. With the reset 'hard' the
    potential starts at 0 again after a spike, so that rates fall below the activations.
    """
    snn = SNN(ann.specification, Spiking(steps=steps)).to(ann.mean.dtype)
    snn.load_state_dict(ann.state_dict(), strict=False)
    network = lower(snn.eval())
    sizes = dict(thresholds)
    for projection in network.projections:
        neuron = network.population(projection.target).neuron
        if projection.target not in sizes and isinstance(neuron, FloatNeuron) and neuron.threshold is not None:
            sizes[projection.target] = sizes[projection.source]  # a window of max pooling hands spikes on as they are
    populations = tuple(
        _with_threshold(network, population, thresholds[population.name], shift, reset)
        if population.name in thresholds
        else population
        for population in network.populations
    )
    sources = {population.name: population for population in populations}
    handed_on = sizes.keys() - thresholds.keys()
    projections = tuple(
        projection
        if projection.source not in sizes or projection.target in handed_on
        else _weighed(projection, sources[projection.source], sizes[projection.source])
        for projection in network.projections
    )
    return replace(network, populations=populations, projections=projections)


def _with_threshold(
    network: FloatNetwork, population: FloatPopulation, threshold: float, shift: float, reset: Reset
) -> FloatPopulation:
    neuron, size = population.neuron, np.array(threshold)
    assert isinstance(neuron, FloatNeuron)
    bias = neuron.bias + threshold * shift / network.steps
    if reset == "hard":
        return replace(population, neuron=replace(neuron, threshold=size, bias=bias))
    held = all(each.source == network.source.name for each in network.incoming(population.name))
    floor = np.zeros(()) if held else None
    return replace(population, neuron=replace(neuron, threshold=size, bias=bias, reset_by=size, floor=floor))


def _weighed(projection: FloatProjection, source: FloatPopulation, size: float) -> FloatProjection:
    """Return a projection in which every spike of its source counts ``size``."""
    stages, shape, place = list(projection.stages), source.shape, 0
    while place < len(stages) and isinstance(stages[place], MaxPooling | Reshape):
        shape = stages[place].output_shape(shape)
        place += 1
    stages.insert(place, Normalization(scale=np.full(shape[0], size), shift=np.zeros(shape[0])))
    return replace(projection, stages=tuple(stages))
