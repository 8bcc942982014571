"""Operators of ONNX with weights or windows, and those that move axes: each a function of one node."""

import math
from collections.abc import Callable, Mapping
from itertools import permutations

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.toolchain.importing.onnx_file import Node
from spikeport.toolchain.importing.onnx_values import Array, Shape, State, Value, borders, given, pair, windows
from spikeport.toolchain.importing.operations import Kind, Settings

NORMS_MOMENTUM = 0.9
Order = tuple[int, int, int]


def convolution(state: State, node: Node) -> None:
    """Conv of one or two dimensions."""
    value, weight = state.value(node), state.constant(node, 1, "weight")
    groups, rank = node.attributes.get("group", 1), value.rank
    if rank == 2 or weight.ndim != rank or groups < 1 or weight.shape[1] * groups != value.shape[0]:
        raise FormatError(f"{node.place}: weights {weight.shape} in {groups} groups do not fit its input {value.axes}")
    weight = weight[:, :, None] if rank == 3 else weight
    settings = _settings(node, value, (weight.shape[2], weight.shape[3]), groups=groups)
    shape = (weight.shape[0], *windows(node, value, settings))
    arrays = {"weight": weight, "bias": state.optional(node, 2, "bias")}
    state.add(node, "convolution", shape, arrays=arrays, settings=settings, parameters=_owner(node))


def _owner(node: Node) -> str:
    """Return the name of the layer that the weights belong to: the initializer's, as PyTorch names it."""
    return given(node, 1).removesuffix(".weight")


def _settings(node: Node, value: Value, kernel: tuple[int, int], *, groups: int = 1) -> Settings:
    stride, dilation = pair(node, "strides", value), pair(node, "dilations", value)
    return Settings(
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        groups=groups,
        padding=borders(node, value, kernel, stride, dilation),
        ceil=bool(node.attributes.get("ceil_mode", 0)),
        count_padding=bool(node.attributes.get("count_include_pad", 0)),
    )


def gemm(state: State, node: Node) -> None:
    """Gemm: ``alpha x B + beta C``."""
    if node.attributes.get("transA", 0):
        raise FormatError(f"{node.place}: transA is 1, which mixes images; expected 0")
    weight = state.constant(node, 1, "weight B")
    weight = weight if node.attributes.get("transB", 0) else weight.T
    bias = state.optional(node, 2, "bias C")
    if bias is not None:
        bias = _bias(node, bias, len(weight)) * np.float64(node.attributes.get("beta", 1.0))
    _linear(state, node, weight * np.float64(node.attributes.get("alpha", 1.0)), bias)


def matrix(state: State, node: Node) -> None:
    """MatMul of (N, features) and a constant."""
    weight = state.constant(node, 1, "second factor")
    _linear(state, node, weight.T, None)


def _linear(state: State, node: Node, weight: Array, bias: Array | None) -> None:
    value = state.value(node)
    if value.rank != 2 or weight.ndim != 2 or weight.shape[1] != value.shape[0]:
        raise FormatError(f"{node.place}: weights {weight.shape[::-1]} do not fit its input {value.axes}; flatten it")
    arrays = {"weight": np.ascontiguousarray(weight), "bias": bias}
    state.add(node, "linear", (weight.shape[0], 1, 1), arrays=arrays, parameters=_owner(node))


def _bias(node: Node, bias: Array, features: int) -> Array:
    if bias.size not in (1, features) or max(bias.shape, default=1) != bias.size:
        raise FormatError(
            f"{node.place}: its bias C is {bias.shape}; expected one number for each of {features} features"
        )
    return np.broadcast_to(bias.ravel(), (features,))


def batch_norm(state: State, node: Node) -> None:
    """BatchNormalization with its running statistics."""
    if node.attributes.get("training_mode", 0) or node.attributes.get("spatial", 1) != 1:
        raise FormatError(f"{node.place}: takes statistics of the batch or of single places; export it for inference")
    value = state.value(node)
    named = {"weight": 1, "bias": 2, "mean": 3, "variance": 4}
    arrays: dict[str, Array | None] = {name: state.constant(node, index, name) for name, index in named.items()}
    if any(array is None or array.shape != value.shape[:1] for array in arrays.values()):
        raise FormatError(f"{node.place}: its statistics do not fit its input {value.axes}")
    momentum = 1 - node.attributes.get("momentum", NORMS_MOMENTUM)
    settings = Settings(eps=node.attributes.get("epsilon", 1e-5), momentum=momentum)
    state.add(node, "batch_norm", value.shape, arrays=arrays, settings=settings, parameters=_owner(node))


def pooling(state: State, node: Node) -> None:
    """MaxPool and AveragePool."""
    value, maximum = state.value(node), node.kind == "MaxPool"
    if maximum and len(node.outputs) > 1 and node.outputs[1]:
        raise FormatError(f"{node.place}: gives places of the maxima, too; expected the maxima alone")
    if "kernel_shape" not in node.attributes:
        raise FormatError(f"{node.place}: has no kernel_shape; the file is damaged")
    settings = _settings(node, value, pair(node, "kernel_shape", value))
    if not maximum and settings.dilation != (1, 1):
        raise FormatError(f"{node.place}: dilations are {settings.dilation}; average pooling is supported without")
    kind: Kind = "max_pooling" if maximum else "average_pooling"
    state.add(node, kind, (value.shape[0], *windows(node, value, settings)), settings=settings)


def whole_pooling(state: State, node: Node) -> None:
    """GlobalAveragePool and GlobalMaxPool."""
    value = state.value(node)
    if value.rank == 2:
        raise FormatError(f"{node.place}: its input {value.axes} has no map to pool")
    kind: Kind = "adaptive_max_pooling" if node.kind == "GlobalMaxPool" else "adaptive_average_pooling"
    state.add(node, kind, (value.shape[0], 1, 1))


def mean(state: State, node: Node) -> None:
    """ReduceMean over the whole map: an average pooling."""
    value = state.value(node)
    axes = sorted(axis % value.rank for axis in _axes(state, node))
    if value.rank == 2 or axes != list(range(2, value.rank)):
        raise FormatError(
            f"{node.place}: takes the mean over axes {axes}; expected the map's, {list(range(2, value.rank))}"
        )
    rank = value.rank if node.attributes.get("keepdims", 1) else 2
    state.add(node, "adaptive_average_pooling", (value.shape[0], 1, 1), rank=rank)


def _axes(state: State, node: Node) -> tuple[int, ...]:
    """Return axes: an attribute in older opsets, an input in newer ones."""
    array = state.optional(node, 1, "axes")
    return tuple(node.attributes.get("axes", ()) if array is None else (int(axis) for axis in array.ravel()))


def flatten(state: State, node: Node) -> None:
    """Flatten from axis 1."""
    value, axis = state.value(node), node.attributes.get("axis", 1)
    if axis % value.rank != 1:
        raise FormatError(f"{node.place}: axis is {axis}; expected 1: one row of features for each image")
    _flat(state, node, value)


def _flat(state: State, node: Node, value: Value) -> None:
    state.add(node, "flatten", (math.prod(value.shape), 1, 1), rank=2)


def reshape(state: State, node: Node) -> None:
    """Reshape that flattens, moves axes of one place, or changes nothing."""
    value, sides = state.value(node), [int(side) for side in state.constant(node, 1, "shape").ravel()]
    own, count = (state.batch, *value.axes), math.prod(value.shape)
    if not node.attributes.get("allowzero", 0) and len(sides) <= len(own):
        sides = [own[index] if side == 0 else side for index, side in enumerate(sides)]
    rest = math.prod(side for side in sides if side != -1)
    sides = [state.batch * count // max(rest, 1) if side == -1 else side for side in sides]
    if sides == list(own):
        state.add(node, "identity", value.shape)
    elif sides == [state.batch, count]:
        _flat(state, node, value)
    elif (order := _order(value.shape, sides[1:])) is not None and sides[0] == state.batch:
        state.add(node, "permute", _permuted(value.shape, order), rank=4, settings=Settings(order=order))
    else:
        raise FormatError(f"{node.place}: makes {sides} of {list(own)}; expected {[state.batch, count]}: a flat one")


def _order(shape: Shape, sides: list[int]) -> Order | None:
    """Return the order of axes that a Reshape to ``sides`` is: those of more than one place keep theirs."""
    for first, second, third in permutations((0, 1, 2)):
        order = first, second, third
        moved = [axis for axis in order if shape[axis] > 1]
        if moved == sorted(moved) and list(_permuted(shape, order)) == sides:
            return order
    return None


def _permuted(shape: Shape, order: Order) -> Shape:
    return shape[order[0]], shape[order[1]], shape[order[2]]


def squeeze(state: State, node: Node) -> None:
    """Squeeze and Unsqueeze of the map's axes, where they have one place each."""
    value, axes = state.value(node), _axes(state, node)
    rank = value.rank + (len(axes) if node.kind == "Unsqueeze" else -len(axes))
    sides = sorted(axis % max(value.rank, rank) for axis in axes)
    last = list(range(min(value.rank, rank), max(value.rank, rank)))
    if rank < 2 or sides != last or value.shape[1:] != (1, 1):
        raise FormatError(
            f"{node.place}: changes axes {sides} of {value.axes}; expected the last ones, of one place each"
        )
    state.add(node, "identity", value.shape, rank=rank)


def transpose(state: State, node: Node) -> None:
    """Transpose of the axes of an image."""
    value = state.value(node)
    order = tuple(node.attributes.get("perm", range(value.rank)[::-1]))
    if order[:1] != (0,) or sorted(order) != list(range(value.rank)):
        raise FormatError(f"{node.place}: perm is {order}; expected the batch first")
    known = {2: (0, 1, 2), 3: (0, 1, 2) if order == (0, 1, 2) else (2, 1, 0)}
    first, second, third = known.get(value.rank, tuple(axis - 1 for axis in order[1:]))
    moved = (first, second, third)
    state.add(node, "permute", _permuted(value.shape, moved), settings=Settings(order=moved))


def concatenate(state: State, node: Node) -> None:
    """Concat of channels."""
    values = tuple(state.value(node, index) for index in range(len(node.inputs)))
    axis = node.attributes.get("axis", 1) % values[0].rank
    if axis != 1 or len({(value.rank, value.shape[1:]) for value in values}) > 1:
        raise FormatError(
            f"{node.place}: joins {[v.axes for v in values]} along axis {axis}; expected channels, axis 1"
        )
    channels = sum(value.shape[0] for value in values)
    state.add(node, "concatenate", (channels, *values[0].shape[1:]), inputs=values)


def pad(state: State, node: Node) -> None:
    """Pad with zeros."""
    value, mode = state.value(node), node.attributes.get("mode", "constant")
    array, fill = state.optional(node, 1, "pads"), state.optional(node, 2, "value")
    filled = node.attributes.get("value", 0.0) if fill is None else fill.ravel()[:1].sum()
    if mode != "constant" or filled != 0:
        raise FormatError(f"{node.place}: pads by {mode} of {filled}; expected zeros")
    pads = [int(count) for count in (node.attributes.get("pads", ()) if array is None else array.ravel())]
    chosen = state.optional(node, 3, "axes")
    axes = list(range(value.rank)) if chosen is None else [int(axis) % value.rank for axis in chosen.ravel()]
    if len(pads) != 2 * len(axes) or min(pads, default=0) < 0:
        raise FormatError(f"{node.place}: pads are {pads}; expected two numbers from 0 for each axis")
    sides = {axis: (pads[index], pads[index + len(axes)]) for index, axis in enumerate(axes)}
    if sides.get(0, (0, 0)) != (0, 0):
        raise FormatError(f"{node.place}: pads the batch; expected channels or the map")
    columns, rows = sides.get(value.rank - 1, (0, 0)), sides.get(2, (0, 0)) if value.rank == 4 else (0, 0)
    columns = columns if value.rank > 2 else (0, 0)
    channels, (count, height, width) = sides.get(1, (0, 0)), value.shape
    shape = (count + sum(channels), height + sum(rows), width + sum(columns))
    state.add(node, "pad", shape, settings=Settings(padding=(*rows, *columns), channels=channels))


LAYERS: Mapping[str, Callable[[State, Node], None]] = {
    "AveragePool": pooling,
    "BatchNormalization": batch_norm,
    "Concat": concatenate,
    "Conv": convolution,
    "Flatten": flatten,
    "Gemm": gemm,
    "GlobalAveragePool": whole_pooling,
    "GlobalMaxPool": whole_pooling,
    "MatMul": matrix,
    "MaxPool": pooling,
    "Pad": pad,
    "ReduceMean": mean,
    "Reshape": reshape,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": squeeze,
}
