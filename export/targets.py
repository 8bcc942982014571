"""What the registers and synapses of a target hold: the formats that the quantizer and the proof keep to.

`LAVA` is Lava's arithmetic, which is the definition of the integer neuron and holds whatever Loihi 1 or Loihi 2 is
known to hold. A chip's own formats are narrower; `spikeport.hardware_profiles.chip_formats` fills them from a profile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import reduce
from typing import Any

from spikeport.export.fixed_point import (
    BIAS_EXPONENT_MAX,
    BIAS_MANTISSA_MAX,
    BIAS_MANTISSA_MIN,
    DECAY_SHIFT,
    POTENTIAL_LIMIT,
    STATE_LIMIT,
    THRESHOLD_MAX,
)

Range = tuple[int, int]
"""A smallest and a largest value."""
WEIGHT_BITS = 8
"""Bits of a stored weight with its sign, in archives."""
WEIGHT_EXPONENT_MAX = 15
SIGN_MODES = ("mixed", "excitatory", "inhibitory")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Smallest and largest values that a target holds, in the units of the integer neuron; the defaults are Lava's.

    ``accumulator``: the sum of a step's weights times 64, excitation and inhibition each alone, so that no order of
    additions leaves it (None: no register of its own). ``current_with_bias``: the synaptic current plus the bias
    (None: no register of its own). ``exponent``: of weights of ``weight_bits`` bits, so the largest weight is
    ``2 ** (weight_bits - 1) - 1 << exponent``. ``decay_current`` and ``decay_potential`` in 1/4096; ``delay`` in steps
    beyond the one that every projection takes (None: any). ``unknown``: formats that a chip has not published; Lava's
    stand for them.
    """

    name: str = "Lava's arithmetic"
    accumulator: Range | None = None
    current: Range = (1 - STATE_LIMIT, STATE_LIMIT)
    current_with_bias: Range | None = None
    potential: Range = (-POTENTIAL_LIMIT, POTENTIAL_LIMIT)
    threshold: Range = (0, THRESHOLD_MAX)
    bias_mantissa: Range = (BIAS_MANTISSA_MIN, BIAS_MANTISSA_MAX)
    bias_exponent: Range = (0, BIAS_EXPONENT_MAX)
    decay_current: Range = (0, 1 << DECAY_SHIFT)
    decay_potential: Range = (0, 1 << DECAY_SHIFT)
    weight_bits: int = WEIGHT_BITS
    exponent: Range = (0, WEIGHT_EXPONENT_MAX)
    sign_modes: tuple[str, ...] = SIGN_MODES
    delay: int | None = None
    unknown: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The formats by name, and those that are not known."""
        if self == LAVA:
            return self.name
        rest = f", as far as they are known (not known: {', '.join(self.unknown)})" if self.unknown else ""
        return f"the formats of {self.name}{rest}"

    @property
    def largest_weight(self) -> int:
        """The largest weight of one synapse, in activation units."""
        return (1 << (self.weight_bits - 1)) - 1 << self.exponent[1]


LAVA = Target()
"""The widest that either Loihi is known to hold."""


def common(targets: Sequence[Target]) -> Target:
    """Return what all ``targets`` hold; `LAVA` where there is none."""
    return reduce(_both, targets) if targets else LAVA


def _both(one: Target, other: Target) -> Target:
    names = {field.name for field in fields(Target)} - {"name", "sign_modes", "unknown"}
    ranges: dict[str, Any] = {name: _narrower(getattr(one, name), getattr(other, name)) for name in names}
    modes = tuple(mode for mode in one.sign_modes if mode in other.sign_modes)
    missing = tuple(dict.fromkeys((*one.unknown, *other.unknown)))
    joined = {"name": f"{one.name} and {other.name}", "sign_modes": modes, "unknown": missing}
    return Target(**{**ranges, **joined})


def _narrower(one: Any, other: Any) -> Any:
    """Return the smaller of two numbers, what two ranges share, or the one that there is."""
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, int) and isinstance(other, int):
        return min(one, other)
    return (max(one[0], other[0]), min(one[-1], other[-1]))
