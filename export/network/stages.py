"""Linear stages between two populations: convolution, dense, pooling, normalisation, other axes."""

import math
from dataclasses import dataclass

from spikeport.export.errors import NetworkError
from spikeport.export.network.arrays import Array, Pair, Shape, frozen_array, set_fields
from spikeport.export.numbers import GROUPS, NEURONS, PADDING, REAL, SIDE, Range, check_within, reals, whole

PADDING_PER_REACH = 4
"""Largest padding in reaches of the kernel; beyond one reach, outputs see padding alone."""
MOST_PADDED = 2**25
"""Positions of a source with its padding, over all channels: arrays of that size are made of it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolution:
    """Synapses that share one kernel; cross-correlation as in every deep-learning framework.

    ``weight`` is (out channels, in channels / groups, kernel height, kernel width). ``stride``, ``padding`` (zeros on
    both sides) and ``dilation`` are pairs (vertical, horizontal); ``groups`` of channels see each other alone.
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
        _check_weight(self.weight)
        for name, within in (("stride", SIDE), ("padding", PADDING), ("dilation", SIDE)):
            _check_pair(getattr(self, name), name, within)
        whole(self.groups, "groups", GROUPS, error=NetworkError)
        if self.weight.shape[0] % self.groups:
            raise NetworkError(f"{self.weight.shape[0]} output channels cannot form {self.groups} groups")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the target of a source with ``shape``."""
        channels = self.weight.shape[1] * self.groups
        if len(shape) != 3 or shape[0] != channels:
            raise NetworkError(f"a convolution over {channels} channels cannot read a source of shape {shape}")
        kernel = (self.weight.shape[2], self.weight.shape[3])
        windows = _windows(shape, kernel, self.stride, self.padding, self.dilation)
        return _bounded((self.weight.shape[0], *windows))


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense:
    """One weight for every pair: ``weight`` is (targets, sources), over sources flattened in C order."""

    weight: Array

    def __post_init__(self) -> None:
        set_fields(self, weight=frozen_array(self.weight))
        if self.weight.ndim != 2:
            raise NetworkError(f"a dense weight has 2 dimensions, found {self.weight.ndim}")
        _check_weight(self.weight)

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
        _check_pair(self.size, "size of average pooling", SIDE)

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

    def __post_init__(self) -> None:
        for name, within in (("size", SIDE), ("stride", SIDE), ("padding", PADDING)):
            _check_pair(getattr(self, name), f"{name} of max pooling", within)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape after pooling."""
        if len(shape) != 3:
            raise NetworkError(f"max pooling by {self.size} cannot read a source of shape {shape}")
        return _bounded((shape[0], *_windows(shape, self.size, self.stride, self.padding, (1, 1))))


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalization:
    """Per channel ``x * scale + shift``: batch norm, or a pixel's mean and standard deviation; float networks only."""

    scale: Array
    shift: Array

    def __post_init__(self) -> None:
        set_fields(self, scale=frozen_array(self.scale), shift=frozen_array(self.shift))
        for name in ("scale", "shift"):
            if getattr(self, name).ndim != 1:
                raise NetworkError(f"{name} of a normalisation has shape {getattr(self, name).shape}; expected (C,)")
            reals(getattr(self, name), f"{name} of a normalisation", error=NetworkError)

    def output_shape(self, shape: Shape) -> Shape:
        """Return ``shape``; the first axis are the channels."""
        if self.scale.shape != (shape[0],) or self.shift.shape != (shape[0],):
            raise NetworkError(f"normalisation of {self.scale.shape[0]} channels cannot read shape {shape}")
        return shape


@dataclass(frozen=True, kw_only=True)
class Reshape:
    """The same numbers in C order on other axes; float networks only, a pass folds it away."""

    shape: Shape

    def __post_init__(self) -> None:
        for side in self.shape:
            whole(side, "side of a shape", NEURONS, error=NetworkError)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the new shape."""
        if math.prod(shape) != math.prod(self.shape):
            raise NetworkError(f"a source of shape {shape} cannot take the shape {self.shape}")
        return self.shape


def _check_weight(weight: Array) -> None:
    """Refuse weights of which nothing can be computed."""
    if weight.dtype.kind not in "iuf" or not weight.size:
        raise NetworkError(f"weight is an array of {weight.dtype} of shape {weight.shape}; expected numbers")
    if weight.dtype.kind == "f":
        check_within(weight, "weight", REAL, error=NetworkError)


def _check_pair(pair: Pair, name: str, within: Range) -> None:
    for side in pair:
        whole(side, name, within, error=NetworkError)


def _bounded(shape: Shape) -> Shape:
    """Return ``shape`` where one population can have it."""
    whole(math.prod(shape), f"number of outputs of shape {shape}", NEURONS, error=NetworkError)
    return shape


def _windows(shape: Shape, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> tuple[int, int]:
    """Return how many windows fit into a source of ``shape`` (C, H, W), vertically and horizontally."""
    reach = [step * (size - 1) + 1 for size, step in zip(kernel, dilation, strict=True)]
    room = [side + 2 * border for side, border in zip(shape[1:], padding, strict=True)]
    for border, most in zip(padding, reach, strict=True):
        if border > PADDING_PER_REACH * most:
            raise NetworkError(
                f"padding {padding} of a kernel that reaches over {reach[0]:,} x {reach[1]:,} positions; expected at "
                f"most {PADDING_PER_REACH} times as much as the kernel reaches, since padding alone gives no spikes"
            )
    if shape[0] * math.prod(room) > MOST_PADDED:
        raise NetworkError(
            f"a source of shape {shape} with padding {padding} has {shape[0] * math.prod(room):,} positions; expected "
            f"at most {MOST_PADDED:,}"
        )
    rows, columns = ((room[axis] - reach[axis]) // stride[axis] + 1 for axis in (0, 1))
    if min(rows, columns) < 1:
        raise NetworkError(f"kernel {kernel} does not fit into a source of shape {shape}")
    return rows, columns


Synapses = Convolution | Dense
Stage = Convolution | Dense | AveragePooling | MaxPooling | Normalization | Reshape
