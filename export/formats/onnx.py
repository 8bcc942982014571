"""ONNX: one stateful integer model of standard operators (opset 21), exact in every runtime.

Inputs and outputs as in `spikeport.export.onnx_graph`: spikes and past uint8, states and potentials int32; zeros start
a sample. The proof that nothing overflows holds for the network's own number of steps, which stands in the model's
metadata as ``steps``.

In a `BiasNetwork` the model computes the host's part, too: what ``input`` sends becomes the bias, rounded as
`spikeport.export.biases` says, from the frame of each step; give it the same frame in all.

Graded input is split into ``2 (x >> 1) + (x & 1)``: on processors without VNNI a product of 8-bit pairs saturates at
16 bits, which halves (at most 127) cannot reach.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from spikeport.export import biases, bounds
from spikeport.export.errors import FormatError
from spikeport.export.files import write_bytes
from spikeport.export.fixed_point import ACTIVATION_SHIFT, BIAS_MANTISSA_MAX, DECAY_SHIFT
from spikeport.export.network import (
    Array,
    BiasNetwork,
    Convolution,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.onnx_graph import I32, I64, U8, AnyPopulation, Body, States, assemble, past, weight_name

NETWORKS = (IntegerNetwork, BiasNetwork)
INT32_MAX = 2**31 - 1


def write(network: IntegerNetwork, path: Path) -> None:
    """Write ``network`` as an ONNX model; `FormatError` names what this form cannot say."""
    write_bytes(path, to_model(network).SerializeToString())


def to_model(network: IntegerNetwork) -> onnx.ModelProto:
    """Return ``network`` as an ONNX model that the full checker accepts."""
    _check(network)
    body = Body()
    for population in network.neurons:
        _population(body, network, population)
    body.remember(network, _spikes)
    return assemble(network, body, states(network), _kind)


def _check(network: IntegerNetwork) -> None:
    if not bounds.is_safe(network):
        raise FormatError(
            "the ONNX model neither wraps nor saturates, and this network is not proven to stay in its registers; "
            "quantize it again without forcing the scale"
        )
    assert isinstance(network.source.neuron, Source)
    if network.source.neuron.levels > 255:
        raise FormatError(f"the source has {network.source.neuron.levels} levels; ONNX integer operators take 255")
    for name, ends in bounds.drive_ends(network).items():
        most = max(int(np.abs(end).max()) for end in ends)
        if most > INT32_MAX - biases.LARGEST:
            raise FormatError(
                f"population {name}: the input gives up to {most:,} units of the potential; ONNX integer operators add "
                f"up to {INT32_MAX:,}: quantize the network again"
            )


def states(network: IntegerNetwork) -> States:
    """Return the names of the state tensors with their populations, in the order of the model's inputs."""
    found = past(network)
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


def _has_current(population: IntegerPopulation) -> bool:
    assert isinstance(population.neuron, IntegerNeuron)
    return not population.neuron.memoryless_current


def _population(body: Body, network: IntegerNetwork, population: IntegerPopulation) -> None:
    neuron, name = population.neuron, population.name
    assert isinstance(neuron, IntegerNeuron)
    incoming = network.incoming_on_chip(name)
    host = [projection for projection in network.incoming(name) if projection not in incoming]
    potential = _decayed(body, f"v_{name}", neuron.decay_v)
    if incoming:
        current = _activation(body, network, incoming)
        if _has_current(population):
            decayed = _decayed(body, f"u_{name}", neuron.decay_u)
            current = body.add("Add", decayed, current, to=f"u_{name}:next")
        potential = body.add("Add", potential, current)
    own = body.constant(f"bias_{name}", _batched(biases.own_bias(neuron))) if neuron.bias_mantissa.any() else ""
    if host:
        drive = _activation(body, network, host)
        own = _register(body, body.add("Add", drive, own) if own else drive)
    _fire(body, name, neuron, body.add("Add", potential, own) if own else potential)


def _activation(body: Body, network: IntegerNetwork, projections: Sequence[IntegerProjection]) -> str:
    """Return what arrives over projections, in units of the potential."""
    arriving = [_arriving(body, network, projection) for projection in projections]
    return _scaled(body, body.total(arriving), 1 << ACTIVATION_SHIFT)


def _register(body: Body, drive: str) -> str:
    """Return what the bias register makes of a drive: ``sign m 2^e`` with ``m = min((|drive| + 2^e / 2) / 2^e, 4095)``.

    ``2^e`` is one, plus ``2^k`` for every exponent k that does not reach.
    """
    size = body.add("Abs", drive)
    unit = body.constant("one_int32", np.array(1, np.int32))
    terms = [unit]
    for exponent, reach in enumerate(biases.REACHES.tolist()):
        beyond = body.add("Greater", size, body.constant(f"reach_{exponent}", np.array(reach, np.int32)))
        terms.append(_scaled(body, body.cast(beyond, I32), 1 << exponent))
    unit = body.total(terms)
    half = body.add("Div", unit, body.constant("two_int32", np.array(2, np.int32)))
    mantissa = body.add("Div", body.add("Add", size, half), unit)
    mantissa = body.add("Min", mantissa, body.constant("mantissa_most", np.array(BIAS_MANTISSA_MAX, np.int32)))
    return body.add("Mul", body.add("Sign", drive), body.add("Mul", mantissa, unit))


def _fire(body: Body, name: str, neuron: IntegerNeuron, potential: str) -> None:
    if neuron.threshold is None:
        potential = potential if neuron.floor is None else _floored(body, name, neuron.floor, potential)
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
    if neuron.floor is None:
        body.add("Where", fired, after, potential, to=f"v_{name}:next")
    else:
        _floored(body, name, neuron.floor, body.add("Where", fired, after, potential), to=f"v_{name}:next")


def _floored(body: Body, name: str, floor: Array, potential: str, *, to: str = "") -> str:
    """Return a potential that ends the step at the neuron's floor or above it."""
    least = floor.astype(np.int64) << ACTIVATION_SHIFT
    return body.add("Max", potential, body.constant(f"floor_{name}", _batched(least)), to=to)


def _decayed(body: Body, state: str, decay: Array) -> str:
    """Multiply in 64 bit and divide; integer division truncates toward zero."""
    if not decay.any():
        return state
    kept = body.constant(f"keep_{state}", _batched(2**DECAY_SHIFT - decay).astype(np.int64))
    unity = body.constant("unity", np.array(2**DECAY_SHIFT, np.int64))
    wide = body.cast(state, I64)
    narrow = body.add("Div", body.add("Mul", wide, kept), unity)
    return body.cast(narrow, I32)


def _arriving(body: Body, network: IntegerNetwork, projection: IntegerProjection) -> str:
    """Return the synaptic sum in the target's shape."""
    total, target = _synaptic_sum(body, network, projection), network.population(projection.target)
    return body.shaped(total, projection.output_shape(network.population(projection.source).shape), target)


def _synaptic_sum(body: Body, network: IntegerNetwork, projection: IntegerProjection) -> str:
    source = network.population(projection.source)
    weight = weight_name(network, projection)
    spikes = f"past_{source.name}:{projection.delay}" if projection.delay else _spikes(source)
    if not isinstance(source.neuron, Source) or source.neuron.levels == 1:
        total = _product(body, weight, projection, spikes)
    else:
        one = body.constant("one", np.ones((), np.uint8))
        halves = _product(body, weight, projection, body.add("BitShift", spikes, one, direction="RIGHT"))
        rest = _product(body, weight, projection, body.add("BitwiseAnd", spikes, one))
        total = body.add("Add", _scaled(body, halves, 2), rest)
    return _scaled(body, total, 2**projection.exponent)


def _spikes(population: AnyPopulation) -> str:
    """Return the name of what a population sends in this step."""
    return "frame" if isinstance(population.neuron, Source) else f"spikes_{population.name}:step"


def _product(body: Body, name: str, projection: IntegerProjection, spikes: str) -> str:
    synapses = projection.synapses
    if isinstance(synapses, Convolution):
        (top, left), groups = synapses.padding, synapses.groups
        geometry: dict[str, Any] = {"strides": synapses.stride, "dilations": synapses.dilation, "group": groups}
        weight = body.constant(name, synapses.weight)
        return body.add("ConvInteger", spikes, weight, pads=(top, left, top, left), **geometry)
    flat = body.add("Flatten", spikes, axis=1)
    return body.add("MatMulInteger", flat, body.constant(name, np.ascontiguousarray(synapses.weight.T)))


def _scaled(body: Body, value: str, factor: int) -> str:
    """Multiply an int32 tensor by a whole number."""
    if factor == 1:
        return value
    return body.add("Mul", value, body.constant(f"times_{factor}", np.array(factor, np.int32)))


def _batched(value: Array) -> Array:
    """Put a batch axis before a neuron parameter."""
    return np.asarray(value, np.int32)[None] if value.ndim else np.asarray(value, np.int32)


def _kind(name: str) -> int:
    return U8 if name.startswith(("spikes_", "past_")) or name == "input" else I32
