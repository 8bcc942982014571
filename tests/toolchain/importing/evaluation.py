"""Operations computed by PyTorch, as their table says: what front ends are compared with other runtimes by."""

import torch
from torch.nn import functional

from spikeport.toolchain.importing.operations import INPUT


def evaluated(operations, images, output=None):
    """Return the result of an operation, the last if None, for images (N, C, H, W)."""
    values = {INPUT: images}
    for operation in operations:
        inputs = [values[name] for name in operation.inputs]
        arrays = {name: torch.from_numpy(array.copy()) for name, array in operation.arrays.items()}
        values[operation.name] = KINDS[operation.kind](operation.settings, arrays, *inputs)
        assert values[operation.name].ndim == 4
    return values[output or operations[-1].name]


def padded(x, borders, fill=0.0):
    top, bottom, left, right = borders
    return functional.pad(x, (left, right, top, bottom), value=fill)


def convolution(s, a, x):
    x = padded(x, s.padding)
    return functional.conv2d(x, a["weight"], a.get("bias"), stride=s.stride, dilation=s.dilation, groups=s.groups)


def linear(_s, a, x):
    return functional.linear(x.flatten(1), a["weight"], a.get("bias"))[..., None, None]


def batch_norm(s, a, x):
    return functional.batch_norm(x, a["mean"], a["variance"], a.get("weight"), a.get("bias"), eps=s.eps)


def scale(_s, a, x):
    return a["factor"].view(-1, 1, 1) * x + a["shift"].view(-1, 1, 1)


def beyond(s, x):
    """Return the borders with what windows read beyond them where the size is rounded up."""
    top, bottom, left, right = s.padding
    more = []
    for axis, (before, after) in enumerate(((top, bottom), (left, right))):
        side, reach = x.shape[2 + axis], (s.kernel[axis] - 1) * s.dilation[axis] + 1
        count = -(-(side + before + after - reach) // s.stride[axis]) + 1
        count -= int((count - 1) * s.stride[axis] >= side + before)
        more.append(max(0, (count - 1) * s.stride[axis] + reach - side - before - after) * int(s.ceil))
    return (top, bottom + more[0], left, right + more[1]), more


def average(s, _a, x):
    borders, more = beyond(s, x)
    sums = functional.avg_pool2d(padded(x, borders), s.kernel, s.stride, divisor_override=1)
    ones = padded(torch.ones_like(x), s.padding, 1.0 if s.count_padding else 0.0)
    counts = functional.avg_pool2d(padded(ones, (0, more[0], 0, more[1])), s.kernel, s.stride, divisor_override=1)
    return sums / (s.divisor or counts)


def maximum(s, _a, x):
    borders, _ = beyond(s, x)
    return functional.max_pool2d(padded(x, borders, -torch.inf), s.kernel, s.stride, dilation=s.dilation)


KINDS = {
    "convolution": convolution,
    "linear": linear,
    "batch_norm": batch_norm,
    "scale": scale,
    "average_pooling": average,
    "max_pooling": maximum,
    "adaptive_average_pooling": lambda s, _a, x: functional.adaptive_avg_pool2d(x, s.output),
    "adaptive_max_pooling": lambda s, _a, x: functional.adaptive_max_pool2d(x, s.output),
    "pad": lambda s, _a, x: functional.pad(padded(x, s.padding), (0, 0, 0, 0, *s.channels)),
    "stride": lambda s, _a, x: x[:, :, :: s.stride[0], :: s.stride[1]],
    "flatten": lambda _s, _a, x: x.flatten(1)[..., None, None],
    "permute": lambda s, _a, x: x.permute(0, *(1 + axis for axis in s.order)),
    "concatenate": lambda _s, _a, *values: torch.cat(values, 1),
    "add": lambda _s, _a, *values: sum(values),
    "relu": lambda _s, _a, x: x.relu(),
    "softmax": lambda _s, _a, x: x,
    "dropout": lambda _s, _a, x: x,
    "identity": lambda _s, _a, x: x,
}
