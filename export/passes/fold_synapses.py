"""Fold pooling and synapses that follow each other without neurons between them into one stage."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spikeport.export.composition import composed, shared, with_few_axes
from spikeport.export.errors import NetworkError
from spikeport.export.linear import adjoint, apply
from spikeport.export.network import (
    Array,
    AveragePooling,
    Convolution,
    Dense,
    FloatNetwork,
    FloatProjection,
    Reshape,
    Shape,
    Stage,
    Synapses,
)
from spikeport.export.passes.contract import NO_MAX_POOLING, NO_NORMALIZATION, ONE_STAGE, network_pass

LARGEST_MATRIX = 2**26
"""Weights that a pass makes for one projection where it repeats them or fills them up with zeros."""
AT_A_TIME = 2**22
"""Values of a map between two stages that are held at a time while a matrix is made."""

_Linear = Convolution | Dense | Reshape


@network_pass(requires=(NO_MAX_POOLING, NO_NORMALIZATION), guarantees=(ONE_STAGE,))
def fold_synapses(network: FloatNetwork) -> FloatNetwork:
    """Return ``network`` with exactly one stage of synapses per projection.

    1. Average pooling is a convolution of each channel.
    2. Convolutions in a row become one, wherever one gives the same sums at every position (`composed`).
    3. No stage at all (spikes added to a residual stream) becomes a weight of one per channel.
    4. Stages that end in dense synapses become dense synapses of the source.
    5. So does what no convolution says with fewer weights: zeros around a map in the middle of the chain, say.
    6. A convolution is written in one way (`canonical`), so equal networks cost the same.

    What is made for one projection has at most 2**26 weights; `NetworkError` names the projection that needs more.
    """
    projections = tuple(_folded(network, projection) for projection in network.projections)
    return replace(network, projections=projections)


def identity(shape: Shape, projection: FloatProjection) -> Synapses:
    """Return synapses of weight one from every neuron of ``shape`` to its like, for use in ``projection``."""
    size = math.prod(shape)
    if len(shape) != 3:
        way = f"give them the shape ({size}, 1, 1), for which {size:,} weights are enough"
        check_weights(size**2, f"an identity or a scale of {size:,} neurons that form one axis", projection, way)
        return Dense(weight=np.eye(size))
    return Convolution(weight=np.ones((shape[0], 1, 1, 1)), groups=shape[0])


def check_weights(count: int, what: str, projection: FloatProjection, way: str) -> None:
    """Refuse ``count`` weights for ``what`` before they are made; ``way`` says what to do instead."""
    if count > LARGEST_MATRIX:
        raise NetworkError(
            f"projection {projection.source} -> {projection.target}: {what} would need {count:,} weights; at most "
            f"{LARGEST_MATRIX:,} are made: {way}"
        )


def _folded(network: FloatNetwork, projection: FloatProjection) -> FloatProjection:
    shape, target = (network.population(name).shape for name in (projection.source, projection.target))
    chain, divisor = _summed(with_few_axes(projection.stages, shape, target), shape)
    chain = chain or [identity(shape, projection)]
    stage = _convolution(chain, shape) or _dense(chain, shape, projection)
    return replace(projection, stages=(stage if divisor == 1 else replace(stage, weight=stage.weight / divisor),))


def _summed(stages: Sequence[Stage], shape: Shape) -> tuple[list[_Linear], int]:
    """Return stages with sums in place of means, and what their result is to be divided by."""
    chain: list[_Linear] = []
    divisor = 1
    for stage in stages:
        if isinstance(stage, AveragePooling):
            chain.append(Convolution(weight=np.ones((shape[0], 1, *stage.size)), stride=stage.size, groups=shape[0]))
            divisor *= math.prod(stage.size)
        elif isinstance(stage, Convolution | Dense | Reshape):
            chain.append(stage)
        shape = stage.output_shape(shape)
    return chain, divisor


def _convolution(chain: list[_Linear], shape: Shape) -> Convolution | None:
    """Return the product of all kernels where it is exact and takes no more weights than a matrix."""
    convolutions = _convolutions(chain)
    if not convolutions:
        return None
    try:
        found = composed(convolutions, shape, most=LARGEST_MATRIX)
        matrix = math.prod(shape) * math.prod(found.output_shape(shape)) if found else 0
    except NetworkError:  # a stride or a padding beyond what a convolution may have
        return None
    return found if found and found.weight.size <= matrix else None


def _convolutions(chain: list[_Linear]) -> list[Convolution]:
    """Return the chain where it consists of convolutions alone."""
    convolutions = [stage for stage in chain if isinstance(stage, Convolution)]
    return convolutions if len(convolutions) == len(chain) else []


def _dense(chain: list[_Linear], shape: Shape, projection: FloatProjection) -> Synapses:
    """Return the matrix of a chain, or the convolution that can be read off it with no more weights."""
    shapes = [shape]
    for stage in chain:
        shapes.append(stage.output_shape(shapes[-1]))
    inputs, outputs = math.prod(shape), math.prod(shapes[-1])
    kinds = ", ".join(type(stage).__name__ for stage in projection.stages)
    what = f"the matrix of {inputs:,} x {outputs:,} for {kinds}, which no convolution of fewer weights can say,"
    check_weights(inputs * outputs, what, projection, "put neurons between them, or pad or pool less")
    matrix, convolutions = _matrix(chain, shapes), _convolutions(chain)
    if not convolutions:
        return Dense(weight=matrix)
    rows, columns = (
        math.prod(stage.stride[axis] for stage in convolutions) if shapes[-1][axis + 1] > 1 else 1 for axis in (0, 1)
    )
    return shared(matrix, shape, shapes[-1], (rows, columns)) or Dense(weight=matrix)


def _matrix(stages: list[_Linear], shapes: list[Shape]) -> Array:
    """Return the weights (targets, sources) of a chain, some targets or some sources at a time."""
    inputs, outputs = math.prod(shapes[0]), math.prod(shapes[-1])
    last = stages[-1]
    if isinstance(last, Dense):
        rows, stages, shapes = last.weight, stages[:-1], shapes[:-1]
        return np.concatenate([_back(stages, shapes, rows[part.start : part.stop]) for part in _parts(outputs, shapes)])
    if outputs < inputs:
        return np.concatenate([_back(stages, shapes, _units(part, outputs)) for part in _parts(outputs, shapes)])
    columns = []
    for part in _parts(inputs, shapes):
        values = _units(part, inputs).reshape(-1, *shapes[0])
        for stage in stages:
            values = apply(stage, values)
        columns.append(values.reshape(-1, outputs))
    return np.concatenate(columns).T


def _back(stages: list[_Linear], shapes: list[Shape], rows: Array) -> Array:
    """Return weights over the last of ``shapes`` as weights over the first."""
    rows = rows.reshape(-1, *shapes[-1])
    for stage, before in zip(stages[::-1], shapes[-2::-1], strict=True):
        rows = adjoint(stage, rows, before)
    return rows.reshape(len(rows), -1)


def _parts(count: int, shapes: list[Shape]) -> list[range]:
    """Return ranges of targets or sources, so that the maps of each range are small."""
    step = max(1, AT_A_TIME // max(math.prod(shape) for shape in shapes))
    return [range(first, min(first + step, count)) for first in range(0, count, step)]


def _units(part: range, size: int) -> Array:
    """Return the rows ``part`` of an identity."""
    return np.equal.outer(np.arange(part.start, part.stop), np.arange(size)).astype(np.float64)
