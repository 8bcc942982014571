"""What gradients through rates share: neurons send their spikes, and differentiate as a function of the mean input."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from spikeport.toolchain.attacks.gradients.replaced import as_computed, normal_of, normalized, spikes_of
from spikeport.toolchain.nn.neurons import IntegrateAndFire, Spikes
from spikeport.toolchain.nn.spiking import Spiking

Slope = Callable[[Tensor, Tensor, IntegrateAndFire], Tensor]
"""From the input (T or 1, N, C, ...), the spikes (T, N, C, ...) and the neurons to the derivative (1, N, C, ...)."""


class RateNeurons(nn.Module):
    """Spikes of ``neurons``; the gradient of step t passes to the input of step t, times the slope of the rate."""

    def __init__(self, neurons: IntegrateAndFire, slope: Slope) -> None:
        super().__init__()
        self.neurons, self.slope = neurons, slope

    def forward(
        self, current: Tensor, spiking: Spiking, *, norm: nn.BatchNorm2d | None = None, pool: int = 1
    ) -> Spikes:
        """Return the spikes; the projections behind average them, whatever ``pool`` is."""
        del pool
        current = as_computed(self.neurons, spiking, current)
        normal = normal_of(current, norm)
        spikes, counts = spikes_of(self.neurons, spiking, current, normal)
        arriving = normalized(current, normal)
        slope = self.slope(arriving.detach(), spikes, self.neurons)
        return Spikes(_Through.apply(arriving, spikes, slope), counts)  # type: ignore[no-untyped-call]


class _Through(torch.autograd.Function):
    """``spikes``, differentiated by ``arriving`` as ``slope`` says."""

    @staticmethod
    def forward(ctx: Any, arriving: Tensor, spikes: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        ctx.held = len(arriving) == 1 < len(spikes)
        return spikes.view_as(spikes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        gradient = gradients[0].sum(0, keepdim=True) if ctx.held else gradients[0]
        return gradient * slope, None, None
