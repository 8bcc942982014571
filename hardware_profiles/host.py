"""What the host does where it writes a held image as biases: the first layer once an image, a register a neuron."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from spikeport.export.bias_form import Rounding, measured
from spikeport.export.biases import REGISTER_BYTES
from spikeport.export.geometry import fan_out
from spikeport.export.network import BiasNetwork, Network
from spikeport.export.stimulus import Stimulus
from spikeport.hardware_profiles.energy import EnergyPerImage
from spikeport.hardware_profiles.result import Result

Named = TypeVar("Named")


@dataclass(frozen=True, kw_only=True)
class HostWork(Result):
    """The host's part of an image, and what the registers' rounding changes on all ``images``.

    ``multiply_accumulates``: of a mean image, pixels that are not zero times their non-zero synapses, once per held
    image and not once per step. ``neurons`` get a bias each image: ``bytes`` is what is written, ``bytes_per_neuron``
    times as many (13 bits of mantissa with its sign, 3 bits of exponent).
    """

    multiply_accumulates: float
    neurons: int
    bytes_per_neuron: int
    bytes: int
    rounding: Rounding


def host_work(network: Network, stimulus: Stimulus) -> HostWork | None:
    """Return what the host does for a mean image; None where the chip takes the input itself."""
    if not isinstance(network, BiasNetwork):
        return None
    active = np.count_nonzero(stimulus.values, axis=0)
    shape = network.source.shape
    total = sum(int((active * fan_out(p.synapses, shape, p.output_shape(shape))).sum()) for p in network.host)
    neurons = sum(math.prod(population.shape) for population in network.biased)
    return HostWork(
        multiply_accumulates=total / len(stimulus),
        neurons=neurons,
        bytes_per_neuron=REGISTER_BYTES,
        bytes=neurons * REGISTER_BYTES,
        rounding=measured(network, stimulus),
    )


def without_first_layer(network: Network, found: EnergyPerImage) -> EnergyPerImage:
    """Return an energy without a first layer on the chip, where the host writes the input as biases."""
    if not isinstance(network, BiasNetwork):
        return found
    return replace(
        found,
        first_layer_chip=0.0,
        unknown=_without_chip(found.unknown),
        assumed=_without_chip(found.assumed),
        scaled=_without_chip(found.scaled),
    )


def _without_chip(parts: Mapping[str, Named]) -> dict[str, Named]:
    return {part: each for part, each in parts.items() if part != "first_layer_chip"}
