"""Margin of the strongest wrong class over the label."""

import torch
from torch import Tensor

from spikeport.toolchain.attacks.losses.loss import AttackLoss


class Margin(AttackLoss, frozen=True, kw_only=True, tag="margin"):
    """``max over other classes of logits - logits[label]``: above 0 where the image is classified wrongly.

    Source: Carlini and Wagner, IEEE S&P 2017, with confidence 0 and without the clamp.
    """

    def __call__(self, logits: Tensor, labels: Tensor, clean: Tensor | None = None) -> Tensor:
        del clean
        chosen = labels[:, None]
        others = logits.scatter(1, chosen, -torch.inf).amax(1)
        return others - logits.gather(1, chosen)[:, 0]
