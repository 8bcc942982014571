"""Latency coding (time to first spike): every pixel that is not zero fires once, the brighter the earlier."""

from typing import Any

import numpy as np

from spikeport.export.network import Array

LEVELS = 1
NOTE = (
    "latency: each pixel fires once, which brings 1 / steps of what a white pixel brings that is held; networks that "
    "were trained with held images or rates do not read times, and lose their accuracy"
)


def encode(pixels: Array, steps: int, generator: np.random.Generator) -> Array:  # noqa: ARG001 - nothing is drawn
    """Return ``s_t = 1`` where ``t = floor((1 - x) (T - 1) + 1/2)`` and x > 0, for steps t from 0.

    Linear latency (Thorpe et al., Neural Networks 2001; Rueckauer and Liu, ISCAS 2018): a pixel of 1 fires in the first
    step, the darkest in the last, zero never.
    """
    step = np.arange(steps).reshape(-1, *[1] * pixels.ndim)
    sent: Array = fires(pixels, step, steps).astype(np.uint8)
    return sent


def fires(pixels: Any, step: Any, steps: int) -> Any:
    """Return where a spike is sent at ``step``, which broadcasts; arrays of numpy or tensors of PyTorch."""
    return (step == (delay(pixels, steps) + 0.5) // 1) & (pixels > 0)


def delay(pixels: Any, steps: int) -> Any:
    """Return when a pixel would fire if time were continuous, in steps from the first."""
    return (1 - pixels) * (steps - 1)
