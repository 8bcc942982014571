"""Batch norm, neurons and pooling written out step by step, for PyTorch to differentiate."""

import torch
from torch.nn import functional


class Spike(torch.autograd.Function):
    """Heaviside step of the distance from a threshold that noise moves; its derivative is a surrogate's."""

    @staticmethod
    def forward(ctx, distance, surrogate, noise):
        ctx.save_for_backward(distance)
        ctx.surrogate = surrogate
        return (distance >= noise).to(distance.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.surrogate.slope(ctx.saved_tensors[0]), None, None


class Density:
    """Phi' of a deviation, as PyTorch has it."""

    def __init__(self, deviation):
        self.normal = torch.distributions.Normal(torch.zeros_like(deviation), deviation)

    def slope(self, distance):
        return self.normal.log_prob(distance).exp()


def plain_spikes(current, spiking, **neuron):
    return spikes_and_penalty(current, spiking, **neuron)[0]


def spikes_and_penalty(current, spiking, *, threshold, tau, norm=None, pool=1, noise=None, margin=None):
    """Return spikes, and C(V) with a margin; ``noise`` are standard normal numbers, one a neuron and step."""
    if norm is not None:
        shape = current.shape
        current = functional.batch_norm(
            current.flatten(0, 1), norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.training,
            norm.momentum, norm.eps,
        ).view(shape)  # fmt: skip
    potential, spikes, near = torch.zeros_like(current[0]), [], 0
    deviation = None if noise is None else spiking.noise * threshold.detach()
    surrogate = spiking.surrogate if noise is None else Density(deviation)
    for step, arriving in enumerate(current.expand(spiking.steps, *current.shape[1:])):
        potential = tau * potential + arriving
        near = near if margin is None else near + functional.relu(margin - (potential / threshold - 1).abs()).mean()
        disturbed = 0 if noise is None else deviation * noise[step]
        fired = Spike.apply(potential - threshold, surrogate, disturbed)
        potential = potential * (1 - fired) if spiking.reset == "hard" else potential - threshold * fired
        spikes.append(fired if pool == 1 else functional.avg_pool2d(fired, pool))
    return torch.stack(spikes), near / spiking.steps
