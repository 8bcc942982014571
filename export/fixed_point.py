"""Lava's bit-accurate integer arithmetic: register widths, and what happens at their ends.

Facts read in lava-nc 0.10.0, ``lava/proc/lif/models.py`` (tag fixed_pt), and checked against it by the tests.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

STATE_LIMIT = 2**23
"""Synaptic current and potential are 24 bit: |u| <= 2**23, |v| <= 2**23 - 1."""
POTENTIAL_LIMIT = STATE_LIMIT - 1
ACTIVATION_SHIFT = 6
"""One unit of synaptic activation is 64 units of potential; thresholds count in activation units."""
DECAY_SHIFT = 12
INT8_MAX = 127
THRESHOLD_MAX = 2**17 - 1
NO_THRESHOLD = THRESHOLD_MAX
"""A readout carries the largest threshold; the proof keeps its potential below."""
BIAS_MANTISSA_MIN, BIAS_MANTISSA_MAX = -(2**12), 2**12 - 1
BIAS_EXPONENT_MAX = 7


def decayed(value: Integers, decay: int | npt.NDArray[Any]) -> Integers:
    """Return ``toward_zero(value * (4096 - decay) / 4096)``."""
    product = value * (2**DECAY_SHIFT - decay)
    result: Integers = np.sign(product) * (np.abs(product) >> DECAY_SHIFT)
    return result


def wrapped_current(value: Integers) -> Integers:
    """Return the synaptic current as the register holds it: one turn of 2**24 where it leaves (-2**23, 2**23].

    ``2**23`` itself stays; ``-2**23`` turns to ``2**23``. Lava turns once, not modulo.
    """
    down = np.where(value > STATE_LIMIT, value - 2 * STATE_LIMIT, value)
    return np.where(value <= -STATE_LIMIT, value + 2 * STATE_LIMIT, down)


def saturated_potential(value: Integers) -> Integers:
    """Return the potential clipped to ``+-(2**23 - 1)``."""
    return np.clip(value, -POTENTIAL_LIMIT, POTENTIAL_LIMIT)


def wrapped_synaptic_sum(value: Integers) -> Integers:
    """Return a sum of weights as a signed 24-bit number, modulo 2**24 (Lava's convolution)."""
    result: Integers = (value + STATE_LIMIT) % (2 * STATE_LIMIT) - STATE_LIMIT
    return result


def bias_registers(
    bias: npt.NDArray[Any],
    mantissas: tuple[int, int] = (BIAS_MANTISSA_MIN, BIAS_MANTISSA_MAX),
    exponents: tuple[int, int] = (0, BIAS_EXPONENT_MAX),
) -> tuple[npt.NDArray[np.int32], int]:
    """Return mantissas (13 bit) and the smallest common exponent (0..7) nearest to ``bias`` in potential units.

    ``mantissas`` and ``exponents`` are the least and the most of a target. ``OverflowError`` where the largest exponent
    does not reach.
    """
    for exponent in range(exponents[0], exponents[1] + 1):
        mantissa = np.rint(np.asarray(bias, np.float64) / 2**exponent)
        if mantissa.min() >= mantissas[0] and mantissa.max() <= mantissas[1]:
            return mantissa.astype(np.int32), exponent
    raise OverflowError(f"bias {np.abs(bias).max():.0f} exceeds {mantissas[1] << exponents[1]}")
