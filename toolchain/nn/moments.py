"""Mean and variance of batch norm over batch and time, and its running moments.

Threshold-dependent batch norm (Schmolli et al., section 3.2): the weighted spikes of all steps are one sample.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from spikeport.export.errors import TrainingError
from spikeport.toolchain.nn.backends import loops_on


def of_the_batch(norm: nn.BatchNorm2d) -> bool:
    """Return whether batch norm takes the batch's moments: in training, and where it keeps none."""
    return norm.training or norm.running_mean is None


@torch.no_grad()
def moments_in_force(current: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return mean and ``1 / sqrt(variance + eps)`` (C) of a current (T, N, C, ...); training moves the running ones."""
    if not of_the_batch(norm):
        return running(norm)
    loops = loops_on(current)
    if hasattr(loops, "follow") and norm.training and norm.running_mean is not None and norm.momentum is not None:
        check_number(current.numel() // norm.num_features)
        mean, inverse = loops.follow(current, norm)
        return mean, inverse
    values, squares = loops.moments(current, norm.num_features)
    sums = Sums(values, squares, current.numel() // norm.num_features)
    mean, inverse = followed(norm, sums) if norm.training and norm.running_mean is not None else of_sums(norm, sums)
    kind = torch.float64 if current.dtype == torch.float64 else torch.float32
    return mean.to(kind), inverse.to(kind)


def check_number(number: int) -> None:
    """Refuse a batch whose channels have one value each."""
    if number < 2:
        raise TrainingError("batch norm has one value a channel; expected two or more: give it larger batches")


class Sums(NamedTuple):
    """Sums and sums of squares (steps, C) of a current, of ``number`` values a channel in all."""

    values: Tensor
    squares: Tensor
    number: int

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance (C), the biased one; `TrainingError` where a channel has one value."""
        check_number(self.number)
        mean = self.values.sum(0) / self.number
        return mean, (self.squares.sum(0) / self.number - mean.square()).clamp(min=0)


def running(norm: nn.BatchNorm2d, _sums: Sums | None = None) -> tuple[Tensor, Tensor]:
    """Return the running mean, and ``1 / sqrt(variance + eps)`` of the running variance."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, torch.rsqrt(norm.running_var + norm.eps)


def of_sums(norm: nn.BatchNorm2d, sums: Sums) -> tuple[Tensor, Tensor]:
    """Return the batch's mean and ``1 / sqrt(variance + eps)``."""
    mean, variance = sums.moments()
    return mean, torch.rsqrt(variance + norm.eps)


def followed(norm: nn.BatchNorm2d, sums: Sums) -> tuple[Tensor, Tensor]:
    """Return the same, and move the running moments towards it as torch does: with the unbiased variance."""
    mean, variance = sums.moments()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    share = 1 / norm.num_batches_tracked.item() if norm.momentum is None else norm.momentum
    unbiased = variance * (sums.number / (sums.number - 1))
    norm.running_mean.lerp_(mean.to(norm.running_mean), share)
    norm.running_var.lerp_(unbiased.to(norm.running_var), share)
    return mean, torch.rsqrt(variance + norm.eps)
