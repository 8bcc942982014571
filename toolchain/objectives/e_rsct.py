"""Efficient randomized smoothing coding training: a teacher's outputs beside the loss of every step."""

from typing import Annotated, ClassVar, Literal

import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn import functional

from spikeport.export.errors import TrainingError
from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.named_models import named
from spikeport.toolchain.objectives.attacked import NotNegative
from spikeport.toolchain.objectives.objective import Loss, Objective
from spikeport.toolchain.objectives.tet import Tet

Name = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,40}$")]
Order = Literal["student||teacher", "teacher||student"]
"""``D_KL(first || second) = sum_c p_first (log p_first - log p_second)``."""


class ERsct(Objective, frozen=True, kw_only=True, tag="e_rsct"):
    """``lambda D_KL(student || teacher) + task``; lambda is ``weight``, 0.1, and the task TET unless another is named.

    ``teacher``: the name of an earlier stage, whose network, an ANN as a rule, stays as it is. It sees the pixels that
    the student's encoder is given, without noise. Hinton et al. have the other ``direction``. Source: Wu et al., ACM
    Multimedia 2024, Eq. 15 and 16, Algorithm 1.
    """

    MODELS: ClassVar = ("teacher",)

    teacher: Name
    weight: NotNegative = 0.1
    direction: Order = "student||teacher"
    task: Objective = Tet()

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Loss:
        teacher = named(self.teacher).to(images.device)
        with torch.no_grad():
            expected = teacher(images)
        loss = self.task(model, images, labels, generator=generator)
        if loss.logits is None:
            raise TrainingError(
                f"the objective {tag_of(self.task)!r} sees no clean images, so nothing can be compared with the "
                'teacher; put it around: kind = "adversarial", task = { kind = "e_rsct", ... }'
            )
        distance = _divergence(loss.logits, expected, self.direction)
        parts = {**(loss.parts or {"task": loss.total}), "teacher": distance}
        return Loss(total=self.weight * distance + loss.total, parts=parts, logits=loss.logits)


def _divergence(student: Tensor, teacher: Tensor, direction: Order) -> Tensor:
    """Return the mean Kullback-Leibler divergence of logits (N, classes), in nats."""
    logs = {
        "student": functional.log_softmax(student.float(), 1),
        "teacher": functional.log_softmax(teacher.float(), 1),
    }
    first, second = (logs[name] for name in direction.split("||"))
    return functional.kl_div(second, first, reduction="batchmean", log_target=True)
