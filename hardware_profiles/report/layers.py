"""The table of the layers: weights, zeros, bits, density, fan-out, and synaptic memory on every profile."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spikeport.export.network import Array, Convolution, IntegerNetwork, Network
from spikeport.hardware_profiles.counting import FanOuts
from spikeport.hardware_profiles.counting.parts import called, parts
from spikeport.hardware_profiles.layer_memory import layer_memory
from spikeport.hardware_profiles.placement import Placement
from spikeport.hardware_profiles.result import Result


@dataclass(frozen=True, kw_only=True)
class LayerSummary(Result):
    """One projection; ``part`` tells it from others of the same two populations.

    ``weights``: stored numbers, pooling folded into the kernels, of which the share ``zeros`` is zero; ``bits``: those
    that the largest integer weight takes, with its sign (None: real weights). ``synapses``: not zero, written out;
    ``density``: their share of all pairs of a source and a target neuron; fan-outs are those of a source neuron.
    ``memory``: bytes of its lists on all cores by profile, None where the host holds it.
    """

    source: str
    target: str
    kind: str
    weights: int
    zeros: float
    bits: int | None
    synapses: int
    density: float
    fan_out_mean: float
    fan_out_max: int
    memory: Mapping[str, int | None]
    part: str = ""

    @property
    def name(self) -> str:
        """The projection's name, with what tells it from others of the same two populations."""
        return called(self.source, self.target, self.part)


def layers(network: Network, fan_outs: Sequence[FanOuts], placed: Mapping[str, Placement]) -> tuple[LayerSummary, ...]:
    """Return a row for every projection of the network whose synapses are counted and placed."""
    memory = {name: layer_memory(network, placement) for name, placement in placed.items()}
    return tuple(
        _layer(network, number, each, {name: found[number] for name, found in memory.items()}, part)
        for number, (each, part) in enumerate(zip(fan_outs, parts(network), strict=True))
    )


def _layer(
    network: Network, number: int, fan_out: FanOuts, memory: Mapping[str, int | None], part: str
) -> LayerSummary:
    projection = network.projections[number]
    weight = projection.synapses.weight
    neurons = [math.prod(network.population(name).shape) for name in (projection.source, projection.target)]
    synapses = int(fan_out.fused.sum())
    return LayerSummary(
        source=projection.source,
        target=projection.target,
        kind="convolution" if isinstance(projection.synapses, Convolution) else "dense",
        weights=weight.size,
        zeros=(weight.size - int(np.count_nonzero(weight))) / weight.size,
        bits=bits_of(weight) if isinstance(network, IntegerNetwork) else None,
        synapses=synapses,
        density=synapses / (neurons[0] * neurons[1]),
        fan_out_mean=synapses / neurons[0],
        fan_out_max=int(fan_out.fused.max()),
        memory=memory,
        part=part,
    )


def bits_of(weight: Array) -> int:
    """Return the bits of the largest of integer weights in two's complement, 1 where all are zero."""
    least, most = int(weight.min()), int(weight.max())
    return 1 + max(most.bit_length() if most > 0 else 0, (-least - 1).bit_length() if least < 0 else 0)
