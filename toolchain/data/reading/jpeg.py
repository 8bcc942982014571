"""Small JPEG images -> pixels, by Pillow."""

import io
import warnings
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

from spikeport.export.errors import DataError, one_line

MOST_BYTES = 2**20
"""Bytes of one image's file."""
LARGEST = 2**31
"""Bytes of all decoded images."""


def decoded(files: Iterable[tuple[str, bytes]], count: int, side: int) -> npt.NDArray[np.uint8]:
    """Return ``count`` JPEG images of ``side`` pixels as (N, 3, side, side); grey ones become three equal channels.

    ``files`` gives a name for messages with each image's bytes. The size is read from the header before pixels are
    made.
    """
    if count * 3 * side * side > LARGEST:
        raise DataError(f"{count:,} images of {side} x {side} pixels; at most {LARGEST:,} bytes of pixels are read")
    images = np.empty((count, 3, side, side), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for index, (name, data) in enumerate(files):
            images[index] = _pixels(name, data, side).transpose(2, 0, 1)
    return images


def _pixels(name: str, data: bytes, side: int) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            if image.size == (side, side):
                return np.asarray(image.convert("RGB"))
            width, height = image.size
    except Exception as error:  # noqa: BLE001 - Pillow raises errors of many kinds for damaged files
        raise DataError(f"{name}: not a JPEG image ({one_line(error)})") from None
    raise DataError(f"{name}: {width} x {height} pixels; expected {side} x {side}")
