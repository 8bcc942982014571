"""Fold batch norm and pixel mean/std into weights and biases."""

import math
from dataclasses import replace

import numpy as np

from spikeport.export.linear import apply
from spikeport.export.network import (
    Array,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Normalization,
    Reshape,
    Shape,
    Stage,
    Synapses,
)
from spikeport.export.passes.contract import NO_MAX_POOLING, NO_NORMALIZATION, UNIT_GAINS, network_pass
from spikeport.export.passes.fold_synapses import identity


@network_pass(requires=(NO_MAX_POOLING, UNIT_GAINS), guarantees=(NO_NORMALIZATION,))
def fold_normalization(network: FloatNetwork) -> FloatNetwork:
    """Return ``network`` without normalisation stages.

    1. What a projection gives for an input of zeros, true borders included, is added to the target's bias; it is
       one value per channel unless zero padding after a shift makes it a map.
    2. The scale of a normalisation before the synapses multiplies their weights per input channel.
    3. The scale of one behind the synapses multiplies their weights per output channel.
    4. Where the target's synaptic current has memory, a constant is no bias: one more neuron fires at every step
       and carries it.
    5. What is left of a projection with zero weights only, an offset's carrier, is dropped, unless its target or its
       source has no other.
    6. Without synapses at all, the scale becomes those of an identity.
    """
    projections = tuple(_folded(network, projection) for projection in network.projections)
    populations, added = [], []
    for population in network.populations:
        if isinstance(population.neuron, FloatNeuron) and np.any(population.neuron.decay_current < 1):
            populations.append(population)
            added += [pair for p in network.incoming(population.name) for pair in _constant(network, p)]
        else:
            populations.append(_biased(network, population))
    return replace(
        network,
        populations=(*populations, *(population for population, _ in added)),
        projections=(
            *_carrying(projections, network.source.name),
            *(projection for _, pair in added for projection in pair),
        ),
    )


def _carrying(projections: tuple[FloatProjection, ...], source: str) -> list[FloatProjection]:
    """Leave out projections whose weights are all zero, as long as each target and each source of others keeps one."""
    kept = [p for p in projections if not any(_is_zero(stage) for stage in p.stages)]
    reached, sending = {projection.target for projection in kept}, {source, *_sending(kept)}
    for projection in projections:
        if projection.target not in reached or projection.source not in sending:
            kept.append(projection)
            reached.add(projection.target)
            sending |= _sending([projection])
    return [projection for projection in projections if any(projection is each for each in kept)]


def _sending(projections: list[FloatProjection]) -> set[str]:
    return {projection.source for projection in projections if projection.source != projection.target}


def _is_zero(stage: Stage) -> bool:
    return isinstance(stage, Convolution | Dense) and not stage.weight.any()


def _constant(
    network: FloatNetwork, projection: FloatProjection
) -> list[tuple[FloatPopulation, tuple[FloatProjection, FloatProjection]]]:
    """Return one neuron that fires at every step, and the projections that carry the offset."""
    offset = _offset(network, projection)
    if offset is None or not offset.any():
        return []
    name = f"{network.label(projection)}-offset".replace(":", "-")
    neuron = FloatPopulation(name=name, shape=(1,), neuron=FloatNeuron(threshold=np.array(0.5), bias=np.array(1.0)))
    size = math.prod(network.source.shape)
    silent = FloatProjection(source=network.source.name, target=name, stages=(Dense(weight=np.zeros((1, size))),))
    weight = Dense(weight=offset.reshape(-1, 1))
    return [(neuron, (silent, FloatProjection(source=name, target=projection.target, stages=(weight,))))]


def _biased(network: FloatNetwork, population: FloatPopulation) -> FloatPopulation:
    offsets = [_offset(network, projection) for projection in network.incoming(population.name)]
    added = [offset for offset in offsets if offset is not None]
    if not added or not isinstance(population.neuron, FloatNeuron):
        return population
    bias = _compact(sum(added, start=population.neuron.bias))
    return replace(population, neuron=replace(population.neuron, bias=bias))


def _offset(network: FloatNetwork, projection: FloatProjection) -> Array | None:
    if not any(isinstance(stage, Normalization) for stage in projection.stages):
        return None
    values: Array = np.zeros((1, *network.population(projection.source).shape))
    for stage in projection.stages:
        values = apply(stage, values)
    return values.reshape(network.population(projection.target).shape)


def _compact(bias: Array) -> Array:
    """Return one value per channel where the map allows it."""
    if bias.ndim == 3 and np.all(bias == bias[:, :1, :1]):
        return bias[:, :1, :1]
    return bias


def _folded(network: FloatNetwork, projection: FloatProjection) -> FloatProjection:
    shape = network.population(projection.source).shape
    stages: list[Stage] = []
    before: Array | None = None
    for stage in projection.stages:
        if isinstance(stage, Normalization):
            synapses = _last_synapses(stages)
            if synapses is None:
                before = stage.scale if before is None else before * stage.scale
            else:
                stages[-1] = _scaled_outputs(synapses, stage.scale)
        elif isinstance(stage, Convolution | Dense) and before is not None:
            stages.append(_scaled_inputs(stage, before, shape))
            before = None
        elif isinstance(stage, Reshape) and before is not None:
            stages += [_scaled_inputs(identity(shape, projection), before, shape), stage]
            before = None
        else:
            stages.append(stage)
        shape = stage.output_shape(shape)
    if before is not None:
        stages.append(_scaled_inputs(identity(shape, projection), before, shape))
    return replace(projection, stages=tuple(stages))


def _last_synapses(stages: list[Stage]) -> Synapses | None:
    return stages[-1] if stages and isinstance(stages[-1], Convolution | Dense) else None


def _scaled_outputs(synapses: Synapses, scale: Array) -> Synapses:
    return replace(synapses, weight=synapses.weight * scale.reshape(-1, *(1,) * (synapses.weight.ndim - 1)))


def _scaled_inputs(synapses: Synapses, scale: Array, shape: Shape) -> Synapses:
    if isinstance(synapses, Dense):
        columns = np.broadcast_to(scale.reshape(-1, *(1,) * (len(shape) - 1)), shape).reshape(-1)
        return replace(synapses, weight=synapses.weight * columns)
    outputs, inputs = synapses.weight.shape[:2]
    per_group = np.repeat(scale.reshape(synapses.groups, inputs), outputs // synapses.groups, axis=0)
    return replace(synapses, weight=synapses.weight * per_group[:, :, None, None])
