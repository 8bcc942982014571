"""Randomized smoothing coding: Gaussian noise on the pixels, drawn by the host."""

from typing import Any

import numpy as np

from spikeport.export.network import Array

LEVELS = None
ANY_NETWORK = False
SETTINGS = ("sigma", "each_step")
NOTE = "rsc: the host adds noise to the pixels, and gives integers the nearest levels of the sum"


def encode(pixels: Array, steps: int, generator: np.random.Generator, *, sigma: float, each_step: float) -> Array:
    """Return ``clamp(x + e, 0, 1)`` with ``e ~ N(0, sigma^2 I)``: (1, ...), or (T, ...) with ``each_step``.

    Wu et al., ACM Multimedia 2024, Eq. 7 to 10: RSC-I holds one sample over all steps, RSC-II draws one for each.
    """
    noise = drawn(generator, (steps if each_step else 1, *pixels.shape))
    sent: Array = noisy(pixels, noise.astype(np.float64), sigma)
    return sent


def drawn(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return standard normal numbers in single precision, so that networks that compute with it see the same pixels."""
    return generator.standard_normal(shape, dtype=np.float32)


def noisy(pixels: Any, noise: Any, sigma: float) -> Any:
    """Return the noisy pixels, clamped; arrays of numpy or tensors of PyTorch."""
    return (pixels + sigma * noise).clip(0, 1)
