"""What every attack is: a frozen object from a model and a batch to images within an epsilon ball."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikeport.toolchain.choices import Choice


@dataclass(frozen=True, kw_only=True)
class Adversarial:
    """Attacked ``images`` (N, C, H, W) in the ball and in [0, 1], and ``success`` (N,): classified wrongly."""

    images: Tensor
    success: Tensor


class Attack(Choice, frozen=True, kw_only=True):
    """An attack within the l-infinity ball of radius ``epsilon`` around pixels in [0, 1]."""

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, *, epsilon: float, generator: torch.Generator
    ) -> Adversarial:
        """Return adversarial images for a model from images to logits; its mode is as the caller set it."""
        raise NotImplementedError
