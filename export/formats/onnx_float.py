"""ONNX of a float network: `spikeport.export.network.FloatNeuron` in float32 standard operators (opset 21).

Inputs and outputs as in `spikeport.export.onnx_graph`, all float32; input in the network's own units (a level is
``unit``). A population's potential starts at its ``start``. Sums run in float32 and in the runtime's order: spikes are
those of `spikeport.export.executors.floating` (float64) wherever float32 holds the sums exactly, and may differ where
a potential comes within rounding of its threshold.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx

from spikeport.export.files import write_bytes
from spikeport.export.network import (
    Array,
    AveragePooling,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatProjection,
    MaxPooling,
    Reshape,
    Shape,
    Source,
    Stage,
)
from spikeport.export.onnx_graph import F32, AnyPopulation, Body, States, assemble, past, weight_name

NETWORKS = (FloatNetwork,)


def write(network: FloatNetwork, path: Path) -> None:
    """Write ``network`` as an ONNX model."""
    write_bytes(path, to_model(network).SerializeToString())


def to_model(network: FloatNetwork) -> onnx.ModelProto:
    """Return ``network``, folded or not, as an ONNX model that the full checker accepts."""
    body = Body()
    for population in network.neurons:
        neuron = population.neuron
        assert isinstance(neuron, FloatNeuron)
        arriving = [_arriving(body, network, projection) for projection in network.incoming(population.name)]
        _Neurons(body, population.name, neuron, len(population.shape)).step(body.total(arriving))
    body.remember(network, _sent)
    return assemble(network, body, states(network), lambda _: F32)


def states(network: FloatNetwork) -> States:
    """Return the names of the state tensors with their populations, in the order of the model's inputs."""
    found = past(network)
    for population in network.neurons:
        neuron = population.neuron
        assert isinstance(neuron, FloatNeuron)
        used = {"u": _has_current(neuron), "rest": neuron.refractory > 0, "v": True}
        found += [(f"{state}_{population.name}", population) for state, kept in used.items() if kept]
    return found


def rest(network: FloatNetwork, samples: int) -> dict[str, Array]:
    """Return the state before the first step of ``samples`` samples, by the names of the model's inputs."""
    found = {name: np.zeros((samples, *p.shape), np.float32) for name, p in states(network)}
    for population in network.neurons:
        assert isinstance(population.neuron, FloatNeuron)
        found[f"v_{population.name}"] += population.neuron.start.astype(np.float32)
    return found


def _has_current(neuron: FloatNeuron) -> bool:
    return bool(np.any(neuron.decay_current != 1))


def _sent(population: AnyPopulation) -> str:
    """Return the name of what a population sends in this step: spikes, or the potential of one that never fires."""
    neuron = population.neuron
    if isinstance(neuron, Source):
        return "frame"
    return f"potential_{population.name}:step" if neuron.threshold is None else f"spikes_{population.name}:step"


def _arriving(body: Body, network: FloatNetwork, projection: FloatProjection) -> str:
    source = network.population(projection.source)
    value = f"past_{source.name}:{projection.delay}" if projection.delay else _sent(source)
    shape = source.shape
    for index, stage in enumerate(projection.stages):
        value = _stage(body, f"{weight_name(network, projection)}:{index}", stage, value, len(shape))
        shape = stage.output_shape(shape)
    return body.shaped(value, shape, network.population(projection.target))


def _stage(body: Body, name: str, stage: Stage, value: str, axes: int) -> str:
    if isinstance(stage, Convolution):
        (top, left), weight = stage.padding, body.constant(name, stage.weight.astype(np.float32))
        geometry: dict[str, Any] = {"strides": stage.stride, "dilations": stage.dilation, "group": stage.groups}
        return body.add("Conv", value, weight, pads=(top, left, top, left), **geometry)
    if isinstance(stage, Dense):
        weight = body.constant(name, np.ascontiguousarray(stage.weight.T, np.float32))
        return body.add("MatMul", body.add("Flatten", value, axis=1), weight)
    if isinstance(stage, AveragePooling):
        return body.add("AveragePool", value, kernel_shape=stage.size, strides=stage.size)
    if isinstance(stage, MaxPooling):
        (top, left), size = stage.padding, stage.size
        return body.add("MaxPool", value, kernel_shape=size, strides=stage.stride, pads=(top, left, top, left))
    if isinstance(stage, Reshape):
        return body.add("Reshape", value, body.constant(f"{name}:shape", np.array((-1, *stage.shape), np.int64)))
    shape: Shape = (-1, *(1,) * (axes - 1))
    scale = body.constant(f"{name}:scale", stage.scale.reshape(shape).astype(np.float32))
    shift = body.constant(f"{name}:shift", stage.shift.reshape(shape).astype(np.float32))
    return body.add("Add", body.add("Mul", value, scale), shift)


class _Neurons:
    """The operators of one population; every method appends some and returns the name of their result."""

    def __init__(self, body: Body, name: str, neuron: FloatNeuron, axes: int) -> None:
        self.body, self.name, self.neuron, self.axes = body, name, neuron, axes

    def parameter(self, name: str, value: Array | float) -> str:
        """Keep a neuron parameter, with as many axes as the state."""
        array = np.asarray(value, np.float32)
        shape = (1,) * (1 + self.axes - array.ndim) + array.shape
        return self.body.constant(f"{self.name}:{name}", array.reshape(shape))

    def step(self, arriving: str) -> None:
        """Compute the next states and the record, as `spikeport.export.executors.floating.advance` does."""
        body, neuron, name = self.body, self.neuron, self.name
        potential = self.integrated(arriving)
        if neuron.threshold is None:
            if neuron.floor is not None:
                potential = body.add("Max", potential, self.parameter("floor", neuron.floor))
            body.add("Identity", potential, to=f"v_{name}:next")
            body.add("Identity", potential, to=f"potential_{name}:step")
            return
        if neuron.refractory:
            resting = body.add("Greater", f"rest_{name}", self.parameter("zero", 0.0))
            potential = body.add("Where", resting, self.parameter("reset_to", neuron.reset_to), potential)
        spikes = self.spikes(potential)
        fired = body.add("Greater", spikes, self.parameter("zero", 0.0))
        if neuron.reset_by is None:
            after = body.add("Where", fired, self.parameter("reset_to", neuron.reset_to), potential)
        else:
            step = body.add("Mul", spikes, self.parameter("reset_by", neuron.reset_by))
            after = body.add("Sub", potential, step)
        if neuron.floor is not None:
            after = body.add("Max", after, self.parameter("floor", neuron.floor))
        body.add("Identity", after, to=f"v_{name}:next")
        if neuron.refractory:
            left = body.add("Sub", f"rest_{name}", self.parameter("one", 1.0))
            left = body.add("Max", left, self.parameter("zero", 0.0))
            body.add("Where", fired, self.parameter("refractory", neuron.refractory), left, to=f"rest_{name}:next")

    def integrated(self, arriving: str) -> str:
        """Return the potential before the comparison."""
        body, neuron, name = self.body, self.neuron, self.name
        if np.any(neuron.gain != 1):
            arriving = body.add("Mul", arriving, self.parameter("gain", neuron.gain))
        if _has_current(neuron):
            kept = body.add("Mul", f"u_{name}", self.parameter("keep_u", 1 - neuron.decay_current))
            arriving = body.add("Add", kept, arriving, to=f"u_{name}:next")
        potential = f"v_{name}"
        if np.any(neuron.decay_potential != 0):
            potential = body.add("Mul", potential, self.parameter("keep_v", 1 - neuron.decay_potential))
        potential = body.add("Add", potential, arriving)
        return body.add("Add", potential, self.parameter("bias", neuron.bias)) if np.any(neuron.bias) else potential

    def spikes(self, potential: str) -> str:
        """Return the spikes as numbers: one, or as many as thresholds fit."""
        body, neuron, to = self.body, self.neuron, f"spikes_{self.name}:step"
        assert neuron.threshold is not None
        threshold = self.parameter("threshold", neuron.threshold)
        if neuron.overhang and neuron.reset_by is not None:
            over = body.cast(body.add("Greater", f"v_{self.name}", threshold), F32)
            lowered = body.add("Mul", over, self.parameter("reset_by", neuron.reset_by))
            potential = body.add("Sub", potential, lowered)
        if neuron.most == 1:
            comparison = "GreaterOrEqual" if neuron.inclusive else "Greater"
            return body.cast(body.add(comparison, potential, threshold), F32, to)
        fitting = body.add("Div", potential, threshold)
        if neuron.inclusive:
            whole = body.add("Floor", fitting)
        else:
            whole = body.add("Sub", body.add("Ceil", fitting), self.parameter("one", 1.0))
        whole = body.add("Max", whole, self.parameter("zero", 0.0))
        most = np.inf if neuron.most is None else neuron.most
        return body.add("Min", whole, self.parameter("most", most), to=to)
