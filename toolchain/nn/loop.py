"""What the time loop of a layer of neurons computes, whoever computes it.

    i(t) = scale I(t) + shift;   v(t-) = tau v(t-1) + i(t);   s(t) = 1[v(t-) >= V_th]
    v(t) = v(t-) (1 - s(t))      (hard reset)         v(t) = v(t-) - V_th s(t)      (subtractive)

Source: Schmolli et al., CPAL 2025, Eq. 1 to 3. ``I`` is (T, N, C, ...), or (1, N, C, ...) where every step is the same;
``v(0) = 0``. Scale and shift are batch norm's per channel. Backwards, the derivative of s by v(t-) - V_th is the
surrogate's, and the reset is differentiated as well.

Noisy neurons (`Noise`) fire where ``v(t-) >= V_th + sigma V_th xi``, xi ~ N(0, 1), that is with the probability
``Phi((v(t-) - V_th) / (sigma V_th))``. The derivative of s is that of this probability by v(t-) - V_th; ``sigma V_th``,
the scale of the noise, is a constant of it.

Guarded neurons (``margin``) give the penalty of Threshold Guarding Optimization (arXiv:2602.20548, Eq. 12),

    C(V) = 1 / (T N) sum_t,n max(0, delta - |v_n(t-) / V_th - 1|)

over all neurons and samples, with the potential before reset and without its noise. The paper writes the distance as
``|V - V_th|`` for thresholds of 1; ours is in units of the threshold, so that neither larger weights under a larger
threshold, which leave all spikes as they are, nor a conversion's scale of a layer change the penalty. It is
differentiated by the potential and by the threshold; a potential at its threshold is pushed up.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from spikeport.toolchain.nn.surrogates.probit import Probit
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Noise of a pass: deviation in units of the threshold, and two keys of 32 bits a step, (T, 2), on the CPU."""

    sigma: float
    keys: Tensor


@dataclass(frozen=True, kw_only=True)
class Loop:
    """Settings of a loop: ``pool`` averages spikes over windows of this side; ``batch``: moments are the batch's.

    ``margin`` is delta of guarded neurons, in units of the threshold.
    """

    steps: int
    threshold: Tensor
    tau: Tensor
    hard: bool
    surrogate: Surrogate
    pool: int = 1
    batch: bool = False
    noise: Noise | None = None
    margin: float | None = None

    @property
    def derivative(self) -> Surrogate:
        """What takes the place of the derivative of a spike: the surrogate, or the density of the noise."""
        return self.surrogate if self.noise is None else Probit(sigma=self.noise.sigma * float(self.threshold))

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


class Fired(NamedTuple):
    """Spikes averaged over windows, how many fired in each as bytes, and C(V) of guarded neurons."""

    spikes: Tensor
    counts: Tensor
    penalty: Tensor | None = None


class Gradients(NamedTuple):
    """Gradients of the current (of the normalised one, with ``batch``), and sums per channel, (C) or one number.

    ``scaled`` is the sum of gradients times the normalised current ``(I - mean) inverse``.
    """

    current: Tensor
    shift: Tensor
    scaled: Tensor
    threshold: Tensor
    tau: Tensor
