"""Synaptic layers with a connectivity mask, and the projection of pooling, synapses and batch norm."""

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeport.toolchain.nn.small_maps import SmallMaps, is_small
from spikeport.toolchain.nn.specification import (
    AveragePooling,
    BatchNorm,
    Borders,
    Convolution,
    Linear,
    MaxPooling,
    Pair,
    Projection,
    Shape,
    pair,
    pooled_shape,
    projected_shape,
)


class TopScores(torch.autograd.Function):
    """Mask of the ``keep`` largest of ``importance``; the gradient passes straight through (HYDRA, Eq. 5 and 7).

    ``keep`` is a number of weights, or a share of them as a tensor, whose gradient is the sum of the mask's (HARP).
    """

    @staticmethod
    def forward(ctx: Any, importance: Tensor, keep: int | Tensor) -> Tensor:
        ctx.learned = isinstance(keep, Tensor)
        return top_mask(importance, max(1, round(float(keep) * importance.numel())) if ctx.learned else int(keep))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None]:
        return gradients[0], gradients[0].sum() if ctx.learned else None


def top_mask(importance: Tensor, keep: int) -> Tensor:
    """Return 1 at the ``keep`` largest entries of ``importance`` and 0 elsewhere (Schmolli et al., Eq. 5)."""
    mask = torch.zeros(importance.numel(), dtype=importance.dtype, device=importance.device)
    mask[importance.flatten().topk(keep).indices] = 1
    return mask.view_as(importance)


class Synapses(nn.Module):
    """Weights times mask, and a bias where there is one; while ``scores`` is set, the mask follows the scores.

    It keeps the ``keep`` largest scores, or, while ``quota`` is set, the `share` of them that the quota gives.
    """

    mask: Tensor
    bias: nn.Parameter | None

    def __init__(self, *shape: int, convolution: Convolution | None = None, bias: bool = False) -> None:
        super().__init__()
        self.convolution = convolution
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.kaiming_normal_(self.weight)
        self.register_parameter("bias", nn.Parameter(torch.zeros(shape[0])) if bias else None)
        self.register_buffer("mask", torch.ones(shape))
        self.scores: nn.Parameter | None = None
        self.keep = self.weight.numel()
        self.quota: nn.Parameter | None = None
        self.least = 0.0
        self._looked_at: tuple[Tensor, int, bool] | None = None

    def whole(self) -> bool:
        """Return whether the mask keeps every weight; it is looked through once after each in-place write to it."""
        if self.mask.is_inference():
            return False  # such tensors do not count writes
        seen, version = self._looked_at, self.mask._version  # noqa: SLF001 - torch's count of writes has no other name
        if seen is None or seen[0] is not self.mask or seen[1] != version:
            seen = self._looked_at = (self.mask, version, bool((self.mask == 1).all()))
        return seen[2]

    def connectivity(self) -> Tensor:
        """Return the mask in force, differentiable with respect to the scores where there are any."""
        if self.scores is None:
            return self.mask
        keep = self.keep if self.quota is None else self.share()
        mask: Tensor = TopScores.apply(self.scores.abs(), keep)  # type: ignore[no-untyped-call]
        return mask

    def share(self) -> Tensor:
        """Return the share of weights that a learned ``quota`` r keeps, ``sigmoid(r) (1 - least) + least``."""
        assert self.quota is not None
        return self.quota.sigmoid() * (1 - self.least) + self.least

    def forward(self, x: Tensor, rounding: tuple[Tensor, int] | None = None) -> Tensor:
        weight = self.weight if self.scores is None and self.whole() else self.weight * self.connectivity()
        if rounding is not None:
            weight = rounded(weight, *rounding)
        if self.convolution is None:
            return functional.linear(x.flatten(1), weight, self.bias)
        x, padding = _padded(x, self.convolution.borders())
        stride, dilation, groups = self.convolution.stride, self.convolution.dilation, self.convolution.groups
        plain = pair(stride) == pair(dilation) == (1, 1) and groups == 1 and self.bias is None
        if plain and is_small(x, weight, padding):
            return cast("Tensor", SmallMaps.apply(x, weight, padding))  # type: ignore[no-untyped-call]
        return functional.conv2d(x, weight, self.bias, stride, padding, dilation, groups)


def _synapses(kind: Convolution | Linear | None, source: Shape) -> Synapses | None:
    if kind is None:
        return None
    if isinstance(kind, Linear):
        return Synapses(kind.features, math.prod(source), bias=kind.bias)
    shape = (kind.channels, source[0] // kind.groups, *pair(kind.kernel))
    return Synapses(*shape, convolution=kind, bias=kind.bias)


def _padded(x: Tensor, borders: Borders) -> tuple[Tensor, Pair]:
    """Return the map, and the padding that is equal on opposite sides; any other is put around the map."""
    top, bottom, left, right = borders
    if top == bottom and left == right:
        return x, (top, left)
    return functional.pad(x, (left, right, top, bottom)), (0, 0)


def rounded(weight: Tensor, factors: Tensor, bits: int) -> Tensor:
    """Return ``weight`` as the quantizer will round it; the gradient passes straight through.

    ``factors``, which broadcast to the weight, are what the passes will fold into it:
    ``round(w f / q) q / f`` with ``q = max |w f| / (2^(bits - 1) - 1)`` (Jacob et al., CVPR 2018, one scale a layer).
    """
    folded = weight.detach() * factors
    step = folded.abs().max() / (2 ** (bits - 1) - 1)
    whole = torch.round(folded / step) * step / factors
    result: Tensor = weight + (whole - weight.detach())
    return result


class Norm(nn.BatchNorm2d):
    """Batch norm over all axes but the second: of maps (N, C, H, W) and of flat values (N, C).

    Without ``affine`` the slope and the shift are there as well, but are not trained.
    """

    def __init__(self, channels: int, settings: BatchNorm) -> None:
        super().__init__(channels, eps=settings.eps, momentum=settings.momentum)
        for parameter in (self.weight, self.bias):
            parameter.requires_grad_(settings.affine)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        if input.ndim not in (2, 4):
            raise ValueError(f"batch norm gets {input.ndim} axes; expected (N, C) or (N, C, H, W)")


class ProjectionLayer(nn.Module):
    """One projection of the specification: `linear`, which is pooling and synapses, then `norm`, each if there is one.

    ``gains`` are what the values that arrive were multiplied by, per channel: 1 / std of the pixels.
    """

    gains: Tensor

    def __init__(self, projection: Projection, source: Shape, gains: Tensor) -> None:
        super().__init__()
        self.source, self.shape = projection.source, projected_shape(projection, source)
        self.projection, self.pooling = projection, projection.pool()
        self.synapses = _synapses(projection.synapses, pooled_shape(projection, source))
        settings = projection.batch_norm()
        self.norm = None if settings is None else Norm(self.shape[0], settings)
        self.bits: int | None = None
        self.register_buffer("gains", gains, persistent=False)

    def linear(self, x: Tensor, *, pooled: bool = False) -> Tensor:
        """Return everything before batch norm, (N, C, H, W) or (N, features), of values that are ``pooled`` or not."""
        if x.ndim == 2 and (self.pooling is not None or isinstance(self.projection.synapses, Convolution)):
            x = x[:, :, None, None]
        if self.pooling is not None and not pooled:
            x = pool(self.pooling, x)
        if self.synapses is not None:
            x = self.synapses(x, None if self.bits is None else (self.factors(), self.bits))
        if self.projection.channels is not None:
            first, total = self.projection.channels
            x = functional.pad(x, (*(0, 0) * (x.ndim - 2), first, total - first - x.shape[1]))
        return x.flatten(1) if self.projection.flatten else x

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        normalized: Tensor = x if self.norm is None else self.norm(x)
        return normalized

    def factors(self) -> Tensor:
        """Return what the passes multiply each weight by: ``gains``, and batch norm with its running variance."""
        assert self.synapses is not None
        axes = (1,) * (self.synapses.weight.ndim - 2)
        factors = self._input_gains(self.synapses.weight).view(-1, self.synapses.weight.shape[1], *axes)
        if self.norm is None or self.norm.num_features != len(self.synapses.weight):
            return factors
        assert self.norm.running_var is not None
        slope: Tensor = self.norm.weight.detach() / torch.sqrt(self.norm.running_var + self.norm.eps)
        return factors * slope.view(-1, 1, *axes)

    def _input_gains(self, weight: Tensor) -> Tensor:
        """Return ``gains`` per input of each weight: (1, in), or (out, in / groups) with groups."""
        groups = self.synapses.convolution.groups if self.synapses and self.synapses.convolution else 1
        if groups == 1:
            return self.gains.repeat_interleave(weight.shape[1] // len(self.gains))[None]
        return self.gains.view(groups, -1).repeat_interleave(len(weight) // groups, 0)


def pool(pooling: AveragePooling | MaxPooling, x: Tensor) -> Tensor:
    """Return the average or the largest value of windows; what max pooling gets is never below zero."""
    kernel, stride = pair(pooling.kernel), pair(pooling.stride or pooling.kernel)
    if isinstance(pooling, MaxPooling):
        return _largest(x, kernel, stride, pooling.padding)
    x, padding = _padded(x, pooling.padding)
    if not _takes(padding, kernel):
        x, padding = functional.pad(x, (padding[1],) * 2 + (padding[0],) * 2), (0, 0)
    return x if kernel == stride == (1, 1) else functional.avg_pool2d(x, kernel, stride, padding)


def _largest(x: Tensor, kernel: Pair, stride: Pair, borders: Borders) -> Tensor:
    """Return the largest values; the gradient goes to the first of equal ones in a window, and to no border.

    Borders count as zeros where a window has nothing else.
    """
    top, bottom, left, right = borders
    if top == bottom and left == right and _takes((top, left), kernel):
        return functional.max_pool2d(x, kernel, stride, (top, left))
    found = functional.max_pool2d(functional.pad(x, (left, right, top, bottom), value=-math.inf), kernel, stride)
    return found.clamp(min=0)


def _takes(padding: Pair, kernel: Pair) -> bool:
    """Return whether torch's pooling takes this padding: half of a window at most."""
    return all(2 * side <= size for side, size in zip(padding, kernel, strict=True))
