"""What an ONNX graph computes of constants alone: shapes for Reshape, and weights that are transposed or reshaped."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from onnx import helper

from spikeport.export.errors import FormatError, one_line
from spikeport.export.inputs import Budget
from spikeport.toolchain.importing.onnx_file import Node

Array = np.ndarray[Any, Any]
Arguments = tuple[Array, ...]


def _axes(node: Node, arrays: Arguments) -> tuple[int, ...]:
    """Return the axes of Squeeze and Unsqueeze: an attribute until opset 12, then an input."""
    if len(arrays) > 1:
        return tuple(int(axis) for axis in arrays[1].ravel())
    return tuple(node.attributes.get("axes", ()))


def _gather(node: Node, arrays: Arguments) -> Array:
    return np.take(arrays[0], arrays[1], axis=node.attributes.get("axis", 0))


def _cast(node: Node, arrays: Arguments) -> Array:
    return arrays[0].astype(helper.tensor_dtype_to_np_dtype(node.attributes["to"]))


def _divide(_node: Node, arrays: Arguments) -> Array:
    first, second = arrays
    return np.asarray(first // second if first.dtype.kind in "iu" else first / second)


def _reshape(node: Node, arrays: Arguments) -> Array:
    sides = [int(side) for side in arrays[1].ravel()]
    if not node.attributes.get("allowzero", 0):
        sides = [arrays[0].shape[index] if side == 0 else side for index, side in enumerate(sides)]
    return arrays[0].reshape(sides)


def _squeeze(node: Node, arrays: Arguments) -> Array:
    return np.squeeze(arrays[0], _axes(node, arrays) or None)


def _slice(_node: Node, arrays: Arguments) -> Array:
    if len(arrays) < 3:
        raise ValueError("Slice without starts and ends as inputs")
    values, starts, ends, *rest = arrays
    axes = rest[0].tolist() if rest else range(len(starts))
    steps = rest[1].tolist() if len(rest) > 1 else [1] * len(starts)
    cut = [slice(None)] * values.ndim
    for axis, start, end, step in zip(axes, starts.tolist(), ends.tolist(), steps, strict=True):
        cut[axis] = slice(start, end, step)
    return values[tuple(cut)]


def _filled(node: Node, arrays: Arguments) -> Array:
    value = np.asarray(node.attributes.get("value", np.zeros(1, np.float32)))
    return np.full([int(side) for side in arrays[0].ravel()], value.ravel()[0])


FOLDED: Mapping[str, Callable[[Node, Arguments], Array]] = {
    "Add": lambda _, arrays: np.asarray(arrays[0] + arrays[1]),
    "Cast": _cast,
    "Concat": lambda node, arrays: np.concatenate(arrays, axis=node.attributes["axis"]),
    "ConstantOfShape": _filled,
    "Div": _divide,
    "Gather": _gather,
    "Identity": lambda _, arrays: arrays[0],
    "Mul": lambda _, arrays: np.asarray(arrays[0] * arrays[1]),
    "Reshape": _reshape,
    "Slice": _slice,
    "Sqrt": lambda _, arrays: np.asarray(np.sqrt(arrays[0])),
    "Squeeze": _squeeze,
    "Sub": lambda _, arrays: np.asarray(arrays[0] - arrays[1]),
    "Transpose": lambda node, arrays: np.transpose(arrays[0], node.attributes.get("perm")),
    "Unsqueeze": lambda node, arrays: np.expand_dims(arrays[0], _axes(node, arrays)),
}
"""The operators that are computed where every input is a constant."""


def folded(node: Node, arrays: Arguments, budget: Budget) -> Array:
    """Return what a node of `FOLDED` makes of constants; `FormatError` names it where they do not fit."""
    if node.kind not in FOLDED:
        raise FormatError(f"{node.place}: computes with constants alone, which is not supported for {node.kind}")
    try:
        budget.take(8 * _largest(node, arrays), f"{node.place}: its result")
        return np.asarray(FOLDED[node.kind](node, arrays))
    except (ValueError, IndexError, KeyError, TypeError, ZeroDivisionError) as error:
        raise FormatError(f"{node.place}: its constants do not fit ({one_line(error)})") from None


def _largest(node: Node, arrays: Arguments) -> int:
    """Return a bound of the numbers that a node makes of constants."""
    if node.kind == "Gather":
        return arrays[0].size * arrays[1].size
    if node.kind == "ConstantOfShape":
        return int(np.prod(arrays[0], dtype=object))
    if node.kind in ("Add", "Div", "Mul", "Sub"):
        return int(np.prod(np.broadcast_shapes(*(array.shape for array in arrays)), dtype=object))
    return sum(array.size for array in arrays)


def constant(node: Node) -> Array:
    """Return the value of a Constant node."""
    known = ("value", "value_float", "value_floats", "value_int", "value_ints")
    found = [node.attributes[name] for name in known if name in node.attributes]
    if len(found) != 1:
        raise FormatError(f"{node.place}: holds {', '.join(node.attributes) or 'nothing'}; expected one of {known}")
    return np.asarray(found[0])
