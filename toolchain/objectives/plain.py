"""Cross-entropy of clean images."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeport.toolchain.objectives.objective import Loss, Objective


class Plain(Objective, frozen=True, kw_only=True, tag="plain"):
    """``min_theta E[ CE(f(x), y) ]``: training without a defence."""

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Loss:
        del generator
        logits = model(images)
        return Loss(total=functional.cross_entropy(logits.float(), labels), logits=logits)
