"""ATen calls that are no layers: arithmetic, means, other shapes, cuts and joins."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from spikeport.toolchain.importing.operations import Array, Kind, Pair, Settings
from spikeport.toolchain.importing.program import Call, Ref
from spikeport.toolchain.importing.translation import Translation, array

END = 2**31
"""Ends of cuts from here on mean the end of the axis."""


def _identity(translation: Translation, call: Call) -> None:
    translation.alias(call, translation.value(call))


def _first(translation: Translation, call: Call) -> None:
    """Take the first of several results."""
    if call.arguments.get("index") != 0:
        raise translation.refused(call, f"takes result {call.arguments.get('index')} of a layer", "its first one")
    _identity(translation, call)


def _added(sign: float) -> Callable[[Translation, Call], None]:
    def handler(translation: Translation, call: Call) -> None:
        alpha = sign * float(call.arguments.get("alpha", 1))
        self, other = _operands(translation, call)
        if isinstance(self, Ref) and isinstance(other, Ref):
            _check_alike(translation, call, self, other)
            if alpha != 1:
                translation.add(call, "scale", [other], {"factor": np.array(alpha), "shift": np.zeros(())})
                other = Ref(name=call.name)
            translation.add(call, "add", [self, other])
        elif isinstance(self, Ref):
            _scale(translation, call, self, np.ones(()), alpha * np.asarray(other))
        elif isinstance(other, Ref):
            _scale(translation, call, other, np.array(alpha), np.asarray(self))

    return handler


def _reversed(translation: Translation, call: Call) -> None:
    """``other - alpha self``."""
    self, other = _operands(translation, call)
    if not isinstance(self, Ref) or isinstance(other, Ref):
        raise translation.refused(call, "subtracts in reverse", "x - y")
    alpha = float(call.arguments.get("alpha", 1))
    _scale(translation, call, self, np.array(-alpha), np.asarray(other))


def _multiplied(translation: Translation, call: Call) -> None:
    self, other = _operands(translation, call)
    if isinstance(self, Ref) and isinstance(other, Ref):
        raise translation.refused(
            call, "multiplies two values of the network, as attention and squeeze-and-excitation do", "their sum"
        )
    ref, factor = (self, other) if isinstance(self, Ref) else (other, self)
    assert isinstance(ref, Ref)
    _scale(translation, call, ref, np.asarray(factor), np.zeros(()))


def _divided(translation: Translation, call: Call) -> None:
    self, other = _operands(translation, call)
    if not isinstance(self, Ref) or isinstance(other, Ref) or call.arguments.get("rounding_mode"):
        raise translation.refused(call, "divides by a value of the network, or rounds", "a constant divisor")
    _scale(translation, call, self, 1 / np.asarray(other), np.zeros(()))


def _negated(translation: Translation, call: Call) -> None:
    _scale(translation, call, translation.value(call), np.array(-1.0), np.zeros(()))


def _operands(translation: Translation, call: Call) -> tuple[Ref | Array, Ref | Array]:
    """Return both operands, values of the network as references and constants as arrays."""
    first, second = (_operand(translation, call.arguments.get(name)) for name in ("self", "other"))
    return first, second


def _operand(translation: Translation, argument: Any) -> Ref | Array:
    if not isinstance(argument, Ref):
        return np.array(float(argument))
    return array(translation.constants[argument.name]) if argument.name in translation.constants else argument


def _check_alike(translation: Translation, call: Call, first: Ref, second: Ref) -> None:
    shapes = translation.shape(first), translation.shape(second)
    if shapes[0] != shapes[1]:
        raise translation.refused(call, f"joins values of the shapes {shapes[0]} and {shapes[1]}", "one shape")


def _scale(translation: Translation, call: Call, ref: Ref, factor: Array, shift: Array) -> None:
    shape = translation.shape(ref)
    arrays = {
        "factor": _by_channel(translation, call, factor, shape),
        "shift": _by_channel(translation, call, shift, shape),
    }
    translation.add(call, "scale", [ref], arrays, parameters=call.module)


def _by_channel(translation: Translation, call: Call, values: Array, shape: tuple[int, ...]) -> Array:
    """Return one number, or one per channel; `FormatError` for constants that differ within a channel."""
    aligned = (1,) * (len(shape) - values.ndim) + values.shape
    if values.size == 1 and values.ndim <= len(shape):
        return values.reshape(())
    if len(aligned) != len(shape) or any(side != 1 for axis, side in enumerate(aligned) if axis != 1):
        raise translation.refused(
            call, f"takes a constant of shape {values.shape} with values {shape}", "one number, or one for each channel"
        )
    return values.reshape(-1)


def _reduced(kind: Kind, *, total: bool = False) -> Callable[[Translation, Call], None]:
    """Means, sums and maxima over all positions are pooling over the whole map."""

    def handler(translation: Translation, call: Call) -> None:
        ref = translation.value(call)
        shape = translation.shape(ref)
        dims = call.arguments.get("dim", [])
        axes = {axis % len(shape) for axis in (dims if isinstance(dims, list) else [dims])}
        large = {axis for axis in range(2, len(shape)) if shape[axis] > 1}
        if not axes or min(axes) < 2 or not large <= axes:
            raise translation.refused(
                call, f"reduces the axes {sorted(axes)} of {shape}", "all axes behind the channels"
            )
        sides = _sides(shape)
        settings = Settings(kernel=sides, stride=sides, divisor=1 if total else None)
        translation.add(call, kind, [ref], settings=settings)
        if not call.arguments.get("keepdim") and len(shape) - len(axes) == 2:
            translation.add(call, "flatten", [Ref(name=call.name)])

    return handler


def _sides(shape: tuple[int, ...]) -> Pair:
    """Return height and width of a value with the batch as its first axis."""
    return {2: (1, 1), 3: (1, shape[-1])}.get(len(shape)) or (shape[-2], shape[-1])


def _reshaped(translation: Translation, call: Call) -> None:
    """Flatten, or add and take away axes of one."""
    ref = translation.value(call)
    before, after = translation.shape(ref), translation.shape(Ref(name=call.name))
    if before[0] != after[0]:
        raise translation.refused(call, f"makes {after} of {before}, across the batch", "the batch as the first axis")
    if len(before) == len(after) == 2 or (len(after) > 2 and _axes(before) == _axes(after)):
        translation.alias(call, ref)
    elif len(after) == 2 or _axes(after) == (math.prod(after[1:]), 1, 1):
        translation.add(call, "flatten", [ref])
    else:
        expected = "torch.nn.Flatten" if len(after) < 5 else "the channels in their order: no channel shuffle"
        raise translation.refused(call, f"makes {after} of {before}", expected)


def _axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return (C, H, W) of a value with the batch as its first axis."""
    return (shape[1], *_sides(shape)) if 1 < len(shape) < 5 else shape


def _permuted(translation: Translation, call: Call) -> None:
    ref = translation.value(call)
    shape = translation.shape(ref)
    order = _order(call, len(shape))
    if order == list(range(len(shape))):
        translation.alias(call, ref)
        return
    if order[0] != 0 or len(shape) not in (3, 4):
        raise translation.refused(
            call, f"puts the axes of {shape} into the order {order}", "the batch as the first axis"
        )
    inner = [axis - 1 for axis in order[1:]]
    places = inner if len(inner) == 3 else [0, 1, 2] if inner == [0, 1] else [2, 1, 0]
    translation.add(call, "permute", [ref], settings=Settings(order=(places[0], places[1], places[2])))


def _order(call: Call, axes: int) -> list[int]:
    if "dims" in call.arguments:
        return [int(axis) % axes for axis in call.arguments["dims"]]
    order = list(range(axes))
    names = ("dim0", "dim1") if "dim0" in call.arguments else ("axis0", "axis1")
    first, second = (int(call.arguments[name]) % axes for name in names)
    order[first], order[second] = order[second], order[first]
    return order


def _joined(translation: Translation, call: Call) -> None:
    refs = call.arguments["tensors"]
    axes = len(translation.shape(refs[0])) if isinstance(refs[0], Ref) and refs[0].name in translation.names else 0
    if any(not isinstance(ref, Ref) or ref.name not in translation.names for ref in refs):
        raise translation.refused(call, "joins constants with values of the network", "values of the network")
    if int(call.arguments.get("dim", 0)) % axes != 1:
        raise translation.refused(call, f"joins along axis {call.arguments.get('dim', 0)}", "the channels, dim=1")
    translation.add(call, "concatenate", refs)


def _padded(translation: Translation, call: Call) -> None:
    ref = translation.value(call)
    pads = [int(each) for each in call.arguments["pad"]]
    mode, value = call.arguments.get("mode", "constant"), call.arguments.get("value") or 0
    axes = len(translation.shape(ref))
    pads += [0] * (2 * axes - len(pads))
    if mode != "constant" or value != 0 or any(pads[2 * (axes - 1) :]):
        raise translation.refused(call, f"pads with {mode} {value}", "zeros around the map: torch.nn.ZeroPad2d")
    columns = (pads[0], pads[1]) if axes > 2 else (0, 0)
    rows = (pads[2], pads[3]) if axes > 3 else (0, 0)
    first = 2 * (axes - 2)
    settings = Settings(padding=(*rows, *columns), channels=(pads[first], pads[first + 1]))
    translation.add(call, "pad", [ref], settings=settings)


def _cut(translation: Translation, call: Call) -> None:
    """Every n-th row or column from the first on; nothing else is left out."""
    ref = translation.value(call)
    shape = translation.shape(ref)
    axis = int(call.arguments.get("dim", 0)) % len(shape)
    start, end = call.arguments.get("start") or 0, call.arguments.get("end")
    step = int(call.arguments.get("step", 1))
    whole = start == 0 and (end is None or end >= min(shape[axis], END))
    if whole and step == 1:
        translation.alias(call, ref)
        return
    if not whole or axis < 2:
        raise translation.refused(
            call,
            f"cuts a part out of axis {axis} of {shape}",
            "all of it, or every n-th row and column from the first on",
        )
    strides = (step, 1) if axis == 2 and len(shape) == 4 else (1, step)
    translation.add(call, "stride", [ref], settings=Settings(stride=strides))


CALLS = {
    **dict.fromkeys(("contiguous", "clone", "alias", "detach", "lift_fresh_copy", "to", "_to_copy"), _identity),
    "getitem": _first,
    "add": _added(1.0),
    "sub": _added(-1.0),
    "rsub": _reversed,
    "mul": _multiplied,
    "div": _divided,
    "neg": _negated,
    "mean": _reduced("average_pooling"),
    "sum": _reduced("average_pooling", total=True),
    "amax": _reduced("max_pooling"),
    **dict.fromkeys(("flatten", "view", "reshape", "_unsafe_view", "squeeze", "unsqueeze", "unflatten"), _reshaped),
    **dict.fromkeys(("permute", "transpose", "swapaxes"), _permuted),
    **dict.fromkeys(("cat", "concat", "concatenate"), _joined),
    **dict.fromkeys(("pad", "constant_pad_nd"), _padded),
    "slice": _cut,
}
"""What is done with a call that is no layer, by its operation."""
