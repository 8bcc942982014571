"""What every attack is: a frozen object from a model and a batch to images within an epsilon ball."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar, Self

import msgspec
import torch
from torch import Tensor, nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.ascent import Ascent
from spikeport.toolchain.attacks.gradients.gradient import Gradient
from spikeport.toolchain.attacks.gradients.trained import Trained
from spikeport.toolchain.attacks.inputs import check_input, check_network
from spikeport.toolchain.attacks.losses.cross_entropy import CrossEntropy
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.attacks.noise import draws_of
from spikeport.toolchain.choices import Choice, tag_of
from spikeport.toolchain.nn.draws import drawing

Scores = Callable[[Tensor], Tensor]
"""From images (N, ...) to scores (N, classes), floating point or whole numbers."""


@dataclass(frozen=True, kw_only=True)
class Adversarial:
    """Attacked ``images`` (N, C, H, W) in the ball and in [0, 1], and ``success`` (N,): classified wrongly.

    ``queries`` (N,): for an attack without gradients, how often the network was asked for an image's scores.
    """

    images: Tensor
    success: Tensor
    queries: Tensor | None = None


class Attack(Choice, frozen=True, kw_only=True):
    """An attack within the l-infinity ball of radius ``epsilon`` around pixels in [0, 1].

    ``objective`` is what it raises: cross-entropy where nothing is said, or the loss of the training objective that
    uses the attack. ``gradient`` is how the model is differentiated. A subclass says `search`; one whose
    ``NEEDS_GRADIENT`` is False says `perturb`, and runs on any callable from images to scores.
    """

    NEEDS_GRADIENT: ClassVar[bool] = True

    objective: AttackLoss | None = None
    gradient: Gradient = Trained()

    def search(self, ascend: Ascent, images: Tensor, *, epsilon: float, generator: torch.Generator) -> Tensor:
        """Return attacked images that raise the objective; `ascend` gives its gradient at any images."""
        raise NotImplementedError

    def perturb(
        self, model: nn.Module, images: Tensor, labels: Tensor, *, epsilon: float, generator: torch.Generator
    ) -> Tensor:
        """Return the attacked images alone, checked to lie in the ball and in [0, 1].

        Random numbers come from ``generator`` alone; no gradient of a weight is computed. `AttackError` where images or
        ``epsilon`` are not in [0, 1], labels are no classes, the model is in training mode or has no gradient, and
        where it gives NaN.
        """
        check_input(images, labels, epsilon)
        check_network(model, tag_of(self))
        if epsilon == 0:
            return images.detach().clone()
        with drawing(model, lambda: draws_of(generator, len(images))):
            ascend = self._ascent(model, images, labels)
            found = self.search(ascend, images.detach(), epsilon=epsilon, generator=generator)
        return checked(found, images, epsilon, tag_of(self))

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, *, epsilon: float, generator: torch.Generator
    ) -> Adversarial:
        """Return adversarial images for a model from images to logits, and which of them it classifies wrongly."""
        found = self.perturb(model, images, labels, epsilon=epsilon, generator=generator)
        with torch.no_grad(), drawing(model, lambda: draws_of(generator, len(images))):
            return Adversarial(images=found, success=model(found).argmax(1) != labels)

    def raising(self, objective: AttackLoss) -> Self:
        """Return this attack with ``objective``, unless it names its own."""
        return self if self.objective is not None else msgspec.structs.replace(self, objective=objective)

    def stopping(self) -> Self:
        """Return this attack so that it leaves an image as it is once the model classifies it wrongly, if it can."""
        return self

    def through_chance(self) -> Self:
        """Return this attack for a model that draws random numbers: one wrong answer says little of an image."""
        return msgspec.structs.replace(self, keep="objective") if hasattr(self, "keep") else self

    def _ascent(self, model: nn.Module, images: Tensor, labels: Tensor) -> Ascent:
        """Return the objective at hand; clean logits, of the kind that it is given, are computed once."""
        objective = self.objective or CrossEntropy()
        clean = None
        if objective.needs_clean:
            with torch.no_grad(), nullcontext() if self.gradient.own_forward else self.gradient.applied(model):
                clean = model(images)
        return Ascent(
            model=model, gradient=self.gradient, objective=objective, labels=labels, clean=clean, name=tag_of(self)
        )


def ball(images: Tensor, center: Tensor, epsilon: float) -> Tensor:
    """Clip ``images`` to the epsilon ball around ``center`` and to [0, 1]."""
    return torch.clamp(torch.clamp(images, center - epsilon, center + epsilon), 0, 1)


def checked(found: Tensor, images: Tensor, epsilon: float, name: str) -> Tensor:
    """Return ``found``, detached; `AttackError` where a pixel is outside of the ball or [0, 1], or is no number."""
    found = found.detach()
    inside = (found >= images - epsilon) & (found <= images + epsilon) & (found >= 0) & (found <= 1)
    if found.shape != images.shape or not bool(inside.all()):
        raise AttackError(
            f"attack {name!r}: {int((~inside).sum())} pixels of {inside.numel()} lie outside of the ball of radius "
            f"{epsilon:.4g} or of [0, 1], or are no numbers; a search must end in `ball`"
        )
    return found
