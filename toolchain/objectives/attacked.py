"""What objectives on attacked images share: an attack, its epsilon, and the model's mode while it runs."""

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

from spikeport.toolchain.attacks.attack import Attack
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.data.dataset import LEVEL
from spikeport.toolchain.objectives.objective import Objective

Levels = Annotated[float, Meta(ge=0, le=255)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]


class AttackedObjective(Objective, frozen=True, kw_only=True):
    """An objective that attacks every batch within ``epsilon`` pixel levels (8 is 8/255).

    The attack sees the model in evaluation mode, and raises what `inner` says unless it names an objective of its own.
    """

    epsilon: Levels = 8
    attack: Attack = Pgd()

    def inner(self) -> AttackLoss:
        """Return what the inner maximisation raises."""
        raise NotImplementedError

    def attacked(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return attacked images; the model goes to training mode afterwards."""
        model.eval()
        attack = self.attack.raising(self.inner())
        found = attack.perturb(model, images, labels, epsilon=self.epsilon * LEVEL, generator=generator)
        model.train()
        return found
