"""Pixels of a file -> what a spike encoder sends, sample by sample."""

import math

import numpy as np

from spikeport.export.errors import StimulusError
from spikeport.export.network import Array
from spikeport.export.stimulus.definition import LARGEST_IMAGES, Intake
from spikeport.export.stimulus.encoders import Encoder
from spikeport.export.stimulus.encoding import described
from spikeport.export.stimulus.settings import InputSettings

WHITE = 255
"""What a white pixel is in 8 bits."""


def coded(values: Array, intake: Intake, settings: InputSettings, encoder: Encoder) -> tuple[Array, tuple[str, ...]]:
    """Return what the source sends (N, T, *shape) for images (N, *shape), and what was taken for granted.

    Sample number n draws from a generator of its own, of the seeds (``encoder_seed``, n), so it gets the same spikes
    whatever other samples there are. Raises `StimulusError` where ``values`` are no pixels, or come step by step.
    """
    if intake.source.levels != encoder.levels:
        raise StimulusError(
            f"the encoder {encoder.name} sends levels 0..{encoder.levels}; the network takes {described(intake.source)}"
        )
    if values.shape[1:] != intake.shape:
        raise StimulusError(
            f"the input has shape {values.shape}, step by step; expected images (N, ...) for the encoder {encoder.name}"
        )
    shape = (len(values), *intake.timed)
    if math.prod(shape) > LARGEST_IMAGES:
        raise StimulusError(f"the spikes of {shape[0]:,} samples take {math.prod(shape):,} bytes; run fewer at a time")
    pixels, notes = _pixels(values, intake, settings.unit)
    sent = np.empty(shape, np.uint8)
    for number, image in enumerate(pixels):
        generator = np.random.default_rng([settings.encoder_seed, number])
        sent[number] = encoder.encode(image, intake.steps, generator)
    sent.setflags(write=False)
    return sent, (*notes, encoder.note)


def _pixels(values: Array, intake: Intake, unit: float | None) -> tuple[Array, tuple[str, ...]]:
    """Return numbers as shares of the source's full scale, all in 0..1."""
    full = intake.source.levels * intake.source.unit
    notes: tuple[str, ...] = ()
    if unit is None and values.dtype.kind in "iu":
        _check_bytes(values)
        unit, full = 1 / WHITE, 1.0
        notes = ("the input's integers are taken as pixels 0..255; --unit says otherwise",)
    pixels = values.astype(np.float64) * (1.0 if unit is None else unit) / full
    wrong = ~((pixels >= 0) & (pixels <= 1))
    if wrong.any():
        number = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
        raise StimulusError(
            f"sample {number} holds {values[number][wrong[number]].flat[0]:g}, and its pixels go up to "
            f"{pixels[number].max():g} of the full scale; an encoder takes 0 to 1: --unit says what a 1 stands for"
        )
    return pixels, notes


def _check_bytes(values: Array) -> None:
    """Refuse integers of which it is not plain that 255 is white."""
    if values.dtype != np.uint8 or values.max() <= 1:
        raise StimulusError(
            f"the input holds {values.dtype} integers {values.min()}..{values.max()}, and an encoder takes pixels; say "
            "what a number 1 stands for (--unit 1/255: pixels of 8 bits, --unit 1: zeros and ones)"
        )
