"""Random lists of operations, and what PyTorch's functions make of them."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as every user writes it
from hypothesis import strategies as st

from spikeport.toolchain.importing.operations import INPUT, Operation, Settings
from tests.strategies import seeds

LEAST = 3
"""Sides below which no operation makes a map smaller."""


@st.composite
def operation_lists(draw):
    """Draw (operations, output, shape): convolutions, norms, pooling, sums and joins in any order, a linear end.

    At least one ReLU stands among them, and every value has a chance to be read by several operations.
    """
    rng = np.random.default_rng(draw(seeds))
    shape = (draw(st.integers(1, 3)), draw(st.integers(5, 9)), draw(st.integers(5, 9)))
    known, found = {INPUT: shape}, []
    for index in range(draw(st.integers(2, 9))):
        source = draw(st.sampled_from([*list(known)[-3:], *list(known)[-1:] * 3]))
        kind = draw(st.sampled_from(list(KINDS)))
        if kind == "max_pooling" and draw(st.integers(0, 3)):
            found.append(_operation(f"fire{index}", "relu", (source,), {}, Settings()))
            source, known[f"fire{index}"] = f"fire{index}", known[source]
        inputs, arrays, settings, made = KINDS[kind](draw, rng, source, known)
        name = f"value{index}"
        found.append(_operation(name, kind, inputs, arrays, settings))
        known[name] = made
    found.append(_operation("fire", "relu", (list(known)[-1],), {}, Settings()))
    last = known[list(known)[-1]]
    weight = rng.normal(size=(4, int(np.prod(last))))
    found.append(_operation("flat", "flatten", ("fire",), {}, Settings()))
    found.append(_operation("end", "linear", ("flat",), {"weight": weight, "bias": rng.normal(size=4)}, Settings()))
    return found, "end", shape


def _operation(name, kind, inputs, arrays, settings):
    return Operation(
        name=name, kind=kind, inputs=inputs, place=f"{name} ({kind})", arrays=arrays, settings=settings, parameters=name
    )


def _borders(draw):
    return tuple(draw(st.integers(0, 2)) for _ in range(4))


def _sides(shape, kernel, stride, padding, dilation=(1, 1)):
    rooms = (shape[1] + padding[0] + padding[1], shape[2] + padding[2] + padding[3])
    return tuple(
        (room - step * (size - 1) - 1) // pace + 1
        for room, size, pace, step in zip(rooms, kernel, stride, dilation, strict=True)
    )


def _pair(draw, shape, most):
    """Draw a pair for kernels or strides that leaves maps of some size."""
    return tuple(draw(st.integers(1, most if side > LEAST else 1)) for side in shape[1:])


def _convolution(draw, rng, source, known):
    shape = known[source]
    groups = draw(st.sampled_from([each for each in (1, 2, 3) if shape[0] % each == 0]))
    kernel, stride = _pair(draw, shape, 3), _pair(draw, shape, 2)
    padding = _borders(draw)
    dilation = tuple(2 if side >= 5 and draw(st.booleans()) else 1 for side in shape[1:])
    channels = groups * draw(st.integers(1, 2))
    arrays = {"weight": rng.normal(size=(channels, shape[0] // groups, *kernel))}
    if draw(st.booleans()):
        arrays["bias"] = rng.normal(size=channels)
    settings = Settings(stride=stride, padding=padding, dilation=dilation, groups=groups)
    return (source,), arrays, settings, (channels, *_sides(shape, kernel, stride, padding, dilation))


def _norm(draw, rng, source, known):
    channels = known[source][0]
    arrays = {"mean": rng.normal(size=channels), "variance": rng.uniform(0.5, 2, channels)}
    if draw(st.booleans()):
        arrays |= {"weight": rng.normal(size=channels), "bias": rng.normal(size=channels)}
    return (source,), arrays, Settings(eps=draw(st.sampled_from([1e-5, 1e-3]))), known[source]


def _scale(draw, rng, source, known):
    size = draw(st.sampled_from([(), known[source][:1]]))
    return (source,), {"factor": rng.normal(size=size), "shift": rng.normal(size=size)}, Settings(), known[source]


def _average(draw, _rng, source, known):
    shape = known[source]
    kernel, stride = _pair(draw, shape, 3), _pair(draw, shape, 2)
    padding = tuple(side // 2 for side in kernel for _ in (0, 1))
    divisor = draw(st.sampled_from([None, 2, 3]))
    settings = Settings(kernel=kernel, stride=stride, padding=padding, divisor=divisor)
    return (source,), {}, settings, (shape[0], *_sides(shape, kernel, stride, padding))


def _largest(draw, _rng, source, known):
    shape = known[source]
    kernel, stride = _pair(draw, shape, 3), _pair(draw, shape, 2)
    padding = tuple(side // 2 for side in kernel for _ in (0, 1))
    settings = Settings(kernel=kernel, stride=stride, padding=padding)
    return (source,), {}, settings, (shape[0], *_sides(shape, kernel, stride, padding))


def _stride(draw, _rng, source, known):
    stride = _pair(draw, known[source], 2)
    made = (known[source][0], *_sides(known[source], (1, 1), stride, (0, 0, 0, 0)))
    return (source,), {}, Settings(stride=stride), made


def _pad(draw, _rng, source, known):
    channels, height, width = known[source]
    top, bottom, left, right = _borders(draw)
    before, behind = draw(st.integers(0, 2)), draw(st.integers(0, 1))
    settings = Settings(padding=(top, bottom, left, right), channels=(before, behind))
    return (source,), {}, settings, (channels + before + behind, height + top + bottom, width + left + right)


def _plain(_draw, _rng, source, known):
    return (source,), {}, Settings(), known[source]


def _add(draw, _rng, source, known):
    alike = [name for name, shape in known.items() if shape == known[source]]
    return (source, draw(st.sampled_from(alike))), {}, Settings(), known[source]


def _join(draw, _rng, source, known):
    alike = [name for name, shape in known.items() if shape[1:] == known[source][1:] and shape[0] < 9]
    other = draw(st.sampled_from(alike or [source]))
    return (source, other), {}, Settings(), (known[source][0] + known[other][0], *known[source][1:])


KINDS = {
    "convolution": _convolution,
    "batch_norm": _norm,
    "scale": _scale,
    "average_pooling": _average,
    "max_pooling": _largest,
    "stride": _stride,
    "pad": _pad,
    "relu": _plain,
    "dropout": _plain,
    "add": _add,
    "concatenate": _join,
}


def computed(operations, images):
    """Return what PyTorch's functions give for every operation, by name; ``images`` are (N, C, H, W) in double."""
    known = {INPUT: images}
    for operation in operations:
        arrays = {name: torch.from_numpy(array) for name, array in operation.arrays.items()}
        known[operation.name] = _computed(operation, arrays, [known[name] for name in operation.inputs])
    return known


def _computed(operation, arrays, inputs):
    x, settings = inputs[0], operation.settings
    top, bottom, left, right = settings.padding
    if operation.kind == "convolution":
        x = F.pad(x, (left, right, top, bottom))
        return F.conv2d(x, arrays["weight"], arrays.get("bias"), settings.stride, 0, settings.dilation, settings.groups)
    if operation.kind == "batch_norm":
        statistics = (arrays["mean"], arrays["variance"], arrays.get("weight"), arrays.get("bias"))
        return F.batch_norm(x, *statistics, eps=settings.eps)
    if operation.kind == "scale":
        factor, shift = (each.view(-1, 1, 1) for each in (arrays["factor"], arrays["shift"]))
        return x * factor + shift
    if operation.kind == "average_pooling":
        return F.avg_pool2d(x, settings.kernel, settings.stride, (top, left), divisor_override=settings.divisor)
    if operation.kind == "max_pooling":
        return F.max_pool2d(x, settings.kernel, settings.stride, (top, left))
    return {
        "stride": lambda: x[:, :, :: settings.stride[0], :: settings.stride[1]],
        "pad": lambda: F.pad(x, (left, right, top, bottom, *settings.channels)),
        "relu": lambda: F.relu(x),
        "dropout": lambda: x,
        "add": lambda: inputs[0] + inputs[1],
        "concatenate": lambda: torch.cat(inputs, 1),
        "flatten": lambda: x.flatten(1),
        "linear": lambda: F.linear(x, arrays["weight"], arrays["bias"]),
    }[operation.kind]()
