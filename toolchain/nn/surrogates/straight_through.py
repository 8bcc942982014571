"""The straight-through estimator."""

import torch
from numba.extending import register_jitable
from torch import Tensor

from spikeport.toolchain.nn.surrogates.surrogate import Compiled, Surrogate


class StraightThrough(Surrogate, frozen=True, kw_only=True, tag="straight_through"):
    """1 everywhere: the spike passes its gradient on to the potential.

    Source: Bengio, Leonard and Courville, arXiv:1308.3432; a member of the ensemble of Schmolli et al., appendix A.3.
    """

    def slope(self, distance: Tensor) -> Tensor:
        return torch.ones_like(distance)

    def compiled(self) -> Compiled:
        return _slope, (1.0,)


@register_jitable
def _slope(_distance: float, height: float) -> float:
    return height
