"""Batch norm, neurons and pooling written out step by step, for PyTorch to differentiate."""

import torch
from torch.nn import functional


class Spike(torch.autograd.Function):
    """Heaviside step whose derivative is a surrogate's."""

    @staticmethod
    def forward(ctx, distance, surrogate):
        ctx.save_for_backward(distance)
        ctx.surrogate = surrogate
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.surrogate.slope(ctx.saved_tensors[0]), None


def plain_spikes(current, spiking, *, threshold, tau, norm=None, pool=1):
    if norm is not None:
        shape = current.shape
        current = functional.batch_norm(
            current.flatten(0, 1), norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training,
            norm.momentum, norm.eps,
        ).view(shape)  # fmt: skip
    potential, spikes = torch.zeros_like(current[0]), []
    for arriving in current.expand(spiking.steps, *current.shape[1:]):
        potential = tau * potential + arriving
        fired = Spike.apply(potential - threshold, spiking.surrogate)
        potential = potential * (1 - fired) if spiking.reset == "hard" else potential - threshold * fired
        spikes.append(fired if pool == 1 else functional.avg_pool2d(fired, pool))
    return torch.stack(spikes)
