"""How the numbers and events of a file become input."""

import re
from dataclasses import dataclass
from fractions import Fraction

from spikeport.export.errors import StimulusError
from spikeport.export.numbers import POSITIVE, SEEDS, STEPS, Range, real, whole
from spikeport.export.stimulus.encoders import Encoder, encoder, usable_names

MICROSECONDS = {"us": 1, "ms": 1000, "s": 1_000_000}
BINS = Range(least=1, most=10**12)
BIAS = "bias"
"""The kind of input that the host writes as biases."""


@dataclass(frozen=True, kw_only=True)
class InputSettings:
    """What a file does not say about its own numbers.

    ``unit``: what a number 1 of the file stands for: 1 for counts, 1/255 for pixels of 8 bit; None leaves it to the
    network. Event lists become frames of counts: ``bin`` is the length of a step ('1ms'; us, ms or s), or ``frames``
    the number of equal bins; both cut as tonic's ``ToFrame(time_window=...)`` and ``ToFrame(n_time_bins=...)`` do.
    ``incomplete`` keeps the last bin that a recording does not fill (``include_incomplete=True``).

    ``input_as``: how pixels go in (`spikeport.export.input_as`): None sends them as the network takes them, 'bias' has
    the host write the first layer's sums as biases, and the name of a spike encoder, 'poisson', 'latency' or 'phase'
    (`spikeport.export.stimulus.encoders`), makes spikes of them. A network that was trained with an encoder has it
    already. ``encoder_seed``: seed of what an encoder draws; the network's own if None, 0 where it has none.
    """

    unit: float | None = None
    bin: str | None = None
    frames: int | None = None
    incomplete: bool = False
    input_as: str | None = None
    encoder_seed: int | None = None

    def __post_init__(self) -> None:
        if self.unit is not None:
            real(self.unit, "unit of the input", POSITIVE, error=StimulusError)
        if self.frames is not None:
            whole(self.frames, "number of frames", STEPS, error=StimulusError)
        if self.bin is not None and self.frames is not None:
            raise StimulusError(f"bins of {self.bin} and {self.frames} frames were asked for; expected one of the two")
        if self.incomplete and self.bin is None:
            raise StimulusError("the last incomplete bin can be kept where the length of a bin is given (--bin)")
        self.microseconds()
        if self.encoder_seed is not None:
            whole(self.encoder_seed, "seed of the encoder", SEEDS, error=StimulusError)
        if self.input_as is not None and self.input_as not in (BIAS, *usable_names()):
            names = ", ".join((BIAS, *usable_names()))
            raise StimulusError(f"the input cannot go in as {self.input_as!r}; expected one of {names}")

    def encoder(self) -> Encoder | None:
        """Return the spike encoder that was asked for."""
        return None if self.input_as in (None, BIAS) else encoder(str(self.input_as))

    def microseconds(self) -> int | None:
        """Return the length of a bin in microseconds."""
        return None if self.bin is None else duration(self.bin)


def duration(text: str) -> int:
    """Return the microseconds of a text such as '1ms', '500 us' or '0.01s'."""
    match = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*(us|ms|s)\s*", str(text), re.ASCII)
    if match is None:
        raise StimulusError(f"the length of a bin is {text!r}; expected a number and us, ms or s, for instance '1ms'")
    length = Fraction(match[1]) * MICROSECONDS[match[2]]
    if length.denominator != 1:
        raise StimulusError(f"the length of a bin is {text!r}; expected whole microseconds")
    return whole(int(length), "length of a bin in us", BINS, error=StimulusError)


def ratio(text: str) -> float:
    """Return the number that a text gives, also as a fraction: '1', '0.5', '1/255'."""
    match = re.fullmatch(r"\s*([\d.eE+-]{1,30})\s*(?:/\s*([\d.eE+-]{1,30}))?\s*", str(text), re.ASCII)
    try:
        assert match is not None
        return float(match[1]) / float(match[2] or 1)
    except (AssertionError, ValueError, ZeroDivisionError, OverflowError):
        raise StimulusError(f"unit is {text!r}; expected a number or a fraction, for instance 1 or 1/255") from None
