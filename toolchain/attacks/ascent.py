"""What an attack with gradients climbs: the objective of a batch, its gradient, and what is classified wrongly."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from spikeport.toolchain.attacks.gradients.gradient import Gradient
from spikeport.toolchain.attacks.inputs import NaNError, check_labels
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.nn.draws import rows_of


@dataclass(frozen=True, kw_only=True)
class Ascent:
    """The objective of a batch under ``model``, at any images; ``clean`` (N, classes) where the objective needs it.

    ``rows``: which images of the batch these are, all if None; a random network draws for each its own numbers.
    """

    model: nn.Module
    gradient: Gradient
    objective: AttackLoss
    labels: Tensor
    clean: Tensor | None
    name: str
    rows: Tensor | None = None

    def __call__(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient of the objective by the images ``at``, and the objective (N,)."""
        gradient, losses, _ = self._looked(at)
        return gradient, losses

    def look(self, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradient, the objective (N,), and which images (N,) the model itself classifies wrongly."""
        gradient, losses, logits = self._looked(at)
        return gradient, losses, self.wrong(at) if logits is None else logits.argmax(1) != self.labels

    @torch.no_grad()
    def wrong(self, at: Tensor) -> Tensor:
        """Return which images (N,) the model classifies wrongly, by a forward pass of its own."""
        with rows_of(self.model, self.rows):
            logits: Tensor = self.model(at)
        check_labels(self.labels, logits)
        return logits.argmax(1) != self.labels

    def of(self, rows: Tensor) -> Self:
        """Return the same for some images of the batch."""
        clean = None if self.clean is None else self.clean[rows]
        before = torch.arange(len(self.labels), device=self.labels.device) if self.rows is None else self.rows
        return replace(self, labels=self.labels[rows], clean=clean, rows=before[rows])

    def raising(self, objective: AttackLoss) -> Self:
        """Return the same for another objective, which needs clean logits only where this one does."""
        return replace(self, objective=objective)

    def _looked(self, at: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return gradient, objective, and the model's logits where the gradient computes them."""
        seen: list[Tensor] = []

        def loss(logits: Tensor) -> Tensor:
            check_labels(self.labels, logits)
            seen.append(logits.detach())
            return self.objective(logits, self.labels, self.clean)

        with torch.enable_grad(), rows_of(self.model, self.rows):
            gradient, losses = self.gradient(self.model, at, loss)
        if bool(gradient.isnan().any() | losses.isnan().any()):
            raise NaNError(f"attack {self.name!r}: the model's loss or its gradient by the pixels is NaN")
        return gradient, losses, seen[-1] if self.gradient.own_forward else None
