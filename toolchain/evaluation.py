"""Clean and robust accuracy of PyTorch networks."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeport.toolchain.attacks.pgd import Loss, pgd


def attacked(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    steps: int,
    generator: torch.Generator,
    batch_size: int = 250,
) -> Tensor:
    """Return PGD adversarial images (cross-entropy, white box) for a model in evaluation mode."""
    model.eval()
    parts = []
    for rows in torch.split(torch.arange(len(images)), batch_size):
        loss = _cross_entropy(labels[rows])
        parts.append(pgd(model, images[rows], loss, epsilon=epsilon, steps=steps, generator=generator))
    return torch.cat(parts)


def _cross_entropy(labels: Tensor) -> Loss:
    return lambda logits: functional.cross_entropy(logits, labels, reduction="sum")
