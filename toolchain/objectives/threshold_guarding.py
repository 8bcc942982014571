"""Threshold Guarding Optimization: any objective, and a penalty on potentials near their thresholds."""

from dataclasses import replace
from typing import Annotated, ClassVar

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn

from spikeport.export.errors import RecipeError, TrainingError
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.objectives.attacked import NotNegative
from spikeport.toolchain.objectives.objective import Loss, Objective
from spikeport.toolchain.objectives.plain import Plain

Margin = Annotated[float, Meta(gt=0, le=100)]
Share = Annotated[float, Meta(ge=0, le=1)]


class ThresholdGuarding(Objective, frozen=True, kw_only=True, tag="threshold_guarding"):
    """``min_theta task + lambda_e sum_l C(V_l)``, ``C(V_l) = 1 / (T N) sum max(0, delta - |V(t-) / V_th - 1|)``.

    Source: arXiv:2602.20548 (ICLR 2026), Eq. 12 and 13; delta is ``margin``, in units of each population's threshold.
    lambda rises linearly over the share ``ramp`` of the epochs, ``lambda_e = weight min(1, e / (ramp E))`` in epoch e
    of E, because a large one hurts the first epochs; ``ramp = 0``: the same in all.

    C is that of the passes that the task makes in training mode, no further one, and their mean: of clean and attacked
    images for `trades`, `mart` and `robust_kl`, of attacked ones for `adversarial`. An attack searches in evaluation
    mode, which is neither guarded nor noisy. The loss's parts are those of the task, ``task`` (its total), ``guarding``
    (the sum of C) and ``guarding_weight`` (lambda_e).
    """

    SPIKING: ClassVar = True

    task: Objective = Plain()
    margin: Margin = 0.2
    weight: NotNegative = 1.0
    ramp: Share = 0.5

    def __post_init__(self) -> None:
        if isinstance(self.task.base(), ThresholdGuarding) or isinstance(self.task, ThresholdGuarding):
            raise RecipeError("threshold_guarding: its task is threshold_guarding, too; name the objective to guard")

    def base(self) -> Objective:
        return self.task.base()

    def in_epoch(self, epoch: int, epochs: int) -> Objective:
        share = 1.0 if self.ramp == 0 else min(1.0, epoch / (self.ramp * epochs))
        task = self.task.in_epoch(epoch, epochs)
        return msgspec.structs.replace(self, task=task, weight=self.weight * share, ramp=0.0)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Loss:
        if not isinstance(model, SNN):
            raise TrainingError(f"threshold_guarding needs potentials, which {type(model).__name__} has none of")
        with model.guard(self.margin) as guard:
            loss = self.task(model, images, labels, generator=generator)
        guarding = guard.penalty()
        parts = {"task": loss.total, "guarding": guarding, "guarding_weight": guarding.new_tensor(self.weight)}
        return replace(loss, total=loss.total + self.weight * guarding, parts={**loss.parts, **parts})
