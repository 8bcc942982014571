"""Random-step FGSM.

    x' = clip(x + alpha sign(N(0, I)));   x~ = clip_eps(x' + (eps - alpha) sign(grad L(f(x'))))

Source: Tramer et al., ICLR 2018; alpha = eps / 4 as in the training runs of Schmolli et al.
"""

import torch
from torch import Tensor, nn

from spikeport.toolchain.attacks.pgd import Loss, ascent, ball


def rfgsm(model: nn.Module, images: Tensor, loss: Loss, *, epsilon: float, generator: torch.Generator) -> Tensor:
    """Return adversarial images (N, C, H, W) after one random and one gradient step."""
    alpha = epsilon / 4
    noise = torch.empty_like(images).normal_(generator=generator)
    started = ball(images + alpha * noise.sign(), images, epsilon)
    moved = started + (epsilon - alpha) * ascent(model, started, loss)
    return ball(moved, images, epsilon).detach()
