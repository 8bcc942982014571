"""Arrays of users -> images of 8 bit (N, C, H, W), or frames in [0, 1] (N, T, C, H, W); nothing is guessed."""

from typing import Literal

import numpy as np

from spikeport.export.errors import DataError
from spikeport.export.network import Array
from spikeport.export.numbers import described

PART = 1000
"""Images that are made whole numbers at a time."""
Layout = Literal["channels_first", "channels_last"]
FEW = 4
"""Channels of a picture: grey, two polarities, colour, colour with opacity."""
NEAR = 0.01
"""Levels by which an image in [0, 1] may differ from a whole one: float32 rounds to a thousandth of that."""


def ordered(images: Array, layout: Layout | None, what: str) -> Array:
    """Return images (N, C, H, W) or frames (N, T, C, H, W).

    Without channels, (N, H, W), there is one. Where the channels stand is certain if one of the two places has at most
    `FEW` entries and the other more; else ``layout`` has to say it.
    """
    if images.ndim == 3:
        return images[:, None]
    if images.ndim not in (4, 5):
        raise DataError(
            f"{what} has shape {images.shape}; expected images (N, H, W), (N, C, H, W) or (N, H, W, C), or frames with "
            "T as the second of five axes"
        )
    first, last = images.shape[-3] <= FEW, images.shape[-1] <= FEW
    if layout is None and first == last:
        raise DataError(
            f"{what} has shape {images.shape}, in which the channels may stand before height and width or behind them; "
            'set data.layout to "channels_first" or "channels_last"'
        )
    if layout == "channels_first" or (layout is None and first):
        return images
    return np.moveaxis(images, -1, -3)


def eight_bit(images: Array, what: str) -> Array:
    """Return uint8 levels of whole numbers 0 to 255, or of numbers in [0, 1] that are such levels over 255."""
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind in "iu":
        if images.size and not (images.min() >= 0 and images.max() <= 255):
            raise DataError(f"{what} spans {images.min()} to {images.max()}; expected 8-bit levels, 0 to 255")
        return images.astype(np.uint8)
    if images.dtype.kind != "f":
        raise DataError(f"{what} is {described(images)}; expected 8-bit levels, or numbers from 0 to 1")
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise DataError(
            f"{what} spans {images.min():g} to {images.max():g}; expected numbers from 0 to 1, or uint8 levels "
            "(a normalisation belongs into data.mean and data.std)"
        )
    whole = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), PART):
        whole[start : start + PART] = _rounded(images[start : start + PART], what)
    return whole


def _rounded(images: Array, what: str) -> Array:
    scaled = images * 255
    rounded: Array = np.rint(scaled)
    if np.abs(scaled - rounded).max() > NEAR:
        raise DataError(f"{what} holds numbers between the 256 levels of 8 bit; round them: np.rint(255 * images)")
    return rounded


def largest_count(frames: Array, what: str) -> int:
    """Return the largest count of frames of whole numbers, 1 where the frames are truth values or all zero."""
    if frames.dtype.kind not in "biu":
        raise DataError(f"{what} is {described(frames)}; expected counts of events, whole numbers")
    if frames.size and frames.min() < 0:
        raise DataError(f"{what} holds {frames.min()}; expected counts from 0")
    return max(1, int(frames.max(initial=0)))


def check_levels(frames: Array, levels: int, what: str) -> None:
    """Refuse numbers between the multiples of 1/levels, which chips are given; others check that they span 0 to 1."""
    if not (frames.min(initial=0) >= 0 and frames.max(initial=0) <= 1):
        return
    for start in range(0, len(frames), PART):
        scaled = frames[start : start + PART].astype(np.float64) * levels
        if np.abs(scaled - np.rint(scaled)).max(initial=0) > NEAR:
            raise DataError(
                f"{what} holds numbers between the {levels + 1} levels 0 to {levels}; round them, "
                f"np.rint({levels} * frames) / {levels}, give counts, or set data.levels"
            )


def unit_frames(frames: Array, levels: int) -> Array:
    """Return frames in [0, 1] as float32: counts over ``levels``, of which larger ones become 1."""
    return (np.minimum(frames, levels) / np.float32(levels)).astype(np.float32)
