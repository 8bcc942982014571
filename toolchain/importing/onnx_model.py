"""ONNX models as operations: the front end of networks that were trained and exported elsewhere.

Opsets 7 to the newest that the onnx package knows. Operators whose inputs are all constant are computed; the others
become operations, or are refused with the node's name and the nearest operator that is supported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.toolchain.importing.onnx_constants import FOLDED, constant, folded
from spikeport.toolchain.importing.onnx_file import Node, read
from spikeport.toolchain.importing.onnx_layers import LAYERS
from spikeport.toolchain.importing.onnx_values import Array, Shape, State, Value, first_value
from spikeport.toolchain.importing.operations import Kind, Operation

NEAREST = {
    "Relu (train the network with it)": (
        *("Celu", "Clip", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "PRelu", "Selu"),
        *("Sigmoid", "Softplus", "Softsign", "Tanh", "ThresholdedRelu"),
    ),
    "Conv": ("ConvTranspose", "DeformConv", "ConvInteger", "QLinearConv"),
    "BatchNormalization": (
        "GroupNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "LRN",
        "LpNormalization",
    ),
    "AveragePool and MaxPool": ("LpPool", "GlobalLpPool", "ReduceMax", "ReduceSum", "Resize", "Upsample"),
    "Gemm": ("Einsum", "MatMulInteger", "QLinearMatMul"),
    "a float model": ("DequantizeLinear", "DynamicQuantizeLinear", "QuantizeLinear"),
    "Add and Concat": ("Max", "Mean", "Min", "Split"),
    "the network unrolled": ("GRU", "If", "LSTM", "Loop", "RNN", "Scan"),
}
"""What stands nearest to an operator that is not supported."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OnnxModel:
    """The operations of a model in order; ``output`` names the one that is its result.

    ``input_shape``: (C, H, W) of an image, ``axes`` the same as the file says them. ``notes``: what was left out.
    """

    operations: tuple[Operation, ...]
    output: str
    input_shape: Shape
    axes: tuple[int, ...]
    notes: tuple[str, ...] = ()


def read_onnx(path: Path, shape: Shape | None = None) -> OnnxModel:
    """Read the ONNX model at ``path``; ``shape`` (C, H, W) of the images fills axes that the file leaves open.

    Raises `FormatError` with the file, the node and its operator, and what is supported instead.
    """
    graph = read(path)
    try:
        value, batch = first_value(graph, shape)
        state = State(graph=graph, batch=batch, values={graph.input: value}, constants=dict(graph.constants))
        for node in graph.nodes:
            _take(state, node)
        output = _result(state)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    return OnnxModel(
        operations=tuple(state.operations),
        output=output,
        input_shape=value.shape,
        axes=value.axes,
        notes=tuple(state.notes),
    )


def _result(state: State) -> str:
    """Return the operation that makes the output."""
    if state.graph.output not in state.values or not state.operations:
        raise FormatError("its output does not depend on its input")
    return state.values[state.graph.output].name


def _take(state: State, node: Node) -> None:
    """Add a node to the operations, or compute it where it is constant."""
    named = [name for name in node.inputs if name]
    for name in named:
        if name not in state.values and name not in state.constants:
            raise FormatError(f"{node.place}: its input {name!r} is made by no node before it; the file is damaged")
    if not node.outputs or set(node.outputs[:1]) & (state.values.keys() | state.constants.keys()):
        raise FormatError(f"{node.place}: its output is missing or made twice; the file is damaged")
    if node.kind == "Constant":
        state.constants[node.outputs[0]] = constant(node)
    elif node.kind == "Shape" and named and named[0] in state.values:
        value = state.value(node)
        axes = (state.batch, *value.axes)
        cut = slice(node.attributes.get("start", 0), node.attributes.get("end", len(axes)))
        state.constants[node.outputs[0]] = np.array(axes[cut], np.int64)
    elif named and all(name in state.constants for name in named):
        state.constants[node.outputs[0]] = folded(
            node, tuple(state.constants[name] for name in named), state.graph.budget
        )
    else:
        _operator(node)(state, node)


def _operator(node: Node) -> Callable[[State, Node], None]:
    found = LAYERS.get(node.kind) or POINTWISE.get(node.kind)
    if found is None:
        nearest = next((word for word, kinds in NEAREST.items() if node.kind in kinds), None)
        known = ", ".join(sorted({*LAYERS, *POINTWISE, *FOLDED}))
        advice = f"the nearest is {nearest}" if nearest else f"supported are {known}"
        raise FormatError(f"{node.place}: {node.kind} is not supported; {advice}")
    return found


def _plain(kind: Kind) -> Callable[[State, Node], None]:
    """Return the function of an operator that keeps the shape of its one input."""
    return lambda state, node: state.add(node, kind, state.value(node).shape)


def _same(state: State, node: Node) -> None:
    """Let the result be another name of the input."""
    state.values[node.outputs[0]] = state.value(node)


def _dropout(state: State, node: Node) -> None:
    mode = state.optional(node, 2, "training mode")
    if mode is not None and mode.any():
        raise FormatError(f"{node.place}: drops values in training mode; export the model for inference")
    state.add(node, "dropout", state.value(node).shape)


def _cast(state: State, node: Node) -> None:
    """Cast of floating-point values to floating-point values, which float64 holds."""
    if node.attributes.get("to") not in (1, 10, 11, 16):
        raise FormatError(f"{node.place}: turns values into whole numbers or texts; expected floating-point numbers")
    _same(state, node)


def _softmax(state: State, node: Node) -> None:
    value, axis = state.value(node), node.attributes.get("axis", 1 if state.graph.opset < 13 else -1)
    if axis % value.rank != 1:
        raise FormatError(f"{node.place}: works along axis {axis} of {value.axes}; expected the classes, axis 1")
    state.notes.append(f"{node.place} is left out: it keeps the order of the classes")
    state.add(node, "softmax", value.shape)


def _add(state: State, node: Node) -> None:
    """Add and Sum of values; a constant shifts."""
    constants = [state.constants[name] for name in node.inputs if name in state.constants]
    values = tuple(state.values[name] for name in node.inputs if name in state.values)
    if constants:
        if len(values) != 1 or len(constants) != 1:
            raise FormatError(f"{node.place}: adds several values and constants; expected one constant to one value")
        _scale(state, node, values[0], np.ones(()), constants[0])
        return
    if len({(value.shape, value.rank) for value in values}) > 1:
        raise FormatError(f"{node.place}: adds {[value.axes for value in values]}; expected equal shapes")
    state.add(node, "add", values[0].shape, inputs=values)


def _subtract(state: State, node: Node) -> None:
    first = node.inputs[0]
    if first in state.values:
        _scale(state, node, state.values[first], np.ones(()), -state.constant(node, 1, "second value"))
    else:
        _scale(state, node, state.value(node, 1), -np.ones(()), state.constants[first])


def _multiply(state: State, node: Node) -> None:
    values = [name for name in node.inputs if name in state.values]
    if len(values) != 1:
        raise FormatError(f"{node.place}: multiplies two values of the images; the nearest is Add")
    factor = next(state.constants[name] for name in node.inputs if name not in values)
    _scale(state, node, state.values[values[0]], factor, np.zeros(()))


def _divide(state: State, node: Node) -> None:
    divisor = state.constant(node, 1, "divisor")
    if not np.all(divisor):
        raise FormatError(f"{node.place}: divides by zero")
    _scale(state, node, state.value(node), 1 / divisor, np.zeros(()))


def _scale(state: State, node: Node, value: Value, factor: Array, shift: Array) -> None:
    """Add ``factor x + shift``, one number for all or one for each channel."""
    arrays: dict[str, Array | None] = {
        "factor": _by_channel(node, value, factor),
        "shift": _by_channel(node, value, shift),
    }
    state.add(node, "scale", value.shape, inputs=(value,), arrays=arrays)


def _by_channel(node: Node, value: Value, array: Array) -> Array:
    """Return () or (C,) of a constant that broadcasts to (N, C, ...)."""
    if array.size == 1 and array.ndim <= value.rank:
        return array.reshape(())
    sides = (1,) * (value.rank - array.ndim) + array.shape
    if len(sides) != value.rank or sides[:2] != (1, value.shape[0]) or any(side != 1 for side in sides[2:]):
        raise FormatError(
            f"{node.place}: its constant is {array.shape} for values {value.axes}; expected one a channel"
        )
    return array.reshape(-1)


POINTWISE: Mapping[str, Callable[[State, Node], None]] = {
    "Add": _add,
    "Cast": _cast,
    "Div": _divide,
    "Dropout": _dropout,
    "Identity": _same,
    "LogSoftmax": _softmax,
    "Mul": _multiply,
    "Relu": _plain("relu"),
    "Softmax": _softmax,
    "Sub": _subtract,
    "Sum": _add,
}
