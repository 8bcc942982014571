"""Surrogate gradients: the derivative that replaces that of the Heaviside step in back-propagation."""

from typing import Any

import torch
from torch import Tensor


class PiecewiseLinear(torch.autograd.Function):
    """Spike where ``distance = v - V_th >= 0``; backward ``max(0, g - |distance|) / g**2``.

    Source: Schmolli et al., CPAL 2025, Eq. 13 and section 3.3 (gamma_w = 1 in training).
    """

    @staticmethod
    def forward(ctx: Any, distance: Tensor, width: float) -> Tensor:
        ctx.save_for_backward(distance)
        ctx.width = width
        return (distance >= 0).to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (distance,) = ctx.saved_tensors
        slope = (ctx.width - distance.abs()).clamp_(min=0) / ctx.width**2
        return gradients[0] * slope, None


def piecewise_linear(distance: Tensor, width: float = 1.0) -> Tensor:
    """Return spikes (0 or 1) for ``distance = v - V_th`` with a triangular surrogate of half-width ``width``."""
    spikes: Tensor = PiecewiseLinear.apply(distance, width)  # type: ignore[no-untyped-call]
    return spikes
