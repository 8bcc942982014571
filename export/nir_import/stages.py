"""Linear stages of NIR nodes: weights, pooling, scales, and what only changes the shape."""

import math

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.export.inputs import Budget
from spikeport.export.network import AveragePooling, Convolution, Dense, Normalization, Pair, Shape, Stage
from spikeport.export.nir_import.nodes import STATEFUL, Node
from spikeport.export.numbers import GROUPS, PADDING, SIDE, Range

PASS_ON = ("Input", "Output", "NIRGraph", "Flatten", "Delay")


def of_node(node: Node, shape: Shape, budget: Budget) -> tuple[Stage, ...]:
    """Return the stages of a node behind a source of ``shape``; ``budget`` bounds what is made of its parameters."""
    if node.kind in STATEFUL or node.kind in PASS_ON:
        return ()
    if node.kind not in _MAKERS:
        raise FormatError(f"a {node.kind} node; expected one of {', '.join((*_MAKERS, *STATEFUL, *PASS_ON))}")
    return _MAKERS[node.kind](node, shape, budget)


def output_shape(node: Node, shape: Shape) -> Shape:
    """Return the shape behind a node whose stages give ``shape``."""
    return (math.prod(shape),) if node.kind == "Flatten" else shape


def channels_first(shape: Shape) -> Shape:
    """Return (C, 1, L) for (C, L): a signal is an image of height one."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def _shift(node: Node, channels: int) -> tuple[Stage, ...]:
    if "bias" not in node.values:
        return ()
    bias = node.reals("bias")
    if bias.shape not in ((channels,), ()):
        raise FormatError(f"bias has shape {bias.shape}; expected ({channels},)")
    shift = np.broadcast_to(bias, (channels,))
    return (Normalization(scale=np.ones(channels), shift=shift),) if shift.any() else ()


def _dense(node: Node, shape: Shape, _budget: Budget) -> tuple[Stage, ...]:
    weight, inputs = node.reals("weight"), math.prod(shape)
    if weight.ndim != 2:
        raise FormatError(f"weight has shape {weight.shape}; expected (outputs, inputs)")
    if inputs != weight.shape[1] and inputs == weight.shape[0]:
        raise FormatError(
            f"weight has shape {weight.shape} behind a source of {inputs:,}; expected (outputs, inputs): it is "
            "transposed, as spyx before 1.0 writes it"
        )
    return (Dense(weight=weight), *_shift(node, len(weight)))


def _convolution(node: Node, _shape: Shape, _budget: Budget) -> tuple[Stage, ...]:
    weight, flat = node.reals("weight"), node.kind == "Conv1d"
    if weight.ndim != (3 if flat else 4):
        raise FormatError(f"weight has shape {weight.shape}; expected (outputs, inputs, kernel)")
    weight = weight[:, :, None] if flat else weight
    dilation = _pair(node, "dilation", SIDE, flat=flat)
    stage = Convolution(
        weight=weight,
        stride=_pair(node, "stride", SIDE, flat=flat),
        padding=_padding(node, weight.shape[2:], dilation, flat=flat),
        dilation=dilation,
        groups=node.whole("groups", GROUPS),
    )
    return (stage, *_shift(node, len(weight)))


def _padding(node: Node, kernel: Shape, dilation: Pair, *, flat: bool) -> Pair:
    padding = node.values.get("padding")
    if isinstance(padding, str) and padding == "valid":
        return (0, 0)
    if isinstance(padding, str) and padding == "same":
        reach = [step * (size - 1) for size, step in zip(kernel, dilation, strict=True)]
        if any(each % 2 for each in reach):
            raise FormatError("padding 'same' of an even kernel is not symmetric; write the padding as numbers")
        return (reach[0] // 2, reach[1] // 2)
    return _pair(node, "padding", PADDING, flat=flat)


def _pooling(node: Node, shape: Shape, budget: Budget) -> tuple[Stage, ...]:
    if len(shape) != 3:
        raise FormatError(f"pooling of a source of shape {shape}; expected (channels, height, width)")
    size = _pair(node, "kernel_size", SIDE)
    stride = _pair(node, "stride", SIDE)
    padding = _pair(node, "padding", PADDING)
    mean = node.kind == "AvgPool2d"
    if mean and stride == size and padding == (0, 0) and not (shape[1] % size[0] or shape[2] % size[1]):
        return (AveragePooling(size=size),)
    budget.take(16 * shape[0] * math.prod(size), f"a kernel of {shape[0]} x {size[0]} x {size[1]}")
    value = 1 / math.prod(size) if mean else 1.0
    return (Convolution(weight=np.full((shape[0], 1, *size), value), stride=stride, padding=padding, groups=shape[0]),)


def _scale(node: Node, shape: Shape, budget: Budget) -> tuple[Stage, ...]:
    scale = node.reals("scale")
    try:
        full = np.broadcast_to(scale.reshape(channels_first(scale.shape)), shape)
    except ValueError:
        raise FormatError(f"scale has shape {scale.shape}; expected {shape}") from None
    size = math.prod(shape)
    budget.take(16 * size, f"{size:,} scales")
    per_channel = full.reshape(shape[0], -1)
    if np.all(per_channel == per_channel[:, :1]):
        return (Normalization(scale=per_channel[:, 0], shift=np.zeros(shape[0])),)
    budget.take(16 * size**2, f"a matrix of {size:,} x {size:,} for a scale that differs within a channel")
    return (Dense(weight=np.diag(full.reshape(-1))),)


def _pair(node: Node, name: str, within: Range, *, flat: bool = False) -> Pair:
    """Return one number as two equal ones; of a ``flat`` kernel the second alone counts."""
    values = node.wholes(name, within, sizes=(1, 2))
    if flat:
        return (int(within.least), values[-1])
    return (values[0], values[-1])


_MAKERS = {
    "Linear": _dense,
    "Affine": _dense,
    "Conv1d": _convolution,
    "Conv2d": _convolution,
    "SumPool2d": _pooling,
    "AvgPool2d": _pooling,
    "Scale": _scale,
}
