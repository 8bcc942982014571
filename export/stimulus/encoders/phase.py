"""Phase coding: the bits of a pixel, most significant first, as spikes with the weights of the bits."""

from typing import Any

import numpy as np

from spikeport.export.network import Array

BITS = 8
LEVELS = 2**BITS - 1
NOTE = (
    f"phase: {BITS} steps bring each pixel once, as spikes of weight 2^-1, 2^-2, ...: 1 / {BITS} a step of what a held "
    "image brings, so a network that was trained with held images fires less; give it more steps or train it so. With "
    f"a number of steps that is no multiple of {BITS}, the last period lacks its smallest bits"
)


def encode(pixels: Array, steps: int, generator: np.random.Generator) -> Array:  # noqa: ARG001 - nothing is drawn
    """Return ``b_k 2^(K-1-k)`` in phase ``k = t mod K`` for the bits b of ``x (2^K - 1)``, to the nearest, K = 8.

    Weighted spikes (Kim et al., Neurocomputing 2018): the spike of phase k weighs ``2^-(k+1)``. A network of plain
    spikes has no weight that changes with the phase, so the source sends it: levels 128, 64, ..., 1 of 255, whose sum
    over a period is the pixel (a sum of ``2^-(k+1)`` would reach 255/256 only).
    """
    weight = weights(steps).reshape(-1, *[1] * pixels.ndim)
    sent: Array = (bit(pixels, weight) * weight).astype(np.uint8)
    return sent


def weights(steps: int) -> Array:
    """Return the weight of every step, in levels: 128, 64, ..., 1, and again."""
    found: Array = 1 << (BITS - 1 - np.arange(steps) % BITS)
    return found


def bit(pixels: Any, weight: Any) -> Any:
    """Return the bit, 0 or 1, that has ``weight`` in a pixel's level; arrays of numpy or tensors of PyTorch."""
    return (pixels * LEVELS + 0.5) // 1 // weight % 2
