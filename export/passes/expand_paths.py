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

MOST_PROJECTIONS = 20_000
"""Paths of branching streams double at every one; a network that deep is refused instead of written out."""
MOST_STAGES = 1_000_000


@network_pass(requires=(NO_MAX_POOLING,), guarantees=(NO_STREAMS,))
def expand_paths(network: FloatNetwork) -> FloatNetwork:
    """Return ``network`` without streams: populations that never fire, keep nothing, and are sources of others.

    A stream is a sum of currents, so what it feeds is linear in earlier spikes:

    1. Every path source -> stream -> target becomes one projection with the stages of both, delays added.
    2. A shift behind the stream (batch norm) must count once, not once per path: only the first path keeps it.
    """
    paths = _Paths(network)
    gone = {population.name for population in network.neurons if is_stream(network, population)}
    for population in network.neurons:
        if population.name in gone:
            paths.join(population)
    if not gone:
        return network
    populations = tuple(population for population in network.populations if population.name not in gone)
    return replace(network, populations=populations, projections=tuple(paths.projections.values()))


class _Paths:
    """Projections by number, in order, while streams disappear one after another."""

    def __init__(self, network: FloatNetwork) -> None:
        self.projections: dict[int, FloatProjection] = {}
        self.into: dict[str, dict[int, None]] = {population.name: {} for population in network.populations}
        self.out_of: dict[str, dict[int, None]] = {population.name: {} for population in network.populations}
        self.count = self.stages = 0
        for projection in network.projections:
            self.add(projection)

    def add(self, projection: FloatProjection) -> None:
        """Add a projection behind the others."""
        self.projections[self.count] = projection
        self.into[projection.target][self.count] = self.out_of[projection.source][self.count] = None
        self.count += 1

    def remove(self, number: int) -> FloatProjection:
        """Remove and return a projection."""
        projection = self.projections.pop(number)
        del self.into[projection.target][number]
        del self.out_of[projection.source][number]
        return projection

    def join(self, stream: FloatPopulation) -> None:
        """Put a projection for every path through ``stream`` in place of those into it and out of it."""
        incoming, outgoing = list(self.into[stream.name]), list(self.out_of[stream.name])
        assert isinstance(stream.neuron, FloatNeuron)
        if stream.neuron.bias.any() or set(incoming) & set(outgoing):
            raise NetworkError(f"population {stream.name}: a stream has neither a bias nor a projection to itself")
        before = [self.remove(number) for number in incoming]
        after = [self.remove(number) for number in outgoing]
        if len(self.projections) + len(before) * len(after) > MOST_PROJECTIONS:
            raise NetworkError(
                f"the paths through population {stream.name} become more than {MOST_PROJECTIONS:,} projections"
            )
        for last in after:
            for index, first in enumerate(before):
                stages = first.stages + (last.stages if index == 0 else unshifted(last))
                self.stages += 0 if len(before) * len(after) == 1 else len(stages)
                delay = first.delay + last.delay
                self.add(FloatProjection(source=first.source, target=last.target, stages=stages, delay=delay))
        if self.stages > MOST_STAGES:
            raise NetworkError(f"the paths through population {stream.name} take more than {MOST_STAGES:,} stages")


def unshifted(projection: FloatProjection) -> tuple[Stage, ...]:
    """Return the linear part of a projection's stages."""
    return tuple(
        replace(stage, shift=np.zeros_like(stage.shift)) if isinstance(stage, Normalization) else stage
        for stage in projection.stages
    )
