"""Linear stages between two populations: convolution, dense, pooling, normalisation."""

import math
from dataclasses import dataclass

import numpy as np

from spikeport.export.errors import NetworkError
from spikeport.export.network.arrays import Array, Pair, Shape, frozen_array, set_fields


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolution:
    """Synapses that share one kernel; cross-correlation as in every deep-learning framework.

    ``weight`` is (out channels, in channels / groups, kernel height, kernel width); pairs are (vertical, horizontal).
    """

    weight: Array
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        set_fields(self, weight=frozen_array(self.weight))
        if self.weight.ndim != 4:
            raise NetworkError(f"a convolution's weight has 4 dimensions, found {self.weight.ndim}")
        if min(self.stride) < 1 or min(self.dilation) < 1 or self.groups < 1 or min(self.padding) < 0:
            raise NetworkError(
                f"convolution with stride {self.stride}, padding {self.padding}, dilation {self.dilation} and "
                f"{self.groups} groups; all must be positive and padding not negative"
            )
        if self.weight.shape[0] % self.groups:
            raise NetworkError(f"{self.weight.shape[0]} output channels cannot form {self.groups} groups")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the target of a source with ``shape``."""
        channels = self.weight.shape[1] * self.groups
        if len(shape) != 3 or shape[0] != channels:
            raise NetworkError(f"a convolution over {channels} channels cannot read a source of shape {shape}")
        sides = tuple(
            (shape[axis + 1] + 2 * self.padding[axis] - self.dilation[axis] * (self.weight.shape[axis + 2] - 1) - 1)
            // self.stride[axis]
            + 1
            for axis in (0, 1)
        )
        if min(sides) < 1:
            raise NetworkError(f"kernel {self.weight.shape[2:]} does not fit into a source of shape {shape}")
        return (self.weight.shape[0], *sides)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense:
    """One weight for every pair: ``weight`` is (targets, sources), over sources flattened in C order."""

    weight: Array

    def __post_init__(self) -> None:
        set_fields(self, weight=frozen_array(self.weight))
        if self.weight.ndim != 2:
            raise NetworkError(f"a dense weight has 2 dimensions, found {self.weight.ndim}")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the target of a source with ``shape``."""
        if math.prod(shape) != self.weight.shape[1]:
            raise NetworkError(f"dense synapses from {self.weight.shape[1]} sources cannot read shape {shape}")
        return (self.weight.shape[0],)


@dataclass(frozen=True, kw_only=True, eq=False)
class AveragePooling:
    """Mean over windows of ``size`` that do not overlap; float networks only, a pass folds it away."""

    size: Pair

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise NetworkError(f"average pooling by {self.size}; both must be positive")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after pooling."""
        if len(shape) != 3 or shape[1] % self.size[0] or shape[2] % self.size[1]:
            raise NetworkError(f"average pooling by {self.size} does not divide a source of shape {shape}")
        return (shape[0], shape[1] // self.size[0], shape[2] // self.size[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPooling:
    """Largest value of windows of ``size``; of spikes, whether any fired. Float networks only."""

    size: Pair
    stride: Pair
    padding: Pair = (0, 0)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after pooling."""
        window = Convolution(
            weight=np.zeros((shape[0], 1, *self.size)), stride=self.stride, padding=self.padding, groups=shape[0]
        )
        return window.output_shape(shape)


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalization:
    """Per channel ``x * scale + shift``: batch norm, or a pixel's mean and standard deviation; float networks only."""

    scale: Array
    shift: Array

    def __post_init__(self) -> None:
        set_fields(self, scale=frozen_array(self.scale), shift=frozen_array(self.shift))

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``shape``; the first axis are the channels."""
        if self.scale.shape != (shape[0],) or self.shift.shape != (shape[0],):
            raise NetworkError(f"normalisation of {self.scale.shape[0]} channels cannot read shape {shape}")
        return shape


Synapses = Convolution | Dense
Stage = Convolution | Dense | AveragePooling | MaxPooling | Normalization
