"""Projections from an input of bits: one for each bit, so that integer weights carry its value as an exponent."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spikeport.export.network import Convolution, Normalization, Source, Stage
from spikeport.export.stimulus.encoders import encoder
from spikeport.export.stimulus.encoders.phase import LEVELS, weights


def channels_of(source: Source) -> int:
    """Return how many channels of the source a channel of an image becomes."""
    return 1 if source.coding is None else encoder(source.coding.encoder).channels


def by_bit(stages: Sequence[Stage], channels: int, bits: int) -> list[list[Stage]]:
    """Return the stages of a projection from (C, ...) pixels for each of ``bits`` groups of channels of the source.

    Group k sends bit k, most significant first: 128, 64, ..., 1 of 255. Their sums add up to that of the pixels, since
    all stages are linear; what they add besides is left to the first. All weights of a group are those of the pixels
    times a power of two, so an integer weight of 8 bits with an exponent holds as much of each.
    """
    if bits == 1:
        return [list(stages)]
    values = weights(bits) / LEVELS
    return [
        [_picked(values[bit], bit, channels, bits), *(stages if bit == 0 else map(_without_shift, stages))]
        for bit in range(bits)
    ]


def _picked(value: float, bit: int, channels: int, bits: int) -> Convolution:
    """Return what takes the channels of one bit as ``value`` each."""
    weight = np.zeros((channels, bits * channels, 1, 1))
    weight[:, bit * channels : (bit + 1) * channels, 0, 0] = value * np.eye(channels)
    return Convolution(weight=weight)


def _without_shift(stage: Stage) -> Stage:
    return replace(stage, shift=np.zeros_like(stage.shift)) if isinstance(stage, Normalization) else stage
