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
"""Entries of a dense matrix that replaces stages which share no kernel."""


@network_pass(requires=(NO_MAX_POOLING, NO_NORMALIZATION, NO_AVERAGE_POOLING), guarantees=(ONE_STAGE,))
def fold_synapses(network: FloatNetwork) -> FloatNetwork:
    """Return ``network`` with exactly one stage of synapses per projection.

    1. A convolution, then a 1x1 convolution without padding (a residual shortcut): one convolution with the product
       of the kernels and of the strides.
    2. No stage at all (spikes added to a residual stream): a 1x1 convolution, or a dense matrix, with ones on the
       diagonal.
    3. Any other stages: the dense matrix of the whole chain, where it has at most 2**26 entries.
    """
    projections = tuple(_folded(network, projection) for projection in network.projections)
    return replace(network, projections=projections)


def identity(shape: Shape) -> Convolution | Dense:
    """Return synapses of weight one from every neuron to its like."""
    if len(shape) == 3:
        return Convolution(weight=np.eye(shape[0])[:, :, None, None])
    return Dense(weight=np.eye(math.prod(shape)))


def _folded(network: FloatNetwork, projection: FloatProjection) -> FloatProjection:
    source = network.population(projection.source)
    stages = _merged(projection.stages) or (identity(source.shape),)
    if len(stages) > 1:
        stages = (_matrix(source, projection, stages),)
    return replace(projection, stages=stages)


def _merged(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    merged: list[Stage] = []
    for stage in stages:
        last = merged[-1] if merged else None
        if isinstance(last, Convolution) and isinstance(stage, Convolution) and _pointwise(stage):
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
    if inputs * outputs > LARGEST_MATRIX:
        kinds = ", ".join(type(stage).__name__ for stage in stages)
        raise NetworkError(
            f"projection {projection.source} -> {projection.target}: {kinds} share no kernel and would need a "
            f"matrix of {inputs} x {outputs}; put neurons between them"
        )
    values = np.eye(inputs).reshape(inputs, *source.shape)
    for stage in stages:
        values = apply(stage, values)
    return Dense(weight=values.reshape(inputs, outputs).T)
