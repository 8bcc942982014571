"""The normal density: the derivative of the probability that a noisy neuron fires."""

import math

import torch
from numba.extending import register_jitable
from torch import Tensor

from spikeport.toolchain.nn.surrogates.surrogate import Compiled, Positive, Surrogate

HALVINGS = 32
"""The compiled form takes ``exp(-x)`` as ``exp(-x / 32)^32``, a polynomial that the processor's vectors compute."""
FARTHEST = 60.0
"""Beyond it ``exp(-x)`` is taken as ``exp(-60)``."""
ORDER = 10
"""Of the polynomial, whose error stays below 1e-15."""


class Probit(Surrogate, frozen=True, kw_only=True, tag="probit"):
    """``exp(-(v - V_th)^2 / (2 s^2)) / (s sqrt(2 pi))`` with the deviation ``s`` (``sigma``) in units of potential.

    The derivative of Phi((v - V_th) / s), the probability of a spike under Gaussian noise on the potential (Ma et al.,
    Patterns 2023). Neurons with ``spiking.noise`` take it with their own noise, whatever surrogate is set.
    """

    sigma: Positive = 0.4

    def slope(self, distance: Tensor) -> Tensor:
        return torch.exp(-0.5 * (distance / self.sigma).square()) / (self.sigma * math.sqrt(2 * math.pi))

    def compiled(self) -> Compiled:
        series = [(-1) ** k / math.factorial(k) for k in range(ORDER, -1, -1)]
        height = 1 / (self.sigma * math.sqrt(2 * math.pi))
        return _slope, (height, 1 / (2 * self.sigma**2 * HALVINGS), FARTHEST / HALVINGS, *series)


@register_jitable
def _slope(distance: float, height: float, factor: float, most: float, *series: float) -> float:
    x = min(distance * distance * factor, most)
    value = series[0]
    for k in range(1, len(series)):
        value = series[k] + x * value
    for _ in range(5):  # to the power of 32
        value = value * value
    return height * value
