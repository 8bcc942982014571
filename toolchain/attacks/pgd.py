"""Projected gradient descent.

    x_0 = clip(x + U(-eps, eps));   x_{k+1} = clip_eps(x_k + alpha sign(grad_x L(f(x_k))))

Source: Madry et al., ICLR 2018; alpha = 2.5 eps / steps as in Schmolli et al., section 4.2.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor], Tensor]


def ball(images: Tensor, center: Tensor, epsilon: float) -> Tensor:
    """Clip ``images`` to the epsilon ball around ``center`` and to [0, 1]."""
    return torch.clamp(torch.clamp(images, center - epsilon, center + epsilon), 0, 1)


def ascent(model: nn.Module, images: Tensor, loss: Loss) -> Tensor:
    """Return the sign of the gradient of ``loss(model(images))`` with respect to the images."""
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(model(images)), images)
    return gradient.sign()


def pgd(
    model: nn.Module, images: Tensor, loss: Loss, *, epsilon: float, steps: int, generator: torch.Generator
) -> Tensor:
    """Return adversarial images (N, C, H, W) that raise ``loss`` of the model's logits."""
    start = torch.empty_like(images).uniform_(-epsilon, epsilon, generator=generator)
    attacked = ball(images + start, images, epsilon)
    for _ in range(steps):
        moved = attacked + 2.5 * epsilon / steps * ascent(model, attacked, loss)
        attacked = ball(moved, images, epsilon)
    return attacked.detach()
