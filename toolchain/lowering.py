"""PyTorch SNN -> `export.network.FloatNetwork`, stage by stage as trained; the passes of `export` then fold it."""

import numpy as np
from torch import Tensor, nn

from export.network import (
    Array,
    AveragePooling,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Normalization,
    Shape,
    Source,
    Stage,
)
from toolchain.data.dataset import PIXEL_LEVELS
from toolchain.nn.layers import Block
from toolchain.nn.networks import SNN

INPUT, READOUT = "input", "readout"


def lower(snn: SNN) -> FloatNetwork:
    """Return the network that ``snn`` is in evaluation mode, in float64, nothing folded yet."""
    specification = snn.specification
    source = FloatPopulation(
        name=INPUT, shape=specification.input_shape, neuron=Source(levels=PIXEL_LEVELS, unit=1 / PIXEL_LEVELS)
    )
    populations, projections = [source], []
    mean, std = (_doubles(values).ravel() for values in (snn.mean, snn.std))
    stages: list[Stage] = [Normalization(scale=1 / std, shift=-mean / std)]
    for name, block, neuron in zip(_names(snn), snn.block_list(), _neurons(snn), strict=True):
        stages += _stages(block)
        shape = _shape(populations[-1].shape, stages)
        projections.append(FloatProjection(source=populations[-1].name, target=name, stages=tuple(stages)))
        populations.append(FloatPopulation(name=name, shape=shape, neuron=neuron))
        stages = []
    return FloatNetwork(populations=tuple(populations), projections=tuple(projections), steps=snn.steps)


def _names(snn: SNN) -> list[str]:
    kinds = ["conv" if block.synapses.weight.ndim == 4 else "dense" for block in snn.block_list()[:-1]]
    return [f"{kind}{kinds[: index + 1].count(kind)}" for index, kind in enumerate(kinds)] + [READOUT]


def _neurons(snn: SNN) -> list[FloatNeuron]:
    thresholds = [neurons.threshold.detach().double().numpy() for neurons in snn.neuron_list()]
    return [*(FloatNeuron(threshold=threshold) for threshold in thresholds), FloatNeuron(threshold=None)]


def _stages(block: Block) -> list[Stage]:
    stages: list[Stage] = [AveragePooling(size=(block.pooling, block.pooling))] if block.pooling > 1 else []
    weight = (block.synapses.weight * block.synapses.mask).detach().double().numpy()
    if weight.ndim == 4:
        stages.append(Convolution(weight=weight, padding=(block.synapses.padding,) * 2))
    else:
        stages.append(Dense(weight=weight))
    if isinstance(block.norm, nn.BatchNorm2d):
        stages.append(_batch_norm(block.norm))
    return stages


def _batch_norm(norm: nn.BatchNorm2d) -> Normalization:
    """``(x - mean) / sqrt(var + eps) * gamma + beta`` as scale and shift."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gamma, beta, mean, variance = (
        _doubles(tensor) for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    )
    scale = gamma / np.sqrt(variance + norm.eps)
    return Normalization(scale=scale, shift=beta - mean * scale)


def _doubles(tensor: Tensor) -> Array:
    return np.asarray(tensor.detach().double().numpy())


def _shape(shape: Shape, stages: list[Stage]) -> Shape:
    for stage in stages:
        shape = stage.output_shape(shape)
    return shape
