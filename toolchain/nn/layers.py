"""Synaptic layers with a connectivity mask, and the projection of pooling, synapses and batch norm."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeport.toolchain.nn.specification import Convolution, Linear, Projection, Shape, projected_shape


class TopScores(torch.autograd.Function):
    """Mask of the ``keep`` largest of ``importance``; the gradient passes straight through (HYDRA, Eq. 5 and 7)."""

    @staticmethod
    def forward(_ctx: object, importance: Tensor, keep: int) -> Tensor:
        return top_mask(importance, keep)

    @staticmethod
    def backward(_ctx: object, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def top_mask(importance: Tensor, keep: int) -> Tensor:
    """Return 1 at the ``keep`` largest entries of ``importance`` and 0 elsewhere (Schmolli et al., Eq. 5)."""
    mask = torch.zeros(importance.numel(), dtype=importance.dtype, device=importance.device)
    mask[importance.flatten().topk(keep).indices] = 1
    return mask.view_as(importance)


class Synapses(nn.Module):
    """Weights times mask; while ``scores`` is set, the mask follows the scores."""

    mask: Tensor

    def __init__(self, *shape: int, padding: int = 0, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.kaiming_normal_(self.weight)
        self.register_buffer("mask", torch.ones(shape))
        self.padding, self.stride = padding, stride
        self.scores: nn.Parameter | None = None
        self.keep = self.weight.numel()

    def connectivity(self) -> Tensor:
        """Return the mask in force, differentiable with respect to the scores where there are any."""
        if self.scores is None:
            return self.mask
        mask: Tensor = TopScores.apply(self.scores.abs(), self.keep)  # type: ignore[no-untyped-call]
        return mask

    def forward(self, x: Tensor, rounding: tuple[Tensor, int] | None = None) -> Tensor:
        weight = self.weight * self.connectivity()
        if rounding is not None:
            weight = rounded(weight, *rounding)
        if weight.ndim == 4:
            return functional.conv2d(x, weight, padding=self.padding, stride=self.stride)
        return functional.linear(x.flatten(1), weight)


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


class ProjectionLayer(nn.Module):
    """One projection of the specification: average pooling, synapses and batch norm, each if there is one.

    ``gains`` are what the values that arrive were multiplied by, per channel: 1 / std of the pixels.
    """

    gains: Tensor

    def __init__(self, projection: Projection, source: Shape, gains: Tensor) -> None:
        super().__init__()
        self.source, self.shape = projection.source, projected_shape(projection, source)
        self.pooling = projection.pooling
        self.synapses = _synapses(projection, source)
        self.norm = nn.BatchNorm2d(self.shape[0]) if projection.norm else None
        self.bits: int | None = None
        self.register_buffer("gains", gains, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.pooling > 1:
            x = functional.avg_pool2d(x, self.pooling)
        if self.synapses is not None:
            x = self.synapses(x, None if self.bits is None else (self.factors(), self.bits))
        normalized: Tensor = x if self.norm is None else self.norm(x)
        return normalized

    def factors(self) -> Tensor:
        """Return what the passes multiply each weight by: ``gains``, and batch norm with its running variance."""
        assert self.synapses is not None
        axes = (1,) * (self.synapses.weight.ndim - 2)
        factors = self.gains.repeat_interleave(self.synapses.weight.shape[1] // len(self.gains)).view(1, -1, *axes)
        if self.norm is None:
            return factors
        assert self.norm.running_var is not None
        slope: Tensor = self.norm.weight.detach() / torch.sqrt(self.norm.running_var + self.norm.eps)
        return factors * slope.view(-1, 1, *axes)


def _synapses(projection: Projection, source: Shape) -> Synapses | None:
    channels, height, width = source[0], source[1] // projection.pooling, source[2] // projection.pooling
    if isinstance(projection.synapses, Convolution):
        kernel = projection.synapses.kernel
        sizes = (projection.synapses.channels, channels, kernel, kernel)
        return Synapses(*sizes, padding=kernel // 2, stride=projection.synapses.stride)
    if isinstance(projection.synapses, Linear):
        return Synapses(projection.synapses.features, channels * height * width)
    return None
