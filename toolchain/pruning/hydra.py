"""HYDRA: importance scores learned under the adversarial objective, weights frozen."""

import torch
from torch import Tensor

from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.pruning.pruner import Learn, Pruner, kept
from spikeport.toolchain.pruning.scores import finished, frozen_but, start_scores


class Hydra(Pruner, frozen=True, kw_only=True, tag="hydra"):
    """Learn which weights to keep, the same share in every layer.

        min_s E[ max_{x~} L_robust(f(x~; m(s) * theta), y) ]                          (Schmolli et al., Eq. 7)

    Source: Sehwag et al., NeurIPS 2020. Scores start at ``sqrt(6 / fan_in) w / max|w|``; the forward pass keeps the
    top k of |s| in each layer; the gradient passes straight through the mask.
    """

    def masks(self, model: Backbone, sparsity: float, learn: Learn, *, generator: torch.Generator) -> dict[str, Tensor]:
        del generator
        scores = start_scores(model)
        for synapses in model.synapses().values():
            synapses.keep = kept(synapses, sparsity)
        with frozen_but(model, scores):
            learn(scores)
        return finished(model, {name: synapses.keep for name, synapses in model.synapses().items()})

    @property
    def learns(self) -> bool:
        return True
