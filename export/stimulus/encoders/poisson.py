"""Poisson (rate) coding: in every step a spike with the probability of the pixel."""

from typing import Any

import numpy as np

from spikeport.export.network import Array

LEVELS = 1
NOTE = (
    "poisson: what arrives is right on average only, with a deviation that falls as 1 / sqrt(steps); take many steps, "
    "and expect a lower accuracy than with held images"
)


def encode(pixels: Array, steps: int, generator: np.random.Generator) -> Array:
    """Return ``s_t = 1`` with probability x, independently for every pixel x and step t.

    A Bernoulli process, the usual discrete form of Poisson spikes (Diehl et al., IJCNN 2015; Heeger, 2000). A pixel of
    1 fires in every step, one of 0 never; the mean of ``s`` is x.
    """
    sent: Array = fires(pixels.astype(np.float32), drawn(generator, (steps, *pixels.shape))).astype(np.uint8)
    return sent


def drawn(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return numbers in [0, 1), in single precision, so that networks that compute with it see the same spikes."""
    return generator.random(shape, dtype=np.float32)


def fires(pixels: Any, numbers: Any) -> Any:
    """Return where a spike is sent; arrays of numpy or tensors of PyTorch, in single precision."""
    return numbers < pixels
