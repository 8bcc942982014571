"""PyTorch SNN -> `spikeport.export.network.FloatNetwork`, as trained, streams and all; passes fold it later."""

import numpy as np
from torch import Tensor, nn

from spikeport.export.network import (
    Array,
    AveragePooling,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Normalization,
    Source,
    Stage,
)
from spikeport.toolchain.data.dataset import PIXEL_LEVELS
from spikeport.toolchain.nn.layers import ProjectionLayer, Synapses
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import INPUT, Linear, Node


def lower(snn: SNN) -> FloatNetwork:
    """Return the network that ``snn`` is in evaluation mode, in float64, nothing folded yet."""
    specification = snn.specification
    source = Source(levels=PIXEL_LEVELS, unit=1 / PIXEL_LEVELS)
    populations = [FloatPopulation(name=INPUT, shape=specification.input_shape, neuron=source)]
    projections = []
    shapes = specification.shapes()
    for node in specification.nodes:
        flat = isinstance(node.projections[0].synapses, Linear)
        shape = shapes[node.name][:1] if flat else shapes[node.name]
        populations.append(FloatPopulation(name=node.name, shape=shape, neuron=_neuron(snn, node)))
        for layer in snn.projections_into(node.name):
            stages = (*_pixel_stages(snn, layer), *_stages(layer))
            projections.append(FloatProjection(source=layer.source, target=node.name, stages=stages))
    return FloatNetwork(populations=tuple(populations), projections=tuple(projections), steps=snn.steps)


def _neuron(snn: SNN, node: Node) -> FloatNeuron:
    if node.kind == "neurons":
        return FloatNeuron(threshold=_doubles(snn.neurons_of(node.name).threshold))
    return FloatNeuron(threshold=None, decay_potential=np.array(float(node.kind == "stream")))


def _pixel_stages(snn: SNN, layer: ProjectionLayer) -> list[Stage]:
    """Return the pixel normalisation where the source is the image."""
    if layer.source != INPUT:
        return []
    mean, std = (_doubles(values).ravel() for values in (snn.mean, snn.std))
    return [Normalization(scale=1 / std, shift=-mean / std)]


def _stages(layer: ProjectionLayer) -> list[Stage]:
    stages: list[Stage] = [AveragePooling(size=(layer.pooling, layer.pooling))] if layer.pooling > 1 else []
    if layer.synapses is not None:
        stages.append(_synapses(layer.synapses))
    if layer.norm is not None:
        stages.append(_batch_norm(layer.norm))
    return stages


def _synapses(synapses: Synapses) -> Convolution | Dense:
    weight = _doubles(synapses.weight * synapses.mask)
    if weight.ndim == 2:
        return Dense(weight=weight)
    return Convolution(weight=weight, padding=(synapses.padding,) * 2, stride=(synapses.stride,) * 2)


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
