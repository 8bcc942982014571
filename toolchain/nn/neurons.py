"""Layers of spiking neurons: batch norm and time loop as one function that keeps its input and recomputes the rest."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from spikeport.toolchain.nn.backends import loops_on
from spikeport.toolchain.nn.kernels import TILE
from spikeport.toolchain.nn.loop import Loop, Noise, Normal
from spikeport.toolchain.nn.moments import moments_in_force, of_the_batch
from spikeport.toolchain.nn.noise import keys
from spikeport.toolchain.nn.spiking import Spiking

MINIMUM_THRESHOLD = 0.03
LARGEST_WINDOW = 15
"""Side of a window whose spikes fit into a byte."""


class Spikes(NamedTuple):
    """What a population sends, (T, N, C, ...): spikes averaged over windows of ``pool`` x ``pool``, or real values.

    ``counts`` are the spikes of every window as bytes; real values have none. ``penalty`` is C(V) of guarded neurons.
    """

    values: Tensor
    counts: Tensor | None = None
    pool: int = 1
    penalty: Tensor | None = None

    def rate(self) -> float:
        """Return spikes per neuron and step."""
        return float(self.values.detach().mean())


class IntegrateAndFire(nn.Module):
    """Integrate-and-fire neurons with one threshold and one leak, as `spikeport.toolchain.nn.loop` defines them.

    Both train where ``spiking`` says so; `clamp_threshold`, after an update, keeps the threshold at 0.03 or above and
    ``tau`` in [0, 1]. A leak that does not train is no part of the state. In training mode ``spiking.noise`` makes them
    noisy; in evaluation mode they are deterministic, as they are on a chip.
    """

    def __init__(self, spiking: Spiking) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(1.0), requires_grad=spiking.train_threshold)
        if spiking.train_tau:
            self.tau: Tensor = nn.Parameter(torch.tensor(spiking.tau))
        else:
            self.register_buffer("tau", torch.tensor(spiking.tau), persistent=False)

    def forward(
        self,
        current: Tensor,
        spiking: Spiking,
        *,
        norm: nn.BatchNorm2d | None = None,
        pool: int = 1,
        margin: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Spikes:
        """Return the spikes that a current (T or 1, N, C, ...) causes in ``spiking.steps`` steps.

        ``norm`` is applied to the current before; ``pool`` averages the spikes behind, unless windows are too wide for
        the loops: ``Spikes.pool`` says whether it did. ``margin`` guards the neurons: ``Spikes.penalty``. Noise is
        drawn from ``generator``, from PyTorch's own on the CPU without one.
        """
        pool = pool if pool * current.shape[-1] <= TILE else 1
        noise = Noise(sigma=spiking.noise, keys=keys(spiking.steps, generator)) if self.noisy(spiking) else None
        batch = norm is not None and of_the_batch(norm)
        loop = self.loop(spiking, pool=pool, batch=batch, noise=noise, margin=margin)
        known = loops_on(current, loop).DTYPES
        current = current if current.dtype in known else current.float()
        affine = (None, None) if norm is None else (norm.weight, norm.bias)
        moments = (None, None) if norm is None else moments_in_force(current.detach(), norm)
        values, counts, penalty = TimeLoop.apply(current, *affine, self.threshold, self.tau, *moments, loop)  # type: ignore[no-untyped-call]
        return Spikes(values, counts, pool, penalty)

    def noisy(self, spiking: Spiking) -> bool:
        """Return whether the neurons fire by chance: with noise, in training mode."""
        return self.training and spiking.noise > 0

    def loop(self, spiking: Spiking, **others: Any) -> Loop:
        """Return the settings of the time loop with threshold and leak as they are now."""
        return Loop(
            threshold=self.threshold.detach(),
            tau=self.tau.detach(),
            hard=spiking.reset == "hard",
            surrogate=spiking.surrogate,
            **{"steps": spiking.steps, **others},
        )

    @torch.no_grad()
    def clamp_threshold(self) -> None:
        """Keep the trained threshold at 0.03 or above, and the trained leak in [0, 1]."""
        self.threshold.clamp_(min=MINIMUM_THRESHOLD)
        self.tau.clamp_(0, 1)


class TimeLoop(torch.autograd.Function):
    """Batch norm and time loop: keeps the current, (C) moments and two numbers; recomputes potentials and spikes."""

    @staticmethod
    def forward(
        ctx: Any,
        current: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        threshold: Tensor,
        tau: Tensor,
        mean: Tensor | None,
        inverse: Tensor | None,
        loop: Loop,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        ctx.save_for_backward(current, weight, bias, threshold, tau, mean, inverse)
        ctx.loop = loop
        fired = loops_on(current, loop).forward(current, _normal(current, weight, bias, mean, inverse), loop)
        ctx.mark_non_differentiable(fired.counts)
        ctx.set_materialize_grads(False)  # else a gradient of zeros is made for the counts
        ctx.shape = fired.spikes.shape
        return fired.spikes, fired.counts, fired.penalty

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *arriving: Tensor | None) -> tuple[Tensor | None, ...]:
        given, _, of_penalty = arriving
        if given is None and of_penalty is None:
            return (None,) * 8
        current, weight, bias, _, _, mean, inverse = ctx.saved_tensors
        given = current.new_zeros(ctx.shape) if given is None else given
        normal = _normal(current, weight, bias, mean, inverse)
        loops = loops_on(current, ctx.loop)
        found = loops.backward(current, normal, ctx.loop, given, of_penalty)
        if ctx.loop.batch:
            loops.centre(current, normal, found)
        norm = (None if weight is None else found.scaled, None if bias is None else found.shift)
        return (found.current, *norm, found.threshold, found.tau, None, None, None)


def _normal(
    current: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor | None, inverse: Tensor | None
) -> Normal:
    if mean is None or inverse is None:
        return Normal.none(current)
    return Normal(mean, inverse, weight, bias)
