"""Margin of the strongest wrong class over the label."""

import torch
from torch import Tensor

from spikeport.toolchain.attacks.losses.loss import AttackLoss


class Margin(AttackLoss, frozen=True, kw_only=True, tag="margin"):
    """``max over other classes of logits - logits[label]``: above 0 where the image is classified wrongly.

    Scores that are whole numbers give whole numbers, exactly. At 0 the label shares the largest score, and the class
    with the lowest number is chosen, as `argmax` does.

    Source: Carlini and Wagner, IEEE S&P 2017, with confidence 0 and without the clamp.
    """

    def __call__(self, logits: Tensor, labels: Tensor, clean: Tensor | None = None) -> Tensor:
        del clean
        return margin(logits, labels)


def margin(scores: Tensor, labels: Tensor) -> Tensor:
    """Return how far the largest score (N, classes) of another class is above the label's (N,), in the scores' type."""
    chosen = labels[:, None]
    lowest = -torch.inf if scores.is_floating_point() else torch.iinfo(scores.dtype).min
    return scores.scatter(1, chosen, lowest).amax(1) - scores.gather(1, chosen)[:, 0]
