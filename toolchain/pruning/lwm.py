"""Least weight magnitude."""

import torch
from torch import Tensor

from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.layers import top_mask
from spikeport.toolchain.pruning.pruner import Learn, Pruner, kept


class Lwm(Pruner, frozen=True, kw_only=True, tag="lwm"):
    """Keep the largest |w| of every layer (Schmolli et al., Eq. 5 and 6)."""

    def masks(self, model: Backbone, sparsity: float, learn: Learn, *, generator: torch.Generator) -> dict[str, Tensor]:
        del learn, generator
        return {
            name: top_mask(synapses.weight.detach().abs(), kept(synapses, sparsity))
            for name, synapses in model.synapses().items()
        }
