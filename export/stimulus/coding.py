"""Pixels of a file -> what a spike encoder sends, sample by sample."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from spikeport.export.errors import StimulusError
from spikeport.export.network import Array, Coding
from spikeport.export.stimulus.definition import LARGEST_IMAGES, Intake
from spikeport.export.stimulus.encoders import Encoder, encoder
from spikeport.export.stimulus.encoding import described
from spikeport.export.stimulus.settings import BIAS, InputSettings

WHITE = 255
"""What a white pixel is in 8 bits."""


def coding_of(intake: Intake, settings: InputSettings) -> Coding | None:
    """Return how pixels are coded: as the network was trained, or as ``settings`` ask; None: not at all.

    `StimulusError` where ``settings`` name another encoder than the network's own.
    """
    own, asked = intake.source.coding, None if settings.input_as == BIAS else settings.input_as
    if own is None:
        return None if asked is None else Coding(encoder=asked, seed=settings.encoder_seed or 0)
    check_own(own, asked)
    seed = own.seed if settings.encoder_seed is None else settings.encoder_seed
    return Coding(encoder=own.encoder, seed=seed, settings=own.settings)


def check_own(own: Coding, asked: str | None) -> None:
    """Raise `StimulusError` where another encoder is asked for than the one that the network was trained with."""
    if asked not in (None, own.encoder, own.encoder.removesuffix("_bits")):
        raise StimulusError(
            f"the network was trained with the encoder {own.encoder!r}, and its archive says so; found --input-as "
            f"{asked}: leave it out"
        )


def generators_of(seed: int, numbers: Iterable[int]) -> list[np.random.Generator]:
    """Return what samples draw from: sample number n from the seeds (``seed``, n), whatever other samples there are."""
    return [np.random.default_rng([seed, number]) for number in numbers]


def coded(values: Array, intake: Intake, coding: Coding, unit: float | None) -> tuple[Array, tuple[str, ...]]:
    """Return what the source sends for images (N, *pixels), and what was taken for granted.

    It is (N, T, *shape), or (N, *shape) where it is the same in every step. Raises `StimulusError` where ``values`` are
    no pixels, or come step by step.
    """
    found = encoder(coding.encoder)
    if found.levels not in (None, intake.source.levels):
        raise StimulusError(
            f"the encoder {found.name} sends levels 0..{found.levels}; the network takes {described(intake.source)}"
        )
    if values.shape[1:] != intake.pixels:
        raise StimulusError(
            f"the input has shape {values.shape}, step by step; expected images (N, ...) for the encoder {found.name}"
        )
    own = intake.source.coding is not None
    pixels, notes = _own_pixels(values, unit) if own else _pixels(values, intake, unit)
    values = sent(pixels, intake, coding, generators_of(coding.seed, range(len(pixels))))
    return values, notes if own else (*notes, found.note)


def sent(pixels: Array, intake: Intake, coding: Coding, generators: Sequence[np.random.Generator]) -> Array:
    """Return what the source sends for pixels (N, *pixels) in [0, 1], of which each draws from its own generator.

    Real numbers of an encoder become the nearest levels of the source, unless the network takes real numbers.
    """
    found = encoder(coding.encoder)
    real = found.levels is None and intake.real
    _check_room(len(pixels), intake, 8 if real else 1, found)
    made = [_one(image, intake, coding, found, each) for image, each in zip(pixels, generators, strict=True)]
    values = np.stack(made) if made else np.zeros((0, *intake.timed), np.uint8)
    values.setflags(write=False)
    return values


def _one(pixels: Array, intake: Intake, coding: Coding, found: Encoder, generator: np.random.Generator) -> Array:
    """Return what the source sends for one image."""
    made = found.encode(pixels, intake.steps, generator, **dict(coding.settings))
    if found.levels is None and not intake.real:
        made = np.rint(made * intake.source.levels).astype(np.uint8)
    return made[0] if len(made) == 1 and intake.steps > 1 else made


def _check_room(count: int, intake: Intake, size: int, found: Encoder) -> None:
    needed = count * math.prod(intake.timed) * size
    if needed > LARGEST_IMAGES:
        what = "spikes" if found.levels == 1 else "levels"
        raise StimulusError(f"the {what} of {count:,} samples take {needed:,} bytes; run fewer at a time")


def _own_pixels(values: Array, unit: float | None) -> tuple[Array, tuple[str, ...]]:
    """Return the pixels of a network that was trained with an encoder: whole numbers are levels of 255."""
    notes: tuple[str, ...] = ()
    if unit is None and values.dtype.kind in "iu":
        unit = 1 / WHITE
        if values.max(initial=0) == 1:
            notes = ("the input's integers are 0 and 1, pixels of 1/255; for zeros and ones give --unit 1",)
    return _in_range(values, values.astype(np.float64) * (1.0 if unit is None else unit)), notes


def _pixels(values: Array, intake: Intake, unit: float | None) -> tuple[Array, tuple[str, ...]]:
    """Return numbers as shares of the source's full scale, all in 0..1."""
    full = intake.source.levels * intake.source.unit
    notes: tuple[str, ...] = ()
    if unit is None and values.dtype.kind in "iu":
        _check_bytes(values)
        unit, full = 1 / WHITE, 1.0
        notes = ("the input's integers are taken as pixels 0..255; --unit says otherwise",)
    return _in_range(values, values.astype(np.float64) * (1.0 if unit is None else unit) / full), notes


def _in_range(values: Array, pixels: Array) -> Array:
    wrong = ~((pixels >= 0) & (pixels <= 1))
    if wrong.any():
        number = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
        raise StimulusError(
            f"sample {number} holds {values[number][wrong[number]].flat[0]:g}, and its pixels go up to "
            f"{pixels[number].max():g} of the full scale; an encoder takes 0 to 1: --unit says what a 1 stands for"
        )
    return pixels


def _check_bytes(values: Array) -> None:
    """Refuse integers of which it is not plain that 255 is white."""
    if values.dtype != np.uint8 or values.max() <= 1:
        raise StimulusError(
            f"the input holds {values.dtype} integers {values.min()}..{values.max()}, and an encoder takes pixels; say "
            "what a number 1 stands for (--unit 1/255: pixels of 8 bits, --unit 1: zeros and ones)"
        )
