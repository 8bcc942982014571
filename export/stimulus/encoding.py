"""Numbers of a file -> what a network takes; docs/input.md has the table of all cases.

A source with one level takes spikes, one of ``unit`` 1 counts, any other graded levels of ``unit`` each (pixels). Real
numbers are values. Integers are levels; a float network that takes spikes takes integers as counts, whatever their
size, but for those that look like pixels. A truth value is one spike of size 1. With a ``unit`` of the input, all
numbers are values once they are multiplied by it.
"""

import math
from dataclasses import dataclass

import numpy as np

from spikeport.export.errors import OutOfRange, StimulusError
from spikeport.export.network import Array, Source, frozen_array
from spikeport.export.stimulus.definition import Intake

AT_ONCE = 2**20
"""Numbers that are encoded at a time."""
GRADED_BITS = 8
MOST_LEVELS = 2**GRADED_BITS - 1
"""The largest graded input that Loihi holds."""
EXACT = 2**53
"""Counts up to here are exact in float64."""
DARK = 15
"""An 8-bit image is seldom darker everywhere, a frame of event counts seldom brighter."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """The numbers that a network takes, and what was taken for granted."""

    values: Array
    notes: tuple[str, ...] = ()


def encoded(values: Array, intake: Intake, unit: float | None = None) -> Encoded:
    """Return samples (N, ...) as ``intake`` takes them; `StimulusError` names the first sample that does not fit."""
    if values.dtype.kind not in "biuf":
        raise StimulusError(
            f"the input has type {values.dtype}; expected integers 0..{intake.source.levels} "
            "(for pixels in [0, 1]: numpy.rint(255 * pixels).astype('uint8'))"
        )
    if values.dtype.kind == "f":
        _check_finite(values)
    if unit is not None and not (values.dtype.kind in "iu" and unit == intake.source.unit):
        return _worth(values, intake, unit)
    if values.dtype.kind == "f":
        return _reals(values, intake.source) if intake.real else Encoded(values=_levels(values, intake.source))
    if values.dtype.kind == "b" and _is_graded(intake.source):
        raise StimulusError(
            f"the input holds truth values, spikes of size 1; the network takes {described(intake.source)}: "
            "give --unit 1 for spikes of size 1"
        )
    return _integers(values, intake, told=unit is not None)


def described(source: Source) -> str:
    """Return what a source takes, for a message."""
    if source.levels == 1:
        return "spikes, 0 or 1"
    if source.unit == 1:
        return f"counts, 0..{source.levels}"
    return f"levels 0..{source.levels} of {_fraction(source.unit)} each"


def bits_sentence(most: int) -> str:
    """Return why counts up to ``most`` do not fit."""
    return f"counts up to {most} take {most.bit_length()} bits; Loihi's graded input holds {GRADED_BITS}"


def _is_graded(source: Source) -> bool:
    return source.levels > 1 and source.unit != 1


def _worth(values: Array, intake: Intake, unit: float) -> Encoded:
    """Return numbers of which each 1 stands for ``unit``."""
    if intake.real:
        return Encoded(values=frozen_array(values.astype(np.float64) * unit))
    return Encoded(values=_levels(values, intake.source, unit))


def _reals(values: Array, source: Source) -> Encoded:
    """Return real numbers as a float network takes them: as they are, but for levels that nobody divided by 255."""
    least, most = float(values.min(initial=0)), float(values.max(initial=0))
    full = source.levels * source.unit
    bright = most > max(full, DARK) if _is_graded(source) else most == MOST_LEVELS and source.levels == 1
    if bright and most <= MOST_LEVELS and least >= 0 and np.all(values == np.rint(values)):
        raise StimulusError(
            f"the input holds whole numbers 0..{most:g} ({values.dtype}), and the network takes {described(source)}: "
            "divide pixels by 255, or say what a number 1 stands for: --unit beside --input (pixels: 1/255; 1 for "
            "numbers as they are)"
        )
    notes: tuple[str, ...] = ()
    if source.levels > 1 and (least < 0 or most > full * (1 + 1e-6)):
        span = f"the input spans {values.min():g}..{values.max():g}, and the network takes 0..{full:g}"
        notes = (f"{span}: real numbers are taken as they are",)
    elif source.levels == 1 and most > DARK and least >= 0 and np.all(values == np.rint(values)):
        notes = (f"whole numbers up to {most:g} ({values.dtype}) are taken as they are; --unit 1/255 says pixels",)
    return Encoded(values=frozen_array(values), notes=notes)


def _integers(values: Array, intake: Intake, *, told: bool) -> Encoded:
    """Return integers as levels, or as counts of any size where a float network takes spikes."""
    least, most, source = int(values.min()), int(values.max()), intake.source
    if intake.real and source.levels == 1:
        return _counts(values, least, most, told=told)
    if least < 0 or most > source.levels:
        raise OutOfRange(_beyond(values, least, most, intake))
    notes: tuple[str, ...] = ()
    if most == 1 and _is_graded(source) and not told:
        worth = _fraction(source.unit)
        notes = (f"the input's integers are 0 and 1, levels of {worth} each; for spikes of size 1 give --unit 1",)
    return Encoded(values=frozen_array(values, np.min_scalar_type(source.levels)), notes=notes)


def _counts(values: Array, least: int, most: int, *, told: bool) -> Encoded:
    """Return integers that a float network takes as they are."""
    if max(most, -least) > EXACT:
        raise StimulusError(f"the input spans {least}..{most}; expected counts up to 2^53")
    if looks_like_pixels(values) and not told:
        raise StimulusError(
            f"the input holds integers 0..{most} ({values.dtype}), and the network was not told what they stand for: "
            f"import it with {_ways(most, Source(levels=1))}, or give --unit beside --input (pixels: 1/255, counts: 1)"
        )
    notes: tuple[str, ...] = ()
    if (least < 0 or most > 1) and not told:
        count = most if most > 1 else least
        notes = (f"integers of the input are taken as counts: {count} means {count}.0; --unit says otherwise",)
    return Encoded(values=frozen_array(values), notes=notes)


def looks_like_pixels(values: Array) -> bool:
    """Return whether whole numbers are rather levels of grey than counts of events."""
    least, most = int(values.min(initial=0)), int(values.max(initial=0))
    bright = most > DARK if values.dtype == np.uint8 else most == MOST_LEVELS
    return bright and least >= 0


def _beyond(values: Array, least: int, most: int, intake: Intake) -> str:
    """Return what does not fit, where it stands, and the ways out."""
    source = intake.source
    start = f"the input spans {least}..{most}; expected 0..{source.levels}: the network takes {described(source)}, and "
    if least < 0:
        ways = "no input is negative: two polarities are two channels"
        return f"{start}sample {_first(values < 0)} holds {least}; {ways}"
    held = f"{start}sample {_first(values > source.levels)} holds {int(values[_first(values > source.levels)].max())}"
    if most > MOST_LEVELS and not intake.real:
        return f"{held}; {bits_sentence(most)}: take shorter steps, or clip the counts"
    if 1 < source.levels < most <= MOST_LEVELS and math.isclose(source.levels * source.unit, 1):
        return f"{held}; give pixels as real numbers, divided by {MOST_LEVELS}, which become these levels"
    again = "import it again" if intake.real else "quantize it again"
    coded = ", or send pixels as spikes with --input-as poisson" if source.levels == 1 and most <= MOST_LEVELS else ""
    return f"{held}; {again} with {_ways(most, source)}{coded}"


def _ways(most: int, source: Source) -> str:
    """Return the options that make room for integers up to ``most``."""
    counts = f"--levels {most} --unit 1 (counts)"
    spikes = source.levels == 1
    return f"--levels {MOST_LEVELS} (pixels) or {counts}" if spikes and most <= MOST_LEVELS else counts


def _levels(values: Array, source: Source, unit: float = 1.0) -> Array:
    """Return the levels of ``values * unit``, some samples at a time."""
    levels = np.empty(values.shape, np.min_scalar_type(source.levels))
    rows = max(1, AT_ONCE // max(1, math.prod(values.shape[1:])))
    for start in range(0, len(values), rows):
        part = slice(start, start + rows)
        levels[part] = _levels_of_part(values[part].astype(np.float64) * unit, source, start)
    levels.setflags(write=False)
    return levels


def _levels_of_part(values: Array, source: Source, start: int) -> Array:
    """Return the nearest levels; spikes and counts are never rounded into being."""
    levels = np.rint(values / source.unit)
    beyond = (values < 0) | (levels > source.levels)
    if beyond.any():
        sample = _first(beyond)
        raise OutOfRange(
            f"the input spans {values.min():g}..{values.max():g}; expected 0..{source.levels * source.unit:g}, which "
            f"the network's encoding maps to levels 0..{source.levels}: sample {start + sample} holds "
            f"{values[sample][beyond[sample]].flat[0]:g}; {_real_ways(values, source)}"
        )
    if (source.levels == 1 or source.unit == 1) and np.any(levels * source.unit != values):
        sample = _first(levels * source.unit != values)
        expected = "only zeros and ones" if source.levels == 1 else "only whole numbers"
        kind = "spikes" if source.levels == 1 else "counts"
        raise StimulusError(
            f"the network's input are {kind}; expected {expected}: sample {start + sample} holds fractions "
            "(pixels in [0, 1]: quantize the network again with --levels 255, or send them as spikes with "
            "--input-as poisson)"
        )
    return levels


def _real_ways(values: Array, source: Source) -> str:
    """Return what may be meant by real numbers that do not fit."""
    most = float(values.max())
    if values.min() < 0 and source.levels == MOST_LEVELS and math.isclose(source.levels * source.unit, 1):
        return "give pixels as they are before any mean and standard deviation"
    if values.min() < 0:
        return "no input is negative: two polarities are two channels"
    if not (most.is_integer() and most > 1):
        return "scale the input to that range"
    if most > MOST_LEVELS:
        return bits_sentence(int(most))
    return f"quantize it again with {_ways(int(most), source)}; pixels as real numbers are divided by 255"


def _check_finite(values: Array) -> None:
    if not np.all(np.isfinite(values)):
        raise StimulusError(f"the input holds numbers that are not finite, the first in sample {_not_finite(values)}")


def _not_finite(values: Array) -> int:
    return _first(~np.isfinite(values))


def _first(wrong: Array) -> int:
    """Return the number of the first sample in which something is wrong."""
    return int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))


def _fraction(unit: float) -> str:
    parts = 1 / unit
    return f"1/{round(parts)}" if parts > 1 and abs(parts - round(parts)) < 1e-9 * parts else f"{unit:g}"
