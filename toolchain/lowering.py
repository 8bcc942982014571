"""PyTorch SNN -> `spikeport.export.network.FloatNetwork`, as trained, streams and all; passes fold it later."""

import math
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor, nn

from spikeport.export import network as exported
from spikeport.export.network import (
    Array,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Normalization,
    Reshape,
    Stage,
)
from spikeport.toolchain.bits import by_bit, channels_of
from spikeport.toolchain.data.dataset import PIXEL_LEVELS
from spikeport.toolchain.nn.layers import ProjectionLayer, Synapses
from spikeport.toolchain.nn.neurons import IntegrateAndFire
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import (
    INPUT,
    AveragePooling,
    Borders,
    Convolution,
    MaxPooling,
    Node,
    Pair,
    Shape,
    linear_channels,
    pair,
    pooled_shape,
    reaches,
)
from spikeport.toolchain.nn.spiking import Spiking

ANY = 0.5
"""Threshold of a neuron that fires when at least one spike of weight one arrives."""


def lower(snn: SNN, *, levels: int = PIXEL_LEVELS) -> FloatNetwork:
    """Return the network that ``snn`` is in evaluation mode, in float64, nothing folded yet.

    Biases are shifts behind their synapses. Overlapping or padded averages are convolutions of each channel. Padding
    that differs between opposite sides becomes zeros in the kernel; max pooling with such a padding a population.
    ``levels``: what a value of 1 of the input is as a whole number, 255 for 8-bit images. The source says how the
    encoder makes what it sends of an image, seed and all; of phase coding it has a channel for each bit, whose weight
    is in a projection of its own. `NetworkError` where the encoder has no exported form.
    """
    specification = snn.specification
    source = snn.spiking.encoder.source(levels)
    bits = channels_of(source)
    channels, *sides = specification.input_shape
    image = FloatPopulation(name=INPUT, shape=(bits * channels, *sides), neuron=source)
    network = _Network(populations=[image], bits=bits)
    shapes, flat = specification.shapes(), specification.flat()
    for node in specification.nodes:
        shape = shapes[node.name][:1] if node.name in flat else shapes[node.name]
        network.populations.append(FloatPopulation(name=node.name, shape=shape, neuron=_neuron(snn, node)))
        for layer in snn.projections_into(node.name):
            before = _pixel_stages(snn, layer)
            network.project(node.name, layer, before, shapes[layer.source], flat=layer.source in flat)
    return FloatNetwork(populations=tuple(network.populations), projections=tuple(network.projections), steps=snn.steps)


@dataclass(kw_only=True)
class _Network:
    """Populations and projections so far, and the windows of max pooling that are populations."""

    populations: list[FloatPopulation]
    projections: list[FloatProjection] = field(default_factory=list)
    windows: dict[tuple[str, MaxPooling], str] = field(default_factory=dict)
    bits: int = 1

    def project(self, target: str, layer: ProjectionLayer, before: list[Stage], shape: Shape, *, flat: bool) -> None:
        """Add the projection of a layer; ``shape`` is its source's."""
        source, pooling = layer.source, layer.pooling
        if isinstance(pooling, MaxPooling) and not _is_even(pooling.padding):
            source = self._window(source, pooling, shape, pooled_shape(layer.projection, shape))
            stages = []
        else:
            stages = [] if pooling is None else [_pooling(pooling, shape, pooled_shape(layer.projection, shape))]
        if flat and (pooling is not None or isinstance(layer.projection.synapses, Convolution)):
            stages, flat = [Reshape(shape=shape), *stages], False
        stages = [*before, *stages, *_stages(layer, pooled_shape(layer.projection, shape), flat=flat)]
        several = by_bit(stages, shape[0], self.bits) if source == INPUT else [stages]
        self.projections += [FloatProjection(source=source, target=target, stages=tuple(each)) for each in several]

    def _window(self, source: str, pooling: MaxPooling, shape: Shape, pooled: Shape) -> str:
        """Return the population of one memoryless neuron a window, which fires where any spike arrives."""
        if (source, pooling) not in self.windows:
            name = f"{source}.window{len(self.windows) + 1}"
            weight = np.ones((shape[0], 1, *pair(pooling.kernel)))
            stage = _convolution(weight, _stride(pooling), (1, 1), pooling.padding, shape[0])
            self.populations.append(
                FloatPopulation(name=name, shape=pooled, neuron=FloatNeuron(threshold=np.array(ANY)))
            )
            self.projections.append(FloatProjection(source=source, target=name, stages=(stage,)))
            self.windows[source, pooling] = name
        return self.windows[source, pooling]


def _neuron(snn: SNN, node: Node) -> FloatNeuron:
    if node.kind == "neurons":
        return _spiking_neuron(snn.neurons_of(node.name), snn.spiking)
    return FloatNeuron(threshold=None, decay_potential=np.array(float(node.kind == "stream")))


def _spiking_neuron(neurons: IntegrateAndFire, spiking: Spiking) -> FloatNeuron:
    threshold = _doubles(neurons.threshold)
    reset_by = threshold if spiking.reset == "subtractive" else None
    return FloatNeuron(threshold=threshold, decay_potential=1 - _doubles(neurons.tau), reset_by=reset_by)


def _pixel_stages(snn: SNN, layer: ProjectionLayer) -> list[Stage]:
    """Return the pixel normalisation where the source is the image."""
    if layer.source != INPUT:
        return []
    mean, std = (_doubles(values).ravel() for values in (snn.mean, snn.std))
    return [Normalization(scale=1 / std, shift=-mean / std)]


def _stages(layer: ProjectionLayer, shape: Shape, *, flat: bool) -> list[Stage]:
    """Return everything behind the pooling, of values of ``shape`` that form one axis where ``flat``."""
    stages: list[Stage] = []
    if layer.synapses is not None:
        flat = flat or layer.synapses.convolution is None
        stages += _synapses(layer.synapses)
    if layer.projection.channels is not None:
        first, total = layer.projection.channels
        weight = np.eye(total, linear_channels(layer.projection, shape), -first)
        stages.append(Dense(weight=weight) if flat else exported.Convolution(weight=weight[:, :, None, None]))
    if layer.projection.flatten and not flat:
        stages.append(Reshape(shape=layer.shape[:1]))
    if layer.norm is not None:
        stages.append(_batch_norm(layer.norm))
    return stages


def _pooling(pooling: AveragePooling | MaxPooling, shape: Shape, pooled: Shape) -> Stage:
    kernel, stride = pair(pooling.kernel), _stride(pooling)
    if isinstance(pooling, MaxPooling):
        return exported.MaxPooling(size=kernel, stride=stride, padding=(pooling.padding[0], pooling.padding[2]))
    if stride == kernel and shape[1:] == (pooled[1] * kernel[0], pooled[2] * kernel[1]):
        return exported.AveragePooling(size=kernel)
    weight = np.full((shape[0], 1, *kernel), 1 / math.prod(kernel))
    return _convolution(weight, stride, (1, 1), pooling.padding, shape[0])


def _synapses(synapses: Synapses) -> list[Stage]:
    weight, kind = _doubles(synapses.weight * synapses.mask), synapses.convolution
    linear: Stage
    if kind is None:
        linear = Dense(weight=weight)
    else:
        linear = _convolution(weight, pair(kind.stride), pair(kind.dilation), kind.borders(), kind.groups)
    if synapses.bias is None:
        return [linear]
    return [linear, Normalization(scale=np.ones(len(weight)), shift=_doubles(synapses.bias))]


def _convolution(weight: Array, stride: Pair, dilation: Pair, borders: Borders, groups: int) -> exported.Convolution:
    """Return a convolution; where opposite borders differ, zeros at the kernel's ends shift it over equal ones."""
    sides = (borders[:2], borders[2:])
    if not _is_even(borders):
        weight, dilation = _spread(weight, dilation), (1, 1)
        ends = [(max(after - before, 0), max(before - after, 0)) for before, after in sides]
        weight = np.pad(weight, ((0, 0), (0, 0), *ends))
    padding = (max(borders[:2]), max(borders[2:]))
    return exported.Convolution(weight=weight, stride=stride, padding=padding, dilation=dilation, groups=groups)


def _spread(weight: Array, dilation: Pair) -> Array:
    """Return a kernel with the zeros between its taps written out."""
    rows, columns = reaches((weight.shape[2], weight.shape[3]), dilation)
    spread = np.zeros((*weight.shape[:2], rows, columns))
    spread[:, :, :: dilation[0], :: dilation[1]] = weight
    return spread


def _is_even(borders: Borders) -> bool:
    return borders[0] == borders[1] and borders[2] == borders[3]


def _stride(pooling: AveragePooling | MaxPooling) -> Pair:
    return pair(pooling.stride or pooling.kernel)


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
