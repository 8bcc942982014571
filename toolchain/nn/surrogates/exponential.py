"""An exponential on both sides of the threshold."""

import math

import torch
from numba.extending import register_jitable
from torch import Tensor

from spikeport.toolchain.nn.surrogates.surrogate import Compiled, Positive, Surrogate


class Exponential(Surrogate, frozen=True, kw_only=True, tag="exponential"):
    """``g_d exp(-g_s |v - V_th|)`` with the height ``g_d`` (``height``) and the steepness ``g_s`` (``steepness``).

    Source: Schmolli et al., CPAL 2025, Eq. 14; Shrestha and Orchard, NeurIPS 2018.
    """

    height: Positive = 1.0
    steepness: Positive = 1.0

    def slope(self, distance: Tensor) -> Tensor:
        return self.height * torch.exp(-self.steepness * distance.abs())

    def compiled(self) -> Compiled:
        return _slope, (self.height, self.steepness)


@register_jitable
def _slope(distance: float, height: float, steepness: float) -> float:
    return height * math.exp(-steepness * abs(distance))
