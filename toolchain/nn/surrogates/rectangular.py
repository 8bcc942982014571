"""A rectangle around the threshold."""

from numba.extending import register_jitable
from torch import Tensor

from spikeport.toolchain.nn.surrogates.surrogate import Compiled, Positive, Surrogate


class Rectangular(Surrogate, frozen=True, kw_only=True, tag="rectangular"):
    """``1 / g`` where ``|v - V_th| < g / 2``, else 0, with the width ``g`` (``width``), in units of the potential.

    Source: Schmolli et al., CPAL 2025, Eq. 15; Wu et al., Frontiers in Neuroscience 2018.
    """

    width: Positive = 1.0

    def slope(self, distance: Tensor) -> Tensor:
        return (distance.abs() < self.width / 2).to(distance.dtype) / self.width

    def compiled(self) -> Compiled:
        return _slope, (self.width / 2, 1 / self.width)


@register_jitable
def _slope(distance: float, half: float, height: float) -> float:
    return height if abs(distance) < half else height - height  # a number in the code would make it double
