"""The layers of the integers beside those of the float network that they were made of."""

import math
from dataclasses import dataclass

import numpy as np

from spikeport.export import archive
from spikeport.export.layer_differences import comparable, differences
from spikeport.export.network import Convolution, FloatNetwork, IntegerNetwork
from spikeport.export.stimulus import Stimulus
from spikeport.hardware_profiles.result import Result
from spikeport.hardware_profiles.shares import Mean, mean

MOST_IMAGES, MOST_WORK = 100, 2 * 10**10
"""Images on which layers are compared, the first, and multiplications of all of them by every weight, at most.

The executors that give potentials take half a minute for so many.
"""


@dataclass(frozen=True, kw_only=True)
class LayerComparison(Result):
    """One population that fires, means over images with their standard errors.

    Rates are spikes per neuron and step; ``changed``: share of neurons and steps whose spike is another;
    ``potential``: mean absolute difference of the potentials before the reset, in thresholds
    (`spikeport.export.layer_differences`).
    """

    population: str
    neurons: int
    float_rate: Mean
    integer_rate: Mean
    changed: Mean
    potential: Mean


@dataclass(frozen=True, kw_only=True)
class Comparison(Result):
    """Float network (``digest``) and integers on the first ``images`` images; ``classes``: share of another class."""

    digest: str
    images: int
    classes: Mean
    layers: tuple[LayerComparison, ...]


def comparison(network: FloatNetwork, integers: IntegerNetwork, stimulus: Stimulus) -> Comparison:
    """Compare layer by layer; `NetworkError` where the integers were not made of ``network``."""
    alike, images = comparable(network, integers), stimulus.first(_count(integers, len(stimulus)))
    found = differences(alike, integers, images)
    return Comparison(
        digest=archive.digest(network),
        images=len(images),
        classes=mean(np.asarray(found.classes)),
        layers=tuple(
            LayerComparison(
                population=each.population,
                neurons=each.neurons,
                float_rate=mean(each.rates[0]),
                integer_rate=mean(each.rates[1]),
                changed=mean(each.changed),
                potential=mean(each.potential),
            )
            for each in found.layers
        ),
    )


def _count(network: IntegerNetwork, images: int) -> int:
    """Return on how many images layers are compared: one at least."""
    return max(1, min(images, MOST_IMAGES, MOST_WORK // (network.steps * _multiplications(network))))


def _multiplications(network: IntegerNetwork) -> int:
    """Return the multiplications of a step, zeros too: every weight at every position of its kernel's targets."""
    shapes = [network.population(each.target).shape for each in network.projections]
    return sum(
        each.synapses.weight.size * (math.prod(shape[1:]) if isinstance(each.synapses, Convolution) else 1)
        for each, shape in zip(network.projections, shapes, strict=True)
    )
