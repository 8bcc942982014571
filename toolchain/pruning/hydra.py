"""HYDRA: importance scores learned under the adversarial objective, weights frozen."""

import math

import torch
from torch import Tensor, nn

from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.layers import Synapses, top_mask
from spikeport.toolchain.pruning.pruner import Learn, Pruner, kept


class Hydra(Pruner, frozen=True, kw_only=True, tag="hydra"):
    """Learn which weights to keep, the same share in every layer.

        min_s E[ max_{x~} L_robust(f(x~; m(s) * theta), y) ]                          (Schmolli et al., Eq. 7)

    Source: Sehwag et al., NeurIPS 2020. Scores start at ``sqrt(6 / fan_in) w / max|w|``; the forward pass keeps the
    top k of |s| in each layer; the gradient passes straight through the mask.
    """

    def masks(self, model: Backbone, sparsity: float, learn: Learn, *, generator: torch.Generator) -> dict[str, Tensor]:
        del generator
        scores = start_scores(model, sparsity)
        weights = [parameter for parameter in model.parameters() if not any(parameter is each for each in scores)]
        trained = [weight for weight in weights if weight.requires_grad]
        for weight in trained:
            weight.requires_grad_(False)
        try:
            learn(scores)
            return {name: _finish(synapses) for name, synapses in model.synapses().items()}
        finally:
            for weight in trained:
                weight.requires_grad_()

    @property
    def learns(self) -> bool:
        return True


def start_scores(model: Backbone, sparsity: float) -> list[nn.Parameter]:
    """Give every synaptic layer its scores and return them."""
    return [_start(synapses, sparsity) for synapses in model.synapses().values()]


def _start(synapses: Synapses, sparsity: float) -> nn.Parameter:
    weight = synapses.weight.detach()
    fan_in = weight[0].numel()
    synapses.scores = nn.Parameter(math.sqrt(6 / fan_in) * weight / weight.abs().max())
    synapses.keep = kept(synapses, sparsity)
    return synapses.scores


@torch.no_grad()
def _finish(synapses: Synapses) -> Tensor:
    assert synapses.scores is not None
    mask = top_mask(synapses.scores.abs(), synapses.keep)
    synapses.scores = None
    return mask
