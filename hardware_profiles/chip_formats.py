"""A chip's formats as a `spikeport.export.targets.Target`, which the quantizer and the proof keep to."""

from collections.abc import Sequence
from pathlib import Path

from spikeport.export.errors import ProfileError
from spikeport.export.targets import LAVA, Range, Target, common
from spikeport.hardware_profiles.profile import Constant, Formats, HardwareProfile, SignModes, Span, load_profiles

AnyProfile = str | Path | HardwareProfile
"""A profile, its name, or the path of a .toml file."""


def profiles_of(chips: AnyProfile | Sequence[AnyProfile]) -> list[HardwareProfile]:
    """Return one profile or several, read where they are names or paths; none where there are none."""
    several = [chips] if isinstance(chips, str | Path | HardwareProfile) else list(chips)
    return load_profiles(several) if several else []


def target(chips: AnyProfile | Sequence[AnyProfile]) -> Target:
    """Return the formats that all ``chips`` hold, Lava's arithmetic where there is none.

    What a chip does not publish is Lava's, and named as unknown. Raises `ProfileError` for one that publishes nothing.
    """
    return common([target_of(profile) for profile in profiles_of(chips)])


def target_of(profile: HardwareProfile) -> Target:
    """Return the formats of one chip, as far as they are known."""
    if all(held(profile.formats, name) is None for name in FORMATS):
        raise ProfileError(
            f"{profile.name} publishes no formats of its registers and synapses; there is nothing to quantize for: "
            "leave it out, and Lava's arithmetic is taken"
        )
    return known(profile)


def known(profile: HardwareProfile) -> Target:
    """Return a target in which everything that the profile does not say is Lava's."""
    f, lava = profile.formats, LAVA
    return Target(
        name=profile.name,
        accumulator=_signed(f.accumulator),
        current=_both(profile, "current", lava.current, _signed(f.current)),
        current_with_bias=_signed(f.current_with_bias),
        potential=_both(profile, "potential", lava.potential, _signed(f.potential)),
        threshold=_both(profile, "threshold", lava.threshold, _span(f.threshold)),
        bias_mantissa=_both(profile, "bias_mantissa", lava.bias_mantissa, _span(f.bias_mantissa)),
        bias_exponent=_both(profile, "bias_exponent", lava.bias_exponent, _span(f.bias_exponent)),
        decay_current=_both(profile, "decay_current", lava.decay_current, _span(f.decay_current)),
        decay_potential=_both(profile, "decay_potential", lava.decay_potential, _span(f.decay_potential)),
        weight_bits=lava.weight_bits if profile.encoding is None else int(profile.encoding.weight.value),
        exponent=_both(profile, "weight_exponent", lava.exponent, _span(f.weight_exponent, above=1)),
        sign_modes=lava.sign_modes if f.sign_modes is None else f.sign_modes.value,
        delay=None if f.delay is None else int(f.delay.value),
        unknown=tuple(
            f"{name.replace('_', ' ')} of {profile.name}"
            for name in FORMATS
            if name not in OPTIONAL and held(f, name) is None
        ),
    )


FORMATS = (
    *("accumulator", "current", "current_with_bias", "potential", "threshold", "bias_mantissa", "bias_exponent"),
    *("decay_current", "decay_potential", "weight_exponent", "sign_modes", "delay"),
)
"""The formats of integers, which are the rules of `spikeport.export.target_rules`."""
OPTIONAL = ("current_with_bias",)
"""Registers that not every chip has."""


def held(formats: Formats, name: str) -> Constant | Span | SignModes | None:
    """Return what a profile says of the format ``name``; None where it says nothing."""
    value: Constant | Span | SignModes | None = getattr(formats, name)
    return value


def _signed(width: Constant | None) -> Range | None:
    """Return the ends of a register of so many bits and a sign."""
    return None if width is None else (-(1 << int(width.value)), (1 << int(width.value)) - 1)


def _span(span: Span | None, *, above: int = 0) -> Range | None:
    return None if span is None else (span.value[0] + above, span.value[1] + above)


def _both(profile: HardwareProfile, name: str, lava: Range, chip: Range | None) -> Range:
    if chip is None:
        return lava
    shared = (max(lava[0], chip[0]), min(lava[1], chip[1]))
    if shared[0] > shared[1]:
        raise ProfileError(
            f"{profile.name}: [formats.{name}] shares no value with Lava's arithmetic, in which networks are run; "
            f"expected a range that meets {lava[0]:,} to {lava[1]:,}"
        )
    return shared
