"""Adversarial training of the ANN by TRADES.

    min_theta E[ CE(f(x), y) + lambda max_{x~ in B_eps(x)} D_KL(f(x) || f(x~)) ]

Source: Zhang et al., ICML 2019; used by Schmolli et al., section 4.1 (10-step PGD, lambda = 2).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeport.toolchain.attacks.pgd import pgd
from spikeport.toolchain.training.loop import divergence


def trades(
    model: nn.Module, *, epsilon: float, steps: int, regularization: float, generator: torch.Generator
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the TRADES loss as a function of images and labels; the attack runs in evaluation mode."""

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        model.eval()
        with torch.no_grad():
            target = model(images)
        attacked = pgd(
            model, images, lambda logits: divergence(target, logits), epsilon=epsilon, steps=steps, generator=generator
        )
        model.train()
        clean = model(images)
        return functional.cross_entropy(clean, labels) + regularization * divergence(clean, model(attacked))

    return loss
