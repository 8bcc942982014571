"""Linear stages of NIR nodes: weights, pooling, scales, and what only changes the shape."""

import math

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.export.inputs import Budget
from spikeport.export.network import AveragePooling, Convolution, Dense, Normalization, Pair, Reshape, Shape, Stage
from spikeport.export.nir_import.nodes import STATEFUL, Node
from spikeport.export.numbers import GROUPS, PADDING, SIDE, Range, whole

PASS_ON = ("Input", "Output", "NIRGraph", "Delay")
AXIS = Range(least=-8, most=8)
"""Numbers of an axis; a negative one counts from behind."""


def of_node(node: Node, shape: Shape, budget: Budget) -> tuple[Stage, ...]:
    """Return the stages of a node behind a source of ``shape``; ``budget`` bounds what is made of its parameters."""
    if node.kind in STATEFUL or node.kind in PASS_ON:
        return ()
    if node.kind not in _MAKERS:
        raise FormatError(f"a {node.kind} node; expected one of {', '.join((*_MAKERS, *STATEFUL, *PASS_ON))}")
    return _MAKERS[node.kind](node, shape, budget)


def _flatten(node: Node, shape: Shape, _budget: Budget) -> tuple[Stage, ...]:
    """Join the axes from ``start_dim`` to ``end_dim``, both counted without the batch.

    Some exporters count the batch, which shows where ``input_type`` has it or where the file has no such axis else. A
    signal has two axes in the file, (C, L). Without the two numbers all axes are joined.
    """
    axes, batch = _axes_in_file(node, shape)
    ends = tuple(
        whole(node.values.get(name, default), name, AXIS) for name, default in (("start_dim", 0), ("end_dim", -1))
    )
    if not batch and any(not -len(axes) <= end < len(axes) for end in ends):
        axes, batch = (1, *axes), 1
    start, end = (each + len(axes) if each < 0 else each for each in ends)
    if not 0 <= start <= end < len(axes):
        raise FormatError(
            f"joins the axes {ends[0]} to {ends[1]} of a source of shape {axes[batch:]}; expected its own"
        )
    start, end = max(start, batch), max(end, batch)
    joined = channels_first((*axes[batch:start], math.prod(axes[start : end + 1]), *axes[end + 1 :]))
    return () if joined == shape else (Reshape(shape=joined),)


def _axes_in_file(node: Node, shape: Shape) -> tuple[Shape, int]:
    """Return the axes that a file gives a source of ``shape``, and how many of them are the batch, none or one."""
    found = node.values.get("input_type")
    own = tuple(found.tolist()) if isinstance(found, np.ndarray) and found.ndim == 1 else shape
    if channels_first(own) == shape:
        return own, 0
    return (own, 1) if channels_first(own[1:]) == shape else (shape, 0)


def channels_first(shape: Shape) -> Shape:
    """Return (C, 1, L) for (C, L): a signal is an image of height one."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def beside(own: Shape, shape: Shape) -> Shape:
    """Return the shape of a parameter as it broadcasts to ``shape``, by numpy's rule: the last axes belong together.

    Some exporters leave a batch of one in front. (C, L) stands for (C, 1, L) beside a signal, and where a flat layer
    gets its shape from its parameters.
    """
    signal = len(shape) == 3 and shape[1] == 1
    axes = 2 if signal else len(shape)
    own = own[1:] if len(own) == axes + 1 and own[0] == 1 else own
    return channels_first(own) if signal or len(shape) == 1 else own


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
    if inputs != weight.shape[1] == shape[-1]:
        raise FormatError(
            f"weight has shape {weight.shape} behind a source of shape {shape}; it would act on the last axis alone, "
            f"which is not read: write a Flatten in front of {inputs:,} inputs, or a convolution"
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
    flat = shape[1] == 1 and np.size(node.values.get("kernel_size", 0)) == 1  # of a signal
    size = _pair(node, "kernel_size", SIDE, flat=flat)
    stride = _pair(node, "stride", SIDE, flat=flat)
    padding = _pair(node, "padding", PADDING, flat=flat)
    mean = node.kind == "AvgPool2d"
    if mean and stride == size and padding == (0, 0) and not (shape[1] % size[0] or shape[2] % size[1]):
        return (AveragePooling(size=size),)
    budget.take(16 * shape[0] * math.prod(size), f"a kernel of {shape[0]} x {size[0]} x {size[1]}")
    value = 1 / math.prod(size) if mean else 1.0
    return (Convolution(weight=np.full((shape[0], 1, *size), value), stride=stride, padding=padding, groups=shape[0]),)


def _scale(node: Node, shape: Shape, budget: Budget) -> tuple[Stage, ...]:
    scale = node.reals("scale")
    try:
        full = np.broadcast_to(scale.reshape(beside(scale.shape, shape)), shape)
    except ValueError:
        raise FormatError(f"scale has shape {scale.shape}; expected {shape}") from None
    size = math.prod(shape)
    budget.take(16 * size, f"{size:,} scales")
    per_channel = full.reshape(shape[0], -1)
    if np.all(per_channel == per_channel[:, :1]):
        return (Normalization(scale=per_channel[:, 0], shift=np.zeros(shape[0])),)
    budget.take(16 * size**2, f"a matrix of {size:,} x {size:,} for a scale that differs within a channel")
    diagonal = Dense(weight=np.diag(full.reshape(-1)))
    return (diagonal,) if len(shape) == 1 else (diagonal, Reshape(shape=shape))


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
    "Flatten": _flatten,
}
