"""Fold synapses that follow each other without neurons between them into one stage."""

import math
from dataclasses import replace

import numpy as np

from spikeport.export.errors import NetworkError
from spikeport.export.linear import apply
from spikeport.export.network import (
    Convolution,
    Dense,
    FloatNetwork,
    FloatPopulation,
    FloatProjection,
    Shape,
    Stage,
)
from spikeport.export.passes.contract import (
    NO_AVERAGE_POOLING,
    NO_MAX_POOLING,
    NO_NORMALIZATION,
    ONE_STAGE,
    network_pass,
)

LARGEST_MATRIX = 2**26
"""Weights that a pass makes for one projection where it repeats them or fills them up with zeros."""
LARGEST_KERNEL = 2**20
"""Weights of an identity over channels in one group; beyond, each channel is a group of its own."""


@network_pass(requires=(NO_MAX_POOLING, NO_NORMALIZATION, NO_AVERAGE_POOLING), guarantees=(ONE_STAGE,))
def fold_synapses(network: FloatNetwork) -> FloatNetwork:
    """Return ``network`` with exactly one stage of synapses per projection.

    1. A convolution, then a 1x1 convolution without padding (a residual shortcut): one convolution with the product
       of the kernels and of the strides.
    2. No stage at all (spikes added to a residual stream): a 1x1 convolution, or a dense matrix, with ones on the
       diagonal.
    3. Any other stages: the dense matrix of the whole chain.

    What is made for one projection has at most 2**26 weights; `NetworkError` names the projection that needs more.
    """
    projections = tuple(_folded(network, projection) for projection in network.projections)
    return replace(network, projections=projections)


def identity(shape: Shape, projection: FloatProjection) -> Convolution | Dense:
    """Return synapses of weight one from every neuron of ``shape`` to its like, for use in ``projection``."""
    size = math.prod(shape)
    if len(shape) != 3:
        way = f"give them the shape ({size}, 1, 1), for which {size:,} weights are enough"
        check_weights(size**2, f"an identity or a scale of {size:,} neurons that form one axis", projection, way)
        return Dense(weight=np.eye(size))
    if shape[0] ** 2 > LARGEST_KERNEL:
        return Convolution(weight=np.ones((shape[0], 1, 1, 1)), groups=shape[0])
    return Convolution(weight=np.eye(shape[0])[:, :, None, None])


def check_weights(count: int, what: str, projection: FloatProjection, way: str) -> None:
    """Refuse ``count`` weights for ``what`` before they are made; ``way`` says what to do instead."""
    if count > LARGEST_MATRIX:
        raise NetworkError(
            f"projection {projection.source} -> {projection.target}: {what} would need {count:,} weights; at most "
            f"{LARGEST_MATRIX:,} are made: {way}"
        )


def _folded(network: FloatNetwork, projection: FloatProjection) -> FloatProjection:
    source = network.population(projection.source)
    stages = _merged(projection) or (identity(source.shape, projection),)
    if len(stages) > 1:
        stages = (_matrix(source, projection, stages),)
    return replace(projection, stages=stages)


def _merged(projection: FloatProjection) -> tuple[Stage, ...]:
    merged: list[Stage] = []
    for stage in projection.stages:
        last = merged[-1] if merged else None
        if isinstance(last, Convolution) and isinstance(stage, Convolution) and _pointwise(stage):
            outputs = max(len(last.weight), len(stage.weight))
            count = outputs * math.prod(last.weight.shape[1:]) * last.groups
            check_weights(count, "the product of two convolutions", projection, "put neurons between them")
            merged[-1] = _product(last, stage)
        else:
            merged.append(stage)
    return tuple(merged)


def _pointwise(stage: Convolution) -> bool:
    return stage.weight.shape[2:] == (1, 1) and stage.padding == (0, 0) and stage.groups == 1


def _product(first: Convolution, second: Convolution) -> Convolution:
    kernels = first.weight
    if first.groups > 1:
        kernels = np.zeros((len(first.weight), first.weight.shape[1] * first.groups, *first.weight.shape[2:]))
        outputs, inputs = len(first.weight) // first.groups, first.weight.shape[1]
        for group in range(first.groups):
            rows = slice(group * outputs, (group + 1) * outputs)
            kernels[rows, group * inputs : (group + 1) * inputs] = first.weight[rows]
    return replace(
        first,
        weight=np.einsum("om,mikl->oikl", second.weight[:, :, 0, 0], kernels),
        stride=(first.stride[0] * second.stride[0], first.stride[1] * second.stride[1]),
        groups=1,
    )


def _matrix(source: FloatPopulation, projection: FloatProjection, stages: tuple[Stage, ...]) -> Dense:
    inputs, outputs = math.prod(source.shape), math.prod(projection.output_shape(source.shape))
    kinds = ", ".join(type(stage).__name__ for stage in stages)
    what = f"the matrix of {inputs:,} x {outputs:,} for {kinds}, which share no kernel,"
    check_weights(inputs * outputs, what, projection, "put neurons between them")
    values = np.eye(inputs).reshape(inputs, *source.shape)
    for stage in stages:
        values = apply(stage, values)
    return Dense(weight=values.reshape(inputs, outputs).T)
