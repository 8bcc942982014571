"""Mean and variance of batch norm over batch and time, and its running moments.

Threshold-dependent batch norm (Schmolli et al., section 3.2): the weighted spikes of all steps are one sample.
"""

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
        assert norm.running_mean is not None
        assert norm.running_var is not None
        return norm.running_mean, torch.rsqrt(norm.running_var + norm.eps)
    sums, squares = loops_on(current).moments(current, norm.num_features)
    count = current.numel() // norm.num_features
    mean, variance = mean_and_variance(sums, squares, count)
    if norm.training and norm.running_mean is not None:
        follow(norm, mean, variance, count)
    return mean.to(current.dtype), torch.rsqrt(variance + norm.eps).to(current.dtype)


def mean_and_variance(sums: Tensor, squares: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return mean and variance (C), the biased one, from sums (steps, C) of ``count`` values a channel in all."""
    if count < 2:
        raise TrainingError("batch norm has one value a channel; expected two or more: give it larger batches")
    mean = sums.sum(0) / count
    return mean, (squares.sum(0) / count - mean.square()).clamp(min=0)


def follow(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    """Move the running moments towards the batch's, as torch's batch norm does: with the unbiased variance."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    share = 1 / norm.num_batches_tracked.item() if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
    norm.running_var.lerp_((variance * (count / (count - 1))).to(norm.running_var.dtype), share)
