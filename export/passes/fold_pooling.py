"""Fold average pooling into the synapses that follow it."""

import math
from dataclasses import replace

import numpy as np

from spikeport.export.network import (
    Array,
    AveragePooling,
    Convolution,
    Dense,
    FloatNetwork,
    FloatProjection,
    Pair,
    Shape,
    Stage,
    Synapses,
)
from spikeport.export.passes.contract import NO_AVERAGE_POOLING, NO_MAX_POOLING, NO_NORMALIZATION, network_pass
from spikeport.export.passes.fold_synapses import check_weights, identity


@network_pass(requires=(NO_MAX_POOLING, NO_NORMALIZATION), guarantees=(NO_AVERAGE_POOLING,))
def fold_pooling(network: FloatNetwork) -> FloatNetwork:
    """Return ``network`` without pooling stages.

    1. Pooling by (p, q), then a convolution: every kernel entry becomes p x q entries of 1 / (p q) of its value;
       stride and padding grow by the same factors (2x2, then 3x3 with padding 1: 6x6, stride 2, padding 2).
    2. Pooling by (p, q), then dense synapses: every weight is repeated for the p q neurons of its window.
    3. Pooling at the end: as before an identity.
    """
    projections = tuple(_folded(network, projection) for projection in network.projections)
    return replace(network, projections=projections)


def _folded(network: FloatNetwork, projection: FloatProjection) -> FloatProjection:
    shape = network.population(projection.source).shape
    stages: list[Stage] = []
    size: Pair = (1, 1)
    for stage in projection.stages:
        if isinstance(stage, AveragePooling):
            size = (size[0] * stage.size[0], size[1] * stage.size[1])
        elif isinstance(stage, Convolution | Dense):
            stages.append(stage if size == (1, 1) else _enlarged(stage, size, shape, projection))
            size = (1, 1)
        else:
            stages.append(stage)
        shape = stage.output_shape(shape)
    if size != (1, 1):
        stages.append(_enlarged(identity(shape, projection), size, shape, projection))
    return replace(projection, stages=tuple(stages))


def _enlarged(synapses: Synapses, size: Pair, pooled: Shape, projection: FloatProjection) -> Synapses:
    sides = synapses.weight.shape
    if isinstance(synapses, Convolution):
        sides = (*sides[:2], *((n - 1) * step + 1 for n, step in zip(sides[2:], synapses.dilation, strict=True)))
    count = math.prod((*sides, *size))
    what = f"average pooling by {size} folded into synapses of shape {synapses.weight.shape}"
    check_weights(count, what, projection, "put neurons behind the pooling, or pool less")
    if isinstance(synapses, Dense):
        maps = synapses.weight.reshape(-1, *pooled)
        return replace(synapses, weight=_spread(maps, size).reshape(len(maps), -1))
    return replace(
        synapses,
        weight=_spread(_undilated(synapses), size),
        stride=(synapses.stride[0] * size[0], synapses.stride[1] * size[1]),
        padding=(synapses.padding[0] * size[0], synapses.padding[1] * size[1]),
        dilation=(1, 1),
    )


def _spread(maps: Array, size: Pair) -> Array:
    repeated: Array = np.repeat(np.repeat(maps, size[0], axis=-2), size[1], axis=-1)
    return repeated / (size[0] * size[1])


def _undilated(synapses: Convolution) -> Array:
    rows, columns = synapses.dilation
    height, width = synapses.weight.shape[2:]
    kernel = np.zeros((*synapses.weight.shape[:2], (height - 1) * rows + 1, (width - 1) * columns + 1))
    kernel[:, :, ::rows, ::columns] = synapses.weight
    return kernel
