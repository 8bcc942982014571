"""Gaussian numbers of noisy neurons, from a counter: number ``i`` of a step needs none of the others.

    x = i ^ k1;   x = (x ^ x >> 16) 0x7feb352d;   x = (x ^ x >> 15 + k2) 0x846ca68b;   x = x ^ x >> 16     (32 bits)
    t = (x / 2 + 1/2) / 2^31;   w = -log2 t;   r = sqrt(w + 5) - 4.2;   xi = +- (1 - t) P(r), the sign is x's last bit

``k1`` and ``k2`` are two random keys of 32 bits for each step of a pass, ``i`` is a neuron's place in (N, C, H, W);
steps with an equal ``k1``, one pair in 2^32, have numbers that depend on each other, all others have none.
The mixing of bits is that of a hash whose constants minimise its bias (Wellons, hash prospector). ``t`` is the
probability that a normal number lies farther from 0 than ``xi``; ``P`` is the minimax polynomial of degree 6, within
5e-4 of the exact number for all ``t``; the largest number is 6.2. All is computed in single precision, without fused
operations, so PyTorch's operations, numba's loops and Triton's kernels give the same bits.
"""

from typing import Any

import numpy as np
import torch
from numba.extending import register_jitable
from torch import Tensor

FIRST, SECOND = 0x7FEB352D, 0x846CA68B
PROBIT = (3.7812147, 1.4472636, -0.070411434, 0.0093942775, 0.012600202, -0.010709310, 0.0025648068)
LOGARITHM = (0.44191723, -0.26718105, 0.14842887, -0.045149676)
"""``log2(1 + g) = g + g (1 - g) (q0 + q1 g + q2 g^2 + q3 g^3)`` for ``g`` in [0, 1), within 2e-5."""
MANTISSA, ONE = 0x7FFFFF, 0x3F800000
OFFSET, CENTRE = 5.0, 4.2


def keys(steps: int, generator: torch.Generator | None) -> Tensor:
    """Draw two keys of 32 bits for each step of a pass, (T, 2), on the CPU."""
    return torch.randint(2**32, (steps, 2), generator=generator)


def gaussian(pair: Tensor, index: Tensor) -> Tensor:
    """Return the Gaussian numbers of the neurons ``index`` in the step whose keys are ``pair``."""
    x = (index & _WORD) ^ pair[0]
    x = ((x ^ (x >> 16)) * FIRST) & _WORD
    x = ((x ^ (x >> 15)) + pair[1]) & _WORD
    x = (x * SECOND) & _WORD
    x = x ^ (x >> 16)
    t = ((x >> 1).float() + 0.5) * 2.0**-31
    bits = t.view(torch.int32)
    g = ((bits & MANTISSA) | ONE).view(torch.float32) - 1
    w = 127 - bits.float() * 2.0**-23 - g * (1 - g) * _horner(g, LOGARITHM)
    root = (w + OFFSET).double().sqrt().float()  # PyTorch's own in single precision rounds otherwise
    value = _horner(root - CENTRE, PROBIT) * (1 - t)
    return torch.where((x & 1) == 0, value, -value)


def _horner(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    value = torch.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = coefficient + x * value
    return value


_WORD = 0xFFFFFFFF
_U, _F, _I = np.uint32, np.float32, np.int32
_FIRST, _SECOND, _16, _15, _1, _0 = _U(FIRST), _U(SECOND), _U(16), _U(15), _U(1), _U(0)
_MANTISSA, _ONE = _I(MANTISSA), _I(ONE)
_HALF, _UNIT, _127, _ULP, _OFFSET, _CENTRE, _TO_ONE = (
    _F(each) for each in (0.5, 1, 127, 2.0**-23, OFFSET, CENTRE, 2.0**-31)
)
_P0, _P1, _P2, _P3, _P4, _P5, _P6 = (_F(each) for each in PROBIT)
_Q0, _Q1, _Q2, _Q3 = (_F(each) for each in LOGARITHM)


@register_jitable
def compiled_gaussian(index: Any, first: Any, second: Any) -> Any:
    """Return the same for one neuron; index and keys are unsigned numbers of 32 bits."""
    x = _U(index ^ first)
    x = _U(_U(x ^ _U(x >> _16)) * _FIRST)
    x = _U(_U(x ^ _U(x >> _15)) + second)
    x = _U(x * _SECOND)
    x = _U(x ^ _U(x >> _16))
    t = (np.float32(_I(x >> _1)) + _HALF) * _TO_ONE
    bits = np.float32(t).view(np.int32)
    g = np.int32((bits & _MANTISSA) | _ONE).view(np.float32) - _UNIT
    w = _127 - np.float32(bits) * _ULP - g * (_UNIT - g) * (_Q0 + g * (_Q1 + g * (_Q2 + g * _Q3)))
    r = np.sqrt(w + _OFFSET) - _CENTRE
    value = (_P0 + r * (_P1 + r * (_P2 + r * (_P3 + r * (_P4 + r * (_P5 + r * _P6)))))) * (_UNIT - t)
    return value if (x & _1) == _0 else -value
