"""What every training objective is: a frozen object from a model and a batch to a loss with its parts named."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from spikeport.toolchain.choices import Choice


@dataclass(frozen=True, kw_only=True)
class Loss:
    """``total`` is minimised, a scalar; ``parts`` are its terms by name; ``logits`` are of the clean images."""

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)
    logits: Tensor | None = None


class Objective(Choice, frozen=True, kw_only=True):
    """A loss of a model on pixels (N, C, H, W) in [0, 1] with labels (N,)."""

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Loss:
        """Return the loss; the model comes and goes in training mode."""
        raise NotImplementedError
