"""Least weight magnitude: keep the largest |w| of every layer (Schmolli et al., Eq. 5 and 6)."""

from torch import Tensor

from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.layers import Synapses, top_mask


def kept(synapses: Synapses, sparsity: float) -> int:
    """Return how many weights a layer keeps under uniform ``sparsity``; at least one."""
    return max(1, round((1 - sparsity) * synapses.weight.numel()))


def masks(model: ANN, sparsity: float) -> dict[str, Tensor]:
    """Return a 0/1 mask per synaptic layer, each with the same ``sparsity``."""
    return {
        name: top_mask(synapses.weight.detach().abs(), kept(synapses, sparsity))
        for name, synapses in model.synapses().items()
    }
