"""ONNX models as operations: the front end of networks that were trained and exported elsewhere.

Opsets 7 to the newest that the onnx package knows. Operators whose inputs are all constant are computed; the others
become operations, or are refused with the node's name and the nearest operator that is supported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.toolchain.importing.onnx_constants import FOLDED, constant, folded
from spikeport.toolchain.importing.onnx_file import Graph, Node, read
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


LARGEST = 3e38
"""An upper end of Clip that no value of 32 bits passes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OnnxModel:
    """The operations of a model in order; ``output`` names the one that is its result.

    ``input_shape``: (C, H, W) of an image, ``axes`` the same as the file says them. ``notes``: how the input was read.
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
        graph, notes = _channels_first(graph, shape)
        value, batch = first_value(graph, shape)
        state = State(
            graph=graph, batch=batch, values={graph.input: value}, constants=dict(graph.constants), notes=notes
        )
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


def _channels_first(graph: Graph, shape: Shape | None) -> tuple[Graph, list[str]]:
    """Return a graph of images with the channels last, as Keras has them, without the Transpose that puts them first.

    ``shape`` (C, H, W): of the images, which are given with the channels first.
    """
    readers = [node for node in graph.nodes if graph.input in node.inputs]
    put_first = all(node.kind == "Transpose" and node.attributes.get("perm") == (0, 3, 1, 2) for node in readers)
    if not (readers and put_first and len(graph.axes) == 4 and shape is not None):
        return graph, []
    batch, *said = graph.axes
    first = (said[2], said[0], said[1])
    as_in_file, moved = (
        all(axis in (None, own) for axis, own in zip(axes, shape, strict=True)) for axes in (said, first)
    )
    if as_in_file and not moved:
        raise FormatError(
            f"its input {graph.input!r} is {shape}, with the channels last, which {readers[0].place} puts first; "
            "give the images as (N, C, H, W): numpy.moveaxis(images, -1, 1)"
        )
    if as_in_file or not moved:
        return graph, []
    same = {node: replace(node, kind="Identity", attributes={}) for node in readers}
    nodes = tuple(same.get(node, node) for node in graph.nodes)
    note = f"{readers[0].place} is left out: the model takes (N, H, W, C), and the images are (N, C, H, W)"
    return replace(graph, axes=(batch, *first), nodes=nodes), [note]


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
    elif named and all(name in state.constants for name in named) and not _nearest(node):
        state.constants[node.outputs[0]] = folded(
            node, tuple(state.constants[name] for name in named), state.graph.budget
        )
    else:
        _operator(node)(state, node)


def _operator(node: Node) -> Callable[[State, Node], None]:
    found = LAYERS.get(node.kind) or POINTWISE.get(node.kind)
    if found is None:
        nearest = _nearest(node)
        known = ", ".join(sorted({*LAYERS, *POINTWISE, *FOLDED}))
        advice = f"the nearest is {nearest}" if nearest else f"supported are {known}"
        raise FormatError(f"{node.place}: {node.kind} is not supported; {advice}")
    return found


def _nearest(node: Node) -> str | None:
    """Return what stands nearest to an operator that is not supported."""
    return (
        None if node.kind in POINTWISE else next((word for word, kinds in NEAREST.items() if node.kind in kinds), None)
    )


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


def _clip(state: State, node: Node) -> None:
    """Clip from 0 without an upper end: Relu, as PyTorch writes ``clamp(min=0)``."""
    ends = [state.optional(node, index, what) for index, what in ((1, "least value"), (2, "largest value"))]
    least, most = (
        node.attributes.get(name) if end is None else end.ravel()[:1].sum()
        for name, end in zip(("min", "max"), ends, strict=True)
    )
    if least != 0 or (most is not None and most < LARGEST):
        raise FormatError(
            f"{node.place}: clips values to {least} to {most}; the nearest is Relu (train the network with it)"
        )
    state.add(node, "relu", state.value(node).shape)


def _largest(state: State, node: Node) -> None:
    """Max of values and zero: Relu."""
    values = [name for name in node.inputs if name in state.values]
    zeros = all(
        not state.constants[name].any() and state.constants[name].size == 1
        for name in node.inputs
        if name not in values
    )
    if len(values) != 1 or len(node.inputs) != 2 or not zeros:
        raise FormatError(f"{node.place}: takes the larger of two values; the nearest is Relu, Max of a value and 0")
    state.add(node, "relu", state.values[values[0]].shape, inputs=(state.values[values[0]],))


def _argmax(state: State, node: Node) -> None:
    """Leave out the choice of a class at the end."""
    value, axis = state.value(node), node.attributes.get("axis", 0)
    if axis % value.rank != 1 or node.attributes.get("select_last_index", 0) or value.shape[1:] != (1, 1):
        raise FormatError(f"{node.place}: works along axis {axis} of {value.axes}; expected the classes, axis 1")
    state.add(node, "softmax", value.shape)


def _softmax(state: State, node: Node) -> None:
    value, axis = state.value(node), node.attributes.get("axis", 1 if state.graph.opset < 13 else -1)
    if axis % value.rank != 1:
        raise FormatError(f"{node.place}: works along axis {axis} of {value.axes}; expected the classes, axis 1")
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
    "ArgMax": _argmax,
    "Cast": _cast,
    "Clip": _clip,
    "Div": _divide,
    "Dropout": _dropout,
    "Identity": _same,
    "LogSoftmax": _softmax,
    "Max": _largest,
    "Mul": _multiply,
    "Relu": _plain("relu"),
    "Softmax": _softmax,
    "Sub": _subtract,
    "Sum": _add,
}
