"""Expand residual paths: streams of real values disappear, each layer gets the spikes that feed its stream."""

from dataclasses import replace

import numpy as np

from spikeport.export.errors import NetworkError
from spikeport.export.network import (
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Normalization,
    Stage,
)
from spikeport.export.passes.contract import NO_MAX_POOLING, NO_STREAMS, is_stream, network_pass


@network_pass(requires=(NO_MAX_POOLING,), guarantees=(NO_STREAMS,))
def expand_paths(network: FloatNetwork) -> FloatNetwork:
    """Return ``network`` without streams: populations that never fire, keep nothing, and are sources of others.

    A stream is a sum of currents, so what it feeds is linear in earlier spikes:

    1. Every path source -> stream -> target becomes one projection with the stages of both, delays added.
    2. A shift behind the stream (batch norm) must count once, not once per path: only the first path keeps it.
    """
    for population in network.neurons:
        if is_stream(network, population):
            network = _without(network, population)
    return network


def _without(network: FloatNetwork, stream: FloatPopulation) -> FloatNetwork:
    incoming, outgoing = network.incoming(stream.name), network.outgoing(stream.name)
    assert isinstance(stream.neuron, FloatNeuron)
    if stream.neuron.bias.any() or any(projection.target == stream.name for projection in outgoing):
        raise NetworkError(f"population {stream.name}: a stream has neither a bias nor a projection to itself")
    joined = [
        FloatProjection(
            source=before.source,
            target=after.target,
            stages=before.stages + (after.stages if index == 0 else unshifted(after)),
            delay=before.delay + after.delay,
        )
        for after in outgoing
        for index, before in enumerate(incoming)
    ]
    kept = [p for p in network.projections if stream.name not in (p.source, p.target)]
    populations = tuple(population for population in network.populations if population is not stream)
    return replace(network, populations=populations, projections=(*kept, *joined))


def unshifted(projection: FloatProjection) -> tuple[Stage, ...]:
    """Return the linear part of a projection's stages."""
    return tuple(
        replace(stage, shift=np.zeros_like(stage.shift)) if isinstance(stage, Normalization) else stage
        for stage in projection.stages
    )
