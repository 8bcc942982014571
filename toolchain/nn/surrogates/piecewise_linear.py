"""A triangle around the threshold."""

from numba.extending import register_jitable
from torch import Tensor

from spikeport.toolchain.nn.surrogates.surrogate import Compiled, Positive, Surrogate


class PiecewiseLinear(Surrogate, frozen=True, kw_only=True, tag="piecewise_linear"):
    """``max(0, g - |v - V_th|) / g^2`` with half-width ``g`` (``width``), in units of the potential.

    Source: Schmolli et al., CPAL 2025, Eq. 13 and section 3.3 (gamma_w = 1 in training).
    """

    width: Positive = 1.0

    def slope(self, distance: Tensor) -> Tensor:
        return (self.width - distance.abs()).clamp(min=0) / self.width**2

    def compiled(self) -> Compiled:
        return _slope, (self.width, self.width**2)


@register_jitable
def _slope(distance: float, width: float, square: float) -> float:
    near, none = width - abs(distance), width - width  # a number in the code would make them double
    return max(near, none) / square
