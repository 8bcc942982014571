"""Convolutions to maps of a few values, whose gradient of the weights is a matrix product per tap of the kernel.

oneDNN computes that gradient over the padding as well and moves weights between layouts. On maps of 2 x 2 with 512
channels it takes five times as long as the products, which leave the padding out; from 8 x 8 on it is faster.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from spikeport.toolchain.nn.specification import Pair

LARGEST_MAP = 16
"""Values of the largest map for which products are faster."""


def is_small(x: Tensor, weight: Tensor, padding: Pair) -> bool:
    """Return whether a convolution of stride 1, without dilation and groups, is better done by `SmallMaps`."""
    sides = _sides(x.shape, weight.shape, padding)
    wanted = weight.requires_grad and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    same = x.device.type == "cpu" and x.dtype == weight.dtype
    return wanted and same and 0 < sides[0] * sides[1] <= LARGEST_MAP


class SmallMaps(torch.autograd.Function):
    """``conv2d(x, weight, padding=padding)``; differentiated twice it is torch's own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return functional.conv2d(x, weight, None, 1, padding)

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        again, asked = torch.is_grad_enabled(), _asked(ctx)
        wanted = (ctx.needs_input_grad[0], again and asked, False)
        given: list[Tensor | None] = [None, None]
        if any(wanted):
            settings = (None, (1, 1), ctx.padding, (1, 1), False, (0, 0), 1)
            given = list(torch.ops.aten.convolution_backward(arriving[0], x, weight, *settings, wanted)[:2])
        if asked and not again:
            given[1] = of_weights(x, arriving[0], weight.shape, ctx.padding)
        return given[0], given[1], None


def _asked(ctx: Any) -> bool:
    """Return whether this backward pass goes on to the weights; an attack's goes to the pixels alone."""
    try:
        return bool(torch._C._will_engine_execute_node(ctx.next_functions[1][0]))  # noqa: SLF001 - has no other name
    except RuntimeError:  # `torch.autograd.grad` of the weights themselves
        return True


def of_weights(x: Tensor, arriving: Tensor, shape: torch.Size, padding: Pair) -> Tensor:
    """Return the gradient of weights of ``shape`` (out, in, height, width): a product per tap over batch and places."""
    values, gradients = (each.permute(2, 3, 0, 1).contiguous() for each in (x, arriving))
    found = x.new_zeros((*shape[2:], *shape[:2]))
    for i in range(shape[2]):
        rows = _places(len(gradients), len(values), i - padding[0])
        for j in range(shape[3]):
            columns = _places(gradients.shape[1], values.shape[1], j - padding[1])
            if rows[0] < rows[1] and columns[0] < columns[1]:
                given = gradients[slice(*rows), slice(*columns)].flatten(0, 2)
                rows_in, columns_in = (
                    slice(a + k, b + k) for (a, b), k in ((rows, i - padding[0]), (columns, j - padding[1]))
                )
                torch.mm(given.T, values[rows_in, columns_in].flatten(0, 2), out=found[i, j])
    return found.permute(2, 3, 0, 1).contiguous()


def _places(targets: int, sources: int, shift: int) -> Pair:
    """Return first and last (excluded) target whose source, ``shift`` further, lies on the map."""
    return max(0, -shift), min(targets, sources - shift)


def _sides(x: torch.Size, weight: torch.Size, padding: Pair) -> Pair:
    """Return height and width of the map that comes out."""
    height, width = (x[2 + k] + 2 * padding[k] - weight[2 + k] + 1 for k in (0, 1))
    return height, width
