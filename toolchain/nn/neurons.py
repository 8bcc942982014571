"""Layers of spiking neurons: the time loop."""

import torch
from torch import Tensor, nn

from spikeport.toolchain.nn.surrogate import piecewise_linear

MINIMUM_THRESHOLD = 0.03


class IntegrateAndFire(nn.Module):
    """Hard-reset IF neurons with one trainable threshold.

    Schmolli et al., CPAL 2025, Eq. 1 to 3 with tau = 1::

        v(t-) = v(t-1) + I(t);   s(t) = 1[v(t-) >= V_th];   v(t) = v(t-) (1 - s(t))

    ``I`` is (T, N, ...); ``v(0) = 0``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(1.0))
        self.width = 1.0

    def forward(self, current: Tensor) -> Tensor:
        potential, spikes = torch.zeros_like(current[0]), []
        for arriving in current:
            potential = potential + arriving
            fired = piecewise_linear(potential - self.threshold, self.width)
            potential = potential * (1 - fired)
            spikes.append(fired)
        return torch.stack(spikes)

    @torch.no_grad()
    def clamp_threshold(self) -> None:
        """Keep the trained threshold at or above 0.03."""
        self.threshold.clamp_(min=MINIMUM_THRESHOLD)
