"""Clean and robust accuracy of PyTorch networks."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from toolchain.attacks.pgd import pgd


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
    return torch.cat(
        [
            pgd(
                model,
                part,
                lambda logits, target=target: functional.cross_entropy(logits, target, reduction="sum"),
                epsilon=epsilon,
                steps=steps,
                generator=generator,
            )
            for part, target in zip(images.split(batch_size), labels.split(batch_size), strict=True)
        ]
    )
