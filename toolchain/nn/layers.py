"""Synaptic layers with a connectivity mask, and the block of pooling, synapses and batch norm."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from toolchain.nn.specification import Convolution, Layer, Linear, Pooling, Specification


class TopScores(torch.autograd.Function):
    """Mask of the ``keep`` largest |scores|; the gradient passes straight through (HYDRA, Eq. 5 and 7)."""

    @staticmethod
    def forward(_ctx: object, scores: Tensor, keep: int) -> Tensor:
        return top_mask(scores.abs(), keep)

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

    def __init__(self, *shape: int, padding: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.kaiming_normal_(self.weight)
        self.register_buffer("mask", torch.ones(shape))
        self.padding = padding
        self.scores: nn.Parameter | None = None
        self.keep = self.weight.numel()

    def connectivity(self) -> Tensor:
        """Return the mask in force, differentiable with respect to the scores where there are any."""
        if self.scores is None:
            return self.mask
        mask: Tensor = TopScores.apply(self.scores, self.keep)  # type: ignore[no-untyped-call]
        return mask

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.connectivity()
        if weight.ndim == 4:
            return functional.conv2d(x, weight, padding=self.padding)
        return functional.linear(x.flatten(1), weight)


class Block(nn.Module):
    """What stands before one neuron layer: average pooling, synapses, batch norm."""

    def __init__(self, pooling: int, synapses: Synapses, norm: nn.Module) -> None:
        super().__init__()
        self.pooling = pooling
        self.synapses = synapses
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        pooled = functional.avg_pool2d(x, self.pooling) if self.pooling > 1 else x
        result: Tensor = self.norm(self.synapses(pooled))
        return result


def blocks(specification: Specification) -> nn.ModuleList:
    """Build one block for every layer with synapses."""
    built, shape, pooling = nn.ModuleList(), specification.input_shape, 1
    for layer in specification.layers:
        if isinstance(layer, Pooling):
            pooling *= layer.size
            continue
        shape = (shape[0], shape[1] // pooling, shape[2] // pooling)
        block, shape = _block(layer, shape, pooling)
        built.append(block)
        pooling = 1
    return built


def _block(layer: Layer, shape: tuple[int, int, int], pooling: int) -> tuple[Block, tuple[int, int, int]]:
    channels, height, width = shape
    if isinstance(layer, Convolution):
        weights = Synapses(layer.channels, channels, layer.kernel, layer.kernel, padding=layer.kernel // 2)
        return Block(pooling, weights, nn.BatchNorm2d(layer.channels)), (layer.channels, height, width)
    assert isinstance(layer, Linear)
    weights = Synapses(layer.features, channels * height * width)
    return Block(pooling, weights, nn.Identity()), (layer.features, 1, 1)
