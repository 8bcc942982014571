"""Passes ``FloatNetwork -> FloatNetwork``, one file each; the spikes are the same before and after."""

from export.network import FloatNetwork
from export.passes.fold_normalization import fold_normalization
from export.passes.fold_pooling import fold_pooling


def lowered(network: FloatNetwork) -> FloatNetwork:
    """Return ``network`` with exactly one stage of synapses per projection, as the quantizer expects it."""
    return fold_pooling(fold_normalization(network))
