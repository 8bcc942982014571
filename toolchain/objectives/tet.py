"""Temporal efficient training: the loss of every step's output, in place of that of their mean."""

from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.nn import functional

from spikeport.export.errors import TrainingError
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.objectives.objective import Loss, Objective


class Tet(Objective, frozen=True, kw_only=True, tag="tet"):
    """``(1 - lambda) 1/T sum_t CE(o_t, y) + lambda mean((o_t - target)^2)``; lambda is ``regularization``.

    ``o_t`` is what the readout gets in step t; the logits are their mean. Source: Deng et al., ICLR 2022 (TET); the
    pre-synaptic loss of Wu et al., ACM Multimedia 2024, section 3.5, which names no second term: lambda = 0.
    """

    SPIKING: ClassVar[bool] = True

    regularization: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    target: Annotated[float, Meta(ge=-1e6, le=1e6)] = 1.0

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, *, generator: torch.Generator) -> Loss:
        del generator
        if not isinstance(model, SNN):
            raise TrainingError(
                f"the objective 'tet' is of the steps of a spiking network, not of {type(model).__name__}; set model "
                '= "snn", or use kind = "plain"'
            )
        outputs = model.outputs(images).float()
        steps = functional.cross_entropy(outputs.flatten(0, 1), labels.repeat(len(outputs)))
        if not self.regularization:
            return Loss(total=steps, logits=outputs.mean(0))
        parts = {"steps": steps, "regularization": (outputs - self.target).square().mean()}
        total = (1 - self.regularization) * parts["steps"] + self.regularization * parts["regularization"]
        return Loss(total=total, parts=parts, logits=outputs.mean(0))
