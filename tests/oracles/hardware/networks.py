"""The cases as networks of the project."""

import numpy as np

from spikeport.export.network import (
    Array,
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
    Synapses,
)
from tests.oracles.hardware.cases import Case, Layer


def network_of(case: Case) -> IntegerNetwork:
    """Return a case with pooling folded into larger kernels."""
    shape: tuple[int, ...] = case.frames.shape[2:]
    populations = [IntegerPopulation(name="input", shape=shape, neuron=Source(levels=1, unit=1.0))]
    projections = []
    for number, layer in enumerate(case.layers):
        synapses, name = _synapses(layer), f"layer{number}"
        shape = synapses.output_shape(shape)
        threshold = None if layer.threshold is None else np.array(layer.threshold)
        neuron = IntegerNeuron(threshold=threshold, bias_mantissa=np.zeros((), np.int64))
        projections.append(IntegerProjection(source=populations[-1].name, target=name, synapses=synapses))
        populations.append(IntegerPopulation(name=name, shape=shape, neuron=neuron))
    return IntegerNetwork(populations=tuple(populations), projections=tuple(projections), steps=case.frames.shape[1])


def _synapses(layer: Layer) -> Synapses:
    if layer.weight.ndim == 2:
        return Dense(weight=layer.weight)
    weight: Array = layer.weight.repeat(layer.pool, axis=2).repeat(layer.pool, axis=3)
    stride, padding = layer.stride * layer.pool, layer.padding * layer.pool
    return Convolution(weight=weight, stride=(stride, stride), padding=(padding, padding))
