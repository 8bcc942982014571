"""Chains and single layers with their input spikes, whose random numbers depend on a name alone."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from spikeport.export import loihi1
from spikeport.export.biases import Biases, written
from spikeport.export.errors import FormatError
from spikeport.export.network import (
    Array,
    BiasNetwork,
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)

Made = tuple[list[IntegerPopulation], list[IntegerProjection], Array]
"""Populations, projections and spikes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A network and its spikes, bool (steps, *shape of the source)."""

    name: str
    network: IntegerNetwork
    spikes: Array
    image: Array | None = None
    """Levels of a held image that the host writes as biases; then there are no spikes."""

    def biases(self) -> dict[str, Biases]:
        """Return what the host writes for the image, by population."""
        return {} if self.image is None else written(self.network, self.image[None])


def generator(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def image_case(name: str, make: Callable[[np.random.Generator, int], Made]) -> Case:
    """Return a case whose input is a held image."""
    case = scaled(name, make)
    image = generator(f"{name} image").integers(0, 256, case.network.source.shape)
    return replace(case, image=image)


def case_of(
    name: str, populations: list[IntegerPopulation], projections: list[IntegerProjection], spikes: Array
) -> Case:
    kind = BiasNetwork if populations[0].neuron.levels > 1 else IntegerNetwork
    network = kind(populations=tuple(populations), projections=tuple(projections), steps=len(spikes))
    return Case(name=name, network=network, spikes=spikes)


def scaled(name: str, make: Callable[[np.random.Generator, int], Made]) -> Case:
    """Return a case whose weights, thresholds and biases are divided by 2 until no register can be left."""
    for down in range(9):
        case = case_of(name, *make(generator(name), 2**down))
        try:
            loihi1.check(case.network)
        except FormatError:
            continue
        return case
    raise ValueError(name)


def spike_trains(rng: np.random.Generator, steps: int, shape: tuple[int, ...], rate: float = 0.3) -> Array:
    return rng.random((steps, *shape)) < rate


def input_of(shape: tuple[int, ...]) -> IntegerPopulation:
    return IntegerPopulation(name="input", shape=shape, neuron=Source(levels=1, unit=1.0))


def chain(shape: tuple[int, ...], layers: list[tuple[Convolution | Dense, IntegerNeuron]], spikes: Array) -> Made:
    populations, projections = [input_of(shape)], []
    for index, (synapses, neuron) in enumerate(layers):
        source, name = populations[-1], f"layer{index}"
        target = synapses.output_shape(source.shape)
        populations.append(IntegerPopulation(name=name, shape=target, neuron=neuron))
        projections.append(IntegerProjection(source=source.name, target=name, synapses=synapses))
    return populations, projections, spikes


def one_layer(name: str, projections: list[tuple[Array, int]], neuron: IntegerNeuron, spikes: Array) -> Case:
    """Return a case of dense projections into one population."""
    size = len(projections[0][0])
    populations = [input_of(spikes.shape[1:]), IntegerPopulation(name="layer", shape=(size,), neuron=neuron)]
    made = [
        IntegerProjection(
            source="input", target="layer", synapses=Dense(weight=weight.astype(np.int8)), exponent=exponent
        )
        for weight, exponent in projections
    ]
    return case_of(name, populations, made, spikes)
