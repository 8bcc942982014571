"""Robust finetuning of spiking networks by Eq. 8."""

import torch
from torch import Tensor, nn

from spikeport.toolchain.attacks.attack import Attack
from spikeport.toolchain.attacks.losses.divergence import Direction, Divergence
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.attacks.rfgsm import Rfgsm
from spikeport.toolchain.objectives.attacked import AttackedObjective, NotNegative
from spikeport.toolchain.objectives.objective import Loss
from spikeport.toolchain.objectives.trades import regularized


class RobustKl(AttackedObjective, frozen=True, kw_only=True, tag="robust_kl"):
    """``min_theta E[ CE(f(x), y) + beta max_{x~ in B_eps(x)} D_KL(f(x~) || f(x)) ]``.

    Source: Schmolli et al., CPAL 2025, Eq. 8, with random-step FGSM in the inner maximisation and beta = 2. The code of
    its predecessor has the other ``direction``.
    """

    attack: Attack = Rfgsm()
    beta: NotNegative = 2.0
    direction: Direction = "attacked||clean"

    def inner(self) -> AttackLoss:
        return Divergence(direction=self.direction)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Loss:
        attacked = self.attacked(model, images, labels, generator=generator)
        return regularized(model, images, attacked, labels, self.beta, self.direction)
