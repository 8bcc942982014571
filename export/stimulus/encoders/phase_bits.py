"""Phase coding for chips whose spikes carry no number: the bit of each phase has a channel of its own.

A network that was trained with phase coding is lowered to this form (`spikeport.toolchain.lowering`): the weight of a
phase, 128, 64, ..., 1 of 255, is part of its channel's synapses, as an exponent of integer weights.
"""

import numpy as np

from spikeport.export.network import Array
from spikeport.export.stimulus.encoders.phase import BITS, bit, weights

LEVELS = 1
CHANNELS = BITS
ANY_NETWORK = False
NOTE = f"phase_bits: bit k of a pixel is a spike in channel k C + c, in the steps k, k + {BITS}, ..."


def encode(pixels: Array, steps: int, generator: np.random.Generator) -> Array:  # noqa: ARG001 - nothing is drawn
    """Return (T, K C, ...) for pixels (C, ...): ``b_k`` of channel c in channel ``k C + c`` where ``k = t mod K``.

    The bits and their order are those of `phase`.
    """
    channels = len(pixels)
    sent = np.zeros((steps, BITS, *pixels.shape), np.uint8)
    for step, weight in enumerate(weights(steps)):
        sent[step, step % BITS] = bit(pixels, weight)
    return sent.reshape(steps, BITS * channels, *pixels.shape[1:])
