"""Adversarial training: cross-entropy of attacked images alone."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeport.toolchain.attacks.losses.cross_entropy import CrossEntropy
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.objectives.attacked import AttackedObjective
from spikeport.toolchain.objectives.objective import Loss


class Adversarial(AttackedObjective, frozen=True, kw_only=True, tag="adversarial"):
    """``min_theta E[ max_{x~ in B_eps(x)} CE(f(x~), y) ]``.

    Source: Madry et al., ICLR 2018; Schmolli et al., Eq. 4. The batch norm sees attacked images only.
    """

    def inner(self) -> AttackLoss:
        return CrossEntropy()

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Loss:
        attacked = self.attacked(model, images, labels, generator=generator)
        return Loss(total=functional.cross_entropy(model(attacked).float(), labels))
