"""Projections that carry nothing in the first step, not even the bias behind their weights.

A projection with a delay applies its stages to zeros before its source's first step, so its bias ``b`` arrives. Where a
framework lets nothing arrive, the potential starts lower by what the bias brings: ``(1 - d) start' + g b = (1 - d)
start`` for a neuron with decay ``d`` and gain ``g``.
"""

from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.export.linear import apply
from spikeport.export.network import Array, FloatNetwork, FloatNeuron, FloatPopulation, FloatProjection
from spikeport.export.nir_import.nodes import Graph


def silenced(network: FloatNetwork, *, late: AbstractSet[str], looped: AbstractSet[str]) -> FloatNetwork:
    """Return ``network`` where nothing arrives in the first step over silent projections.

    Silent are projections into the populations ``late``, and those with a delay among ``looped`` ones. Raises
    `FormatError` where their bias would have to be kept out of a synaptic current, or for several steps.
    """
    if not late and not looped:
        return network
    populations = tuple(_started(network, each, late=late, looped=looped) for each in network.populations)
    return replace(network, populations=populations)


def _started(
    network: FloatNetwork, population: FloatPopulation, *, late: AbstractSet[str], looped: AbstractSet[str]
) -> FloatPopulation:
    neuron, name = population.neuron, population.name
    silent = [
        projection
        for projection in network.incoming(name)
        if projection.delay and (name in late or (name in looped and projection.source in looped))
    ]
    if not isinstance(neuron, FloatNeuron) or not silent:
        return population
    shifts = [(projection.delay, _shift(network, projection, population)) for projection in silent]
    total = sum((shift for _, shift in shifts), np.zeros(population.shape))
    if not np.any(total):
        return population
    if any(delay > 1 and np.any(shift) for delay, shift in shifts) or np.any(neuron.decay_current != 1):
        raise FormatError(
            f"population {name}: nothing arrives there in the first step, not even the bias of the layer before, which "
            "a network here cannot say of a synaptic current; take a layer without bias, or, where another framework "
            "wrote the file, that one's --dialect"
        )
    if np.any(neuron.decay_potential == 1):
        raise FormatError(f"population {name}: keeps nothing, so a connection with a bias cannot be silent at first")
    start = neuron.start - neuron.gain * total / (1 - neuron.decay_potential)
    return replace(population, neuron=replace(neuron, start=start))


def _shift(network: FloatNetwork, projection: FloatProjection, target: FloatPopulation) -> Array:
    """Return what arrives over a projection whose source is silent."""
    values = np.zeros((1, *network.population(projection.source).shape))
    for stage in projection.stages:
        values = apply(stage, values)
    arrived: Array = values.reshape(target.shape)
    return arrived


def beside_loops(graph: Graph) -> list[tuple[str, str]]:
    """Return the edges where input stands beside recurrent weights: spyx leads it through them in its files only."""
    edges = set(graph.edges)
    weights = {
        start for start, end in edges if (end, start) in edges and graph.nodes[start].kind in ("Linear", "Affine")
    }
    loop = {start: end for start, end in graph.edges if start in weights and (end, start) in edges}
    return [(start, loop[end]) if end in loop and start != loop[end] else (start, end) for start, end in graph.edges]
