"""TRADES: cross-entropy of clean images, and the divergence of the outputs under attack."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeport.toolchain.attacks.losses.divergence import Direction, Divergence, divergence
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.objectives.attacked import AttackedObjective, NotNegative
from spikeport.toolchain.objectives.objective import Loss


class Trades(AttackedObjective, frozen=True, kw_only=True, tag="trades"):
    """``min_theta E[ CE(f(x), y) + lambda max_{x~ in B_eps(x)} D_KL(f(x) || f(x~)) ]``; lambda is ``regularization``.

    Source: Zhang et al., ICML 2019; Schmolli et al., section 4.1 (10-step PGD, lambda = 2). The gradient passes through
    both outputs of the divergence; the attack takes the clean one as a constant.
    """

    regularization: NotNegative = 2.0
    direction: Direction = "clean||attacked"

    def inner(self) -> AttackLoss:
        return Divergence(direction=self.direction)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Loss:
        attacked = self.attacked(model, images, labels, generator=generator)
        return regularized(model, images, attacked, labels, self.regularization, self.direction)


def regularized(
    model: nn.Module, images: Tensor, attacked: Tensor, labels: Tensor, weight: float, direction: Direction
) -> Loss:
    """Return ``CE(f(x), y) + weight D_KL`` of a clean and an attacked batch, each normalised by its own statistics."""
    clean = model(images)
    parts = {
        "clean": functional.cross_entropy(clean.float(), labels),
        "divergence": divergence(model(attacked), clean, direction).mean(),
    }
    return Loss(total=parts["clean"] + weight * parts["divergence"], parts=parts, logits=clean)
