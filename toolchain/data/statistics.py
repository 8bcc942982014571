"""Mean and standard deviation per channel, the same to the last bit wherever they are computed."""

import math

import numpy as np

from spikeport.export.network import Array

PART = 1000
"""Images that are summed at a time."""


def channel_statistics(images: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of images (N, C, H, W) or frames (N, T, C, H, W) in [0, 1].

    8-bit images are levels of 1/255 and are summed as whole numbers; float32 is summed as float64, ``PART`` at a time.
    """
    kind, scale = (np.int64, 255) if images.dtype == np.uint8 else (np.float64, 1)
    axes = tuple(axis for axis in range(images.ndim) if axis != images.ndim - 3)
    sums, squares = np.zeros(images.shape[-3], kind), np.zeros(images.shape[-3], kind)
    for start in range(0, len(images), PART):
        part = images[start : start + PART].astype(np.int32 if kind is np.int64 else np.float64)
        sums += part.sum(axis=axes, dtype=kind)
        squares += np.square(part).sum(axis=axes, dtype=kind)
    count = images.size // images.shape[-3]
    exact = [(each.item(), square.item()) for each, square in zip(sums, squares, strict=True)]
    means = [each / (count * scale) for each, _ in exact]
    variances = [max(count * square - each * each, 0) / (count * scale) ** 2 for each, square in exact]
    return tuple(means), tuple(math.sqrt(each) for each in variances)
