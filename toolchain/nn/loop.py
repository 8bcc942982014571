"""What the time loop of a layer of neurons computes, whoever computes it.

    i(t) = scale I(t) + shift;   v(t-) = tau v(t-1) + i(t);   s(t) = 1[v(t-) >= V_th]
    v(t) = v(t-) (1 - s(t))      (hard reset)         v(t) = v(t-) - V_th s(t)      (subtractive)

Source: Schmolli et al., CPAL 2025, Eq. 1 to 3. ``I`` is (T, N, C, ...), or (1, N, C, ...) where every step is the same;
``v(0) = 0``. Scale and shift are batch norm's per channel. Backwards, the derivative of s by v(t-) - V_th is the
surrogate's, and the reset is differentiated as well.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from spikeport.toolchain.nn.surrogates.surrogate import Surrogate


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Settings of a loop: ``pool`` averages spikes over windows of this side; ``batch``: moments are the batch's."""

    steps: int
    threshold: Tensor
    tau: Tensor
    hard: bool
    surrogate: Surrogate
    pool: int = 1
    batch: bool = False

    def shape(self, current: Tensor) -> tuple[int, ...]:
        """Return the shape of the spikes: (T, N, C, H, W), where windows that are not whole are left out."""
        sides = (
            current.shape[2:] if self.pool == 1 else (current.shape[2], *(s // self.pool for s in current.shape[3:]))
        )
        return (self.steps, current.shape[1], *sides)


class Normal(NamedTuple):
    """Batch norm per channel, (C): ``scale = weight inverse``, ``shift = bias - mean scale``; one channel: none."""

    mean: Tensor
    inverse: Tensor
    weight: Tensor | None = None
    bias: Tensor | None = None

    @property
    def scale(self) -> Tensor:
        """What a current is multiplied by."""
        return self.inverse if self.weight is None else self.weight * self.inverse

    @property
    def shift(self) -> Tensor:
        """What is added then."""
        moved = self.mean * self.scale
        return -moved if self.bias is None else self.bias - moved

    @classmethod
    def none(cls, current: Tensor) -> "Normal":
        """Return scale 1 and shift 0 for all values."""
        zero = current.new_zeros(1)
        return cls(zero, zero + 1)


class Gradients(NamedTuple):
    """Gradients of the current (of the normalised one, with ``batch``), and sums per channel, (C) or one number.

    ``scaled`` is the sum of gradients times the normalised current ``(I - mean) inverse``.
    """

    current: Tensor
    shift: Tensor
    scaled: Tensor
    threshold: Tensor
    tau: Tensor
