"""Random connectivity."""

import torch
from torch import Tensor

from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.layers import top_mask
from spikeport.toolchain.pruning.pruner import Learn, Pruner, kept


class Random(Pruner, frozen=True, kw_only=True, tag="random"):
    """Keep weights of every layer that are drawn uniformly, without replacement.

    The baseline of Schmolli et al., section 4.1: sparse end-to-end training with a static random connectivity.
    """

    def masks(self, model: Backbone, sparsity: float, learn: Learn, *, generator: torch.Generator) -> dict[str, Tensor]:
        del learn
        masks = {}
        for name, synapses in model.synapses().items():
            order = torch.randperm(synapses.weight.numel(), generator=generator).view(synapses.weight.shape)
            masks[name] = top_mask(order, kept(synapses, sparsity)).to(synapses.weight)
        return masks
