"""Turn max pooling of spikes into a population: whether any neuron of the window fired."""

from dataclasses import replace

import numpy as np

from spikeport.export.errors import NetworkError
from spikeport.export.network import (
    Convolution,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    MaxPooling,
    Pair,
    Shape,
)
from spikeport.export.passes.contract import NO_MAX_POOLING, network_pass

ANY = 0.5
"""Threshold of a neuron that fires when at least one spike of weight one arrives."""


@network_pass(guarantees=(NO_MAX_POOLING,))
def expand_max_pooling(network: FloatNetwork) -> FloatNetwork:
    """Return ``network`` without max pooling stages.

    1. A projection that starts with max pooling gets a new source, a population of one memoryless neuron per window:
       all weights one, threshold one half, hard reset. Projections with the same window share it.
    2. Max pooling of anything but spikes, or behind another stage, is refused: it is not linear.
    """
    populations, projections = list(network.populations), []
    made: dict[tuple[str, Pair, Pair, Pair], str] = {}
    for projection in network.projections:
        stage, *rest = projection.stages or (None,)
        if any(isinstance(later, MaxPooling) for later in rest):
            raise NetworkError(f"{_label(projection)}: max pooling must be the first stage; pool the spikes themselves")
        if not isinstance(stage, MaxPooling):
            projections.append(projection)
            continue
        key = (projection.source, stage.size, stage.stride, stage.padding)
        if key not in made:
            made[key] = _free_name(f"{projection.source}_pool", populations)
            pooled, window = _pooled(network, projection, stage, made[key])
            populations.append(pooled)
            projections.append(window)
        projections.append(replace(projection, source=made[key], stages=tuple(rest)))
    return replace(network, populations=tuple(populations), projections=tuple(projections))


def _pooled(
    network: FloatNetwork, projection: FloatProjection, stage: MaxPooling, name: str
) -> tuple[FloatPopulation, FloatProjection]:
    source = network.population(projection.source)
    if not isinstance(source.neuron, FloatNeuron) or source.neuron.threshold is None or source.neuron.most != 1:
        raise NetworkError(f"{_label(projection)}: max pooling of what is not one spike a step; use average pooling")
    channels = source.shape[0]
    window = Convolution(
        weight=np.ones((channels, 1, *stage.size)), stride=stage.stride, padding=stage.padding, groups=channels
    )
    shape: Shape = stage.output_shape(source.shape)
    population = FloatPopulation(name=name, shape=shape, neuron=FloatNeuron(threshold=np.array(ANY)))
    return population, FloatProjection(source=source.name, target=name, stages=(window,))


def _free_name(name: str, populations: list[FloatPopulation]) -> str:
    taken = {population.name for population in populations}
    while name in taken:
        name += "_"
    return name


def _label(projection: FloatProjection) -> str:
    return f"projection {projection.source} -> {projection.target}"
