"""Robust finetuning of the sparse SNN.

    min_theta E[ CE(f(x), y) + beta max_{x~ in B_eps(x)} D_KL(f(x~) || f(x)) ]        (Eq. 8)
    W <- W - eta (dW * M)                                                             (Eq. 9)

Source: Schmolli et al., CPAL 2025; x~ by random-step FGSM. The forward pass multiplies the weights with the
mask, so gradients are masked; ``keep_sparse`` then removes what weight decay or momentum could leave.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from spikeport.toolchain.attacks.rfgsm import rfgsm
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.training.loop import divergence


def robust_loss(
    model: SNN, *, epsilon: float, beta: float, generator: torch.Generator
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return Eq. 8 as a function of images and labels."""

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        model.eval()
        with torch.no_grad():
            target = model(images)
        attacked = rfgsm(model, images, lambda logits: divergence(logits, target), epsilon=epsilon, generator=generator)
        model.train()
        clean = model(images)
        return functional.cross_entropy(clean, labels) + beta * divergence(model(attacked), clean)

    return loss


@torch.no_grad()
def keep_sparse(model: Backbone) -> None:
    """Set every pruned weight to zero, exactly (Eq. 9)."""
    for synapses in model.synapses().values():
        synapses.weight.mul_(synapses.mask)
