"""MART: boosted cross-entropy of attacked images, and a divergence that counts more where the clean image is missed."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeport.toolchain.attacks.losses.cross_entropy import CrossEntropy
from spikeport.toolchain.attacks.losses.divergence import divergence
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.objectives.attacked import AttackedObjective, NotNegative
from spikeport.toolchain.objectives.objective import Loss


class Mart(AttackedObjective, frozen=True, kw_only=True, tag="mart"):
    """``min_theta E[ BCE(f(x~), y) + lambda (1 - p_y(x)) D_KL(f(x) || f(x~)) ]``; lambda is ``regularization``.

        BCE(f(x~), y) = -log p_y(x~) - log(1 - max_{k != y} p_k(x~)),    x~ = argmax_{B_eps(x)} CE(f(x~), y)

    Source: Wang et al., ICLR 2020 (10-step PGD, lambda = 5). Gradients pass through every probability.
    """

    regularization: NotNegative = 5.0

    def inner(self) -> AttackLoss:
        return CrossEntropy()

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Loss:
        attacked = self.attacked(model, images, labels, generator=generator)
        return mart(model(images), model(attacked), labels, self.regularization)


def mart(clean: Tensor, attacked: Tensor, labels: Tensor, weight: float) -> Loss:
    """Return the loss of the logits (N, classes) of clean and attacked images.

    ``log(1 - p_k)`` is the log-sum-exp of all other logits minus that of all, finite for any margin.
    """
    chosen = labels[:, None]
    missed = 1 - functional.softmax(clean.float(), 1).gather(1, chosen)[:, 0]
    parts = {
        "boosted": functional.cross_entropy(attacked.float(), labels) + _margin(attacked.float(), chosen).mean(),
        "divergence": (missed * divergence(attacked, clean, "clean||attacked")).mean(),
    }
    return Loss(total=parts["boosted"] + weight * parts["divergence"], parts=parts, logits=clean)


def _margin(logits: Tensor, chosen: Tensor) -> Tensor:
    """Return ``-log(1 - max_{k != y} p_k)`` (N,)."""
    strongest = logits.detach().scatter(1, chosen, -torch.inf).argmax(1, keepdim=True)
    others = logits.scatter(1, strongest, -torch.inf)
    return logits.logsumexp(1) - others.logsumexp(1)
