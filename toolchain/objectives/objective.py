"""What every training objective is: a frozen object from a model and a batch to a loss with its parts named."""

from dataclasses import dataclass, field
from typing import ClassVar

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
    """A loss of a model on pixels (N, C, H, W) in [0, 1] with labels (N,); ``SPIKING``: it takes no ANN."""

    SPIKING: ClassVar[bool] = False

    def base(self) -> "Objective":
        """Return the objective that this one adds to, at the end of the chain; itself where it adds to none."""
        return self

    def in_epoch(self, epoch: int, epochs: int) -> "Objective":
        """Return what is minimised in an epoch, from 1 to ``epochs``; all that an objective may know of time."""
        del epoch, epochs
        return self

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Loss:
        """Return the loss; the model comes and goes in training mode."""
        raise NotImplementedError
