"""ONNX: one stateful integer model of standard operators (opset 21), exact in every runtime.

Inputs: ``input`` uint8 (T, N, *shape) and the state of every population, ``v_NAME`` int32 (N, *shape), where the
synaptic current has memory ``u_NAME``, and where a projection has a delay ``past_NAME:K`` uint8, the spikes of K steps
before; zeros start a sample. Outputs: ``spikes_NAME`` uint8 (T, N, *shape) of every population that fires,
``potential_NAME`` int32 (T, N, *shape) of those that do not, and the states after the last step as ``v_NAME:out`` and
so on, so that a stream can be cut anywhere. T and N are dynamic; the proof that nothing overflows holds for the
network's own number of steps, which stands in the model's metadata as ``steps``.

Graded input is split into ``2 (x >> 1) + (x & 1)``: on processors without VNNI a product of 8-bit pairs saturates at
16 bits, which halves (at most 127) cannot reach.
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export import bounds
from export.errors import FormatError
from export.files import atomic
from export.fixed_point import ACTIVATION_SHIFT, DECAY_SHIFT
from export.network import (
    Array,
    Convolution,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)

OPSET, IR_VERSION = 21, 10
U8, I32, I64 = TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64


@dataclass
class _Body:
    """The graph of one step while it grows; constants live outside, in the main graph."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    _count: "itertools.count[int]" = field(default_factory=itertools.count)

    def add(self, operator: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        output = to or f"{operator.lower()}_{next(self._count)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def cast(self, value: str, kind: int, to: str = "") -> str:
        """Append a change of type; its attribute shares the name of our argument."""
        output = to or f"cast_{next(self._count)}"
        self.nodes.append(helper.make_node("Cast", [value], [output], to=kind))
        return output

    def constant(self, name: str, value: Array) -> str:
        """Keep ``value`` as an initialiser and return its name."""
        self.constants[name] = value
        return name

    def scaled(self, value: str, factor: int) -> str:
        """Multiply an int32 tensor by a whole number."""
        if factor == 1:
            return value
        return self.add("Mul", value, self.constant(f"times_{factor}", np.array(factor, np.int32)))


def write(network: IntegerNetwork, path: Path) -> None:
    """Write ``network`` as an ONNX model; `FormatError` names what this form cannot say."""
    model = to_model(network)
    with atomic(path) as draft:
        onnx.save(model, draft)


def to_model(network: IntegerNetwork) -> onnx.ModelProto:
    """Return ``network`` as an ONNX model that the full checker accepts."""
    _check(network)
    body = _Body()
    for population in network.neurons:
        _population(body, network, population)
    for population in network.populations:
        _remember(body, network, population)
    model = helper.make_model(
        _main_graph(network, body),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="spikeport",
    )
    helper.set_model_props(model, {"steps": str(network.steps)})
    onnx.checker.check_model(model, full_check=True)
    return model


def _check(network: IntegerNetwork) -> None:
    if not bounds.is_safe(network):
        raise FormatError(
            "the ONNX model neither wraps nor saturates, and this network is not proven to stay in its registers; "
            "quantize it again without forcing the scale"
        )
    assert isinstance(network.source.neuron, Source)
    if network.source.neuron.levels > 255:
        raise FormatError(f"the source has {network.source.neuron.levels} levels; ONNX integer operators take 255")


def states(network: IntegerNetwork) -> list[tuple[str, IntegerPopulation]]:
    """Return the names of the state tensors with their populations, in the order of the model's inputs."""
    found = [(f"past_{p.name}:{ago}", p) for p in network.populations for ago in range(1, _reach(network, p) + 1)]
    for population in network.neurons:
        if _has_current(population):
            found.append((f"u_{population.name}", population))
        found.append((f"v_{population.name}", population))
    return found


def rest(network: IntegerNetwork, samples: int) -> dict[str, Array]:
    """Return the state before the first step of ``samples`` samples, by the names of the model's inputs."""
    return {
        name: np.zeros((samples, *p.shape), np.uint8 if _kind(name) == U8 else np.int32) for name, p in states(network)
    }


def records(network: IntegerNetwork) -> list[tuple[str, IntegerPopulation]]:
    """Return the names of what the model puts out at every step, with their populations."""
    named = [(f"spikes_{population.name}", population) for population in network.spiking]
    return [*named, *((f"potential_{population.name}", population) for population in network.silent)]


def _reach(network: IntegerNetwork, population: IntegerPopulation) -> int:
    """Return how many steps back the spikes of a population are heard."""
    return max((projection.delay for projection in network.outgoing(population.name)), default=0)


def _has_current(population: IntegerPopulation) -> bool:
    assert isinstance(population.neuron, IntegerNeuron)
    return not population.neuron.memoryless_current


def _population(body: _Body, network: IntegerNetwork, population: IntegerPopulation) -> None:
    neuron, name = population.neuron, population.name
    assert isinstance(neuron, IntegerNeuron)
    arriving = [_arriving(body, network, projection) for projection in network.incoming(name)]
    current = body.scaled(_sum(body, arriving), 1 << ACTIVATION_SHIFT)
    if _has_current(population):
        decayed = _decayed(body, f"u_{name}", neuron.decay_u)
        current = body.add("Add", decayed, current, to=f"u_{name}:next")
    potential = body.add("Add", _decayed(body, f"v_{name}", neuron.decay_v), current)
    if neuron.bias_mantissa.any():
        bias = neuron.bias_mantissa.astype(np.int32) << neuron.bias_exponent
        potential = body.add("Add", potential, body.constant(f"bias_{name}", _batched(bias)))
    _fire(body, name, neuron, potential)


def _fire(body: _Body, name: str, neuron: IntegerNeuron, potential: str) -> None:
    if neuron.threshold is None:
        body.add("Identity", potential, to=f"v_{name}:next")
        body.add("Identity", potential, to=f"potential_{name}:step")
        return
    assert neuron.level is not None
    threshold = body.constant(f"threshold_{name}", _batched(neuron.level))
    fired = body.add("Greater", potential, threshold)
    body.cast(fired, U8, to=f"spikes_{name}:step")
    if neuron.reset_by is None:
        after = body.constant(f"reset_{name}", _batched(neuron.reset_to << ACTIVATION_SHIFT))
    else:
        step = body.constant(f"reset_{name}", _batched(neuron.reset_by << ACTIVATION_SHIFT))
        after = body.add("Sub", potential, step)
    body.add("Where", fired, after, potential, to=f"v_{name}:next")


def _decayed(body: _Body, state: str, decay: Array) -> str:
    """Multiply in 64 bit and divide; integer division truncates toward zero."""
    if not decay.any():
        return state
    kept = body.constant(f"keep_{state}", _batched(2**DECAY_SHIFT - decay).astype(np.int64))
    unity = body.constant("unity", np.array(2**DECAY_SHIFT, np.int64))
    wide = body.cast(state, I64)
    narrow = body.add("Div", body.add("Mul", wide, kept), unity)
    return body.cast(narrow, I32)


def _arriving(body: _Body, network: IntegerNetwork, projection: IntegerProjection) -> str:
    """Return the synaptic sum in the target's shape."""
    total, target = _synaptic_sum(body, network, projection), network.population(projection.target)
    if projection.output_shape(network.population(projection.source).shape) == target.shape:
        return total
    shape = body.constant(f"shape_{target.name}", np.array((-1, *target.shape), np.int64))
    return body.add("Reshape", total, shape)


def _synaptic_sum(body: _Body, network: IntegerNetwork, projection: IntegerProjection) -> str:
    source = network.population(projection.source)
    weight = f"weight_{network.label(projection)}"
    spikes = f"past_{source.name}:{projection.delay}" if projection.delay else _spikes(source)
    if not isinstance(source.neuron, Source) or source.neuron.levels == 1:
        total = _product(body, weight, projection, spikes)
    else:
        one = body.constant("one", np.ones((), np.uint8))
        halves = _product(body, weight, projection, body.add("BitShift", spikes, one, direction="RIGHT"))
        rest = _product(body, weight, projection, body.add("BitwiseAnd", spikes, one))
        total = body.add("Add", body.scaled(halves, 2), rest)
    return body.scaled(total, 2**projection.exponent)


def _spikes(population: IntegerPopulation) -> str:
    """Return the name of what a population sends in this step."""
    return "frame" if isinstance(population.neuron, Source) else f"spikes_{population.name}:step"


def _remember(body: _Body, network: IntegerNetwork, population: IntegerPopulation) -> None:
    """Move the spikes of a population one step further into the past."""
    for ago in range(1, _reach(network, population) + 1):
        now = _spikes(population) if ago == 1 else f"past_{population.name}:{ago - 1}"
        body.add("Identity", now, to=f"past_{population.name}:{ago}:next")


def _product(body: _Body, name: str, projection: IntegerProjection, spikes: str) -> str:
    synapses = projection.synapses
    if isinstance(synapses, Convolution):
        (top, left), groups = synapses.padding, synapses.groups
        geometry: dict[str, Any] = {"strides": synapses.stride, "dilations": synapses.dilation, "group": groups}
        weight = body.constant(name, synapses.weight)
        return body.add("ConvInteger", spikes, weight, pads=(top, left, top, left), **geometry)
    flat = body.add("Flatten", spikes, axis=1)
    return body.add("MatMulInteger", flat, body.constant(name, np.ascontiguousarray(synapses.weight.T)))


def _sum(body: _Body, terms: list[str]) -> str:
    total = terms[0]
    for term in terms[1:]:
        total = body.add("Add", total, term)
    return total


def _batched(value: Array) -> Array:
    """Put a batch axis before a neuron parameter."""
    return np.asarray(value, np.int32)[None] if value.ndim else np.asarray(value, np.int32)


def _main_graph(network: IntegerNetwork, body: _Body) -> onnx.GraphProto:
    source = network.source
    state, record = states(network), records(network)
    inner = helper.make_graph(
        body.nodes,
        "step",
        [*(_info(name, _kind(name), "N", p) for name, p in state), _info("frame", U8, "N", source)],
        [
            *(_info(f"{name}:next", _kind(name), "N", p) for name, p in state),
            *(_info(f"{name}:step", _kind(name), "N", p) for name, p in record),
        ],
    )
    scan = helper.make_node(
        "Scan",
        [*(name for name, _ in state), "input"],
        [*(f"{name}:out" for name, _ in state), *(name for name, _ in record)],
        body=inner,
        num_scan_inputs=1,
    )
    return helper.make_graph(
        [scan],
        "spiking_network",
        [_info("input", U8, "TN", source), *(_info(name, _kind(name), "N", p) for name, p in state)],
        [
            *(_info(name, _kind(name), "TN", p) for name, p in record),
            *(_info(f"{name}:out", _kind(name), "N", p) for name, p in state),
        ],
        [numpy_helper.from_array(value, name) for name, value in body.constants.items()],
    )


def _info(name: str, kind: int, axes: str, population: IntegerPopulation) -> onnx.ValueInfoProto:
    """Describe a tensor with one symbolic axis per letter of ``axes`` before the population's shape."""
    return helper.make_tensor_value_info(name, kind, [*axes, *population.shape])


def _kind(name: str) -> int:
    return U8 if name.startswith(("spikes_", "past_")) else I32
