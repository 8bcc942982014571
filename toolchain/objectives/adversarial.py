"""Adversarial training: the loss of attacked images alone."""

from dataclasses import replace

import msgspec
import torch
from torch import Tensor, nn

from spikeport.toolchain.attacks.losses.cross_entropy import CrossEntropy
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.objectives.attacked import AttackedObjective
from spikeport.toolchain.objectives.objective import Loss, Objective
from spikeport.toolchain.objectives.plain import Plain


class Adversarial(AttackedObjective, frozen=True, kw_only=True, tag="adversarial"):
    """``min_theta E[ max_{x~ in B_eps(x)} CE(f(x~), y) ]``, or another loss of the attacked images, ``task``.

    Source: Madry et al., ICLR 2018; Schmolli et al., Eq. 4. The batch norm sees attacked images only. With the task
    'tet' or 'e_rsct' it is the adversarial training of Wu et al., ACM Multimedia 2024, Table 5.
    """

    task: Objective = Plain()

    def inner(self) -> AttackLoss:
        return CrossEntropy()

    def in_epoch(self, epoch: int, epochs: int) -> Objective:
        return msgspec.structs.replace(self, task=self.task.in_epoch(epoch, epochs))

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Loss:
        attacked = self.attacked(model, images, labels, generator=generator)
        return replace(self.task(model, attacked, labels, generator=generator), logits=None)
