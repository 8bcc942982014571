"""Linear stages on batches: the one place where weights meet spikes, for float and integer networks alike.

Integer products run in float64, which is exact below 2**53; int8 weights times 24-bit inputs stay far below.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from spikeport.export.network import (
    Array,
    AveragePooling,
    Convolution,
    Dense,
    MaxPooling,
    Normalization,
    Reshape,
    Shape,
    Stage,
)

PART = 2**22
"""Integer weights that are held in float64 at a time."""


def apply(stage: Stage, inputs: Array) -> Array:
    """Return ``stage`` of ``inputs`` (N, ...) in float64, shape (N, ...)."""
    inputs = inputs.astype(np.float64, copy=False)
    if isinstance(stage, Convolution):
        return _convolved(stage, inputs)
    if isinstance(stage, Dense):
        return _multiplied(stage.weight, inputs.reshape(len(inputs), -1))
    if isinstance(stage, AveragePooling):
        return _pooled(stage, inputs)
    if isinstance(stage, MaxPooling):
        return _largest(stage, inputs)
    if isinstance(stage, Reshape):
        return inputs.reshape(-1, *stage.shape)
    return _normalized(stage, inputs)


def adjoint(stage: Stage, rows: Array, shape: Shape) -> Array:
    """Return weights ``rows`` (N, ...) over the outputs of ``stage`` as weights over its source, (N, *shape).

    ``(rows * apply(stage, x)).sum() == (adjoint(stage, rows, shape) * x).sum()`` for a linear stage and every x.
    """
    if isinstance(stage, Convolution):
        return _spread(stage, rows, shape)
    if isinstance(stage, Dense):
        return (rows.reshape(len(rows), -1) @ stage.weight).reshape(-1, *shape)
    if isinstance(stage, Reshape):
        return rows.reshape(-1, *shape)
    raise TypeError(f"{type(stage).__name__} is not among the stages of a matrix")


def _spread(stage: Convolution, rows: Array, shape: Shape) -> Array:
    (top, left), sides = stage.padding, rows.shape[2:]
    padded = np.zeros((len(rows), stage.groups, shape[0] // stage.groups, shape[1] + 2 * top, shape[2] + 2 * left))
    parts = rows.reshape(len(rows), stage.groups, -1, math.prod(sides))
    weight = stage.weight.reshape(stage.groups, -1, *stage.weight.shape[1:])
    for tap in np.ndindex(*stage.weight.shape[2:]):
        places = tuple(
            slice(at * dilation, at * dilation + (side - 1) * stride + 1, stride)
            for at, dilation, side, stride in zip(tap, stage.dilation, sides, stage.stride, strict=True)
        )
        values = np.matmul(weight[..., tap[0], tap[1]].swapaxes(1, 2), parts)
        padded[..., places[0], places[1]] += values.reshape(*values.shape[:3], *sides)
    inside = padded[..., top : top + shape[1], left : left + shape[2]]
    return inside.reshape(-1, *shape)


def synaptic_sum(stage: Stage, spikes: Array) -> Array:
    """Return the exact integer sum of weights over ``spikes`` (N, ...) as int64."""
    return apply(stage, spikes).astype(np.int64)


def _multiplied(weight: Array, inputs: Array) -> Array:
    """Return weighted sums (N, targets); integer weights become float64 some targets at a time."""
    if weight.dtype == np.float64:
        product: Array = inputs @ weight.T
        return product
    sums = np.empty((len(inputs), len(weight)))
    for targets in _parts(weight):
        np.matmul(inputs, weight[targets].T.astype(np.float64), out=sums[:, targets])
    return sums


def _parts(weight: Array) -> list[slice]:
    """Return ranges of targets with at most about `PART` weights each."""
    step = len(weight) if weight.dtype == np.float64 else max(1, PART * len(weight) // max(1, weight.size))
    return [slice(first, first + step) for first in range(0, len(weight), step)]


def _convolved(stage: Convolution, inputs: Array) -> Array:
    (top, left), (rows, columns) = stage.padding, stage.stride
    padded = np.pad(inputs, ((0, 0), (0, 0), (top, top), (left, left)))
    reach = [(size - 1) * step + 1 for size, step in zip(stage.weight.shape[2:], stage.dilation, strict=True)]
    windows = sliding_window_view(padded, reach, axis=(2, 3))
    windows = windows[:, :, ::rows, ::columns, :: stage.dilation[0], :: stage.dilation[1]]
    parts = [
        np.tensordot(part, weight[targets].astype(np.float64, copy=False), axes=((1, 4, 5), (1, 2, 3)))
        for part, weight in zip(
            np.split(windows, stage.groups, axis=1), np.split(stage.weight, stage.groups), strict=True
        )
        for targets in _parts(weight)
    ]
    return np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)


def _pooled(stage: AveragePooling, inputs: Array) -> Array:
    samples, channels, height, width = inputs.shape
    rows, columns = stage.size
    cells = inputs.reshape(samples, channels, height // rows, rows, width // columns, columns)
    means: Array = cells.mean(axis=(3, 5))
    return means


def _largest(stage: MaxPooling, inputs: Array) -> Array:
    (top, left), (rows, columns) = stage.padding, stage.stride
    padded = np.pad(inputs, ((0, 0), (0, 0), (top, top), (left, left)), constant_values=-np.inf)
    windows = sliding_window_view(padded, stage.size, axis=(2, 3))[:, :, ::rows, ::columns]
    largest: Array = windows.max(axis=(4, 5))
    return largest


def _normalized(stage: Normalization, inputs: Array) -> Array:
    axes: Shape = (-1, *(1,) * (inputs.ndim - 2))
    return inputs * stage.scale.reshape(axes) + stage.shift.reshape(axes)
