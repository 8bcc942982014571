"""The derivative of an arctangent."""

import math

from numba.extending import register_jitable
from torch import Tensor

from spikeport.toolchain.nn.surrogates.surrogate import Compiled, Positive, Surrogate


class Arctan(Surrogate, frozen=True, kw_only=True, tag="arctan"):
    """``(a / 2) / (1 + (pi a (v - V_th) / 2)^2)`` of arctan(pi a x / 2) / pi, with the steepness ``a`` (``alpha``).

    Source: Fang et al., ICCV 2021 (alpha = 2).
    """

    alpha: Positive = 2.0

    def slope(self, distance: Tensor) -> Tensor:
        return self.alpha / 2 / (1 + (math.pi / 2 * self.alpha * distance).square())

    def compiled(self) -> Compiled:
        return _slope, (self.alpha / 2, math.pi / 2 * self.alpha)


@register_jitable
def _slope(distance: float, height: float, steepness: float) -> float:
    scaled = steepness * distance
    return height / (height / height + scaled * scaled)
