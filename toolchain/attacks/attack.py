"""What every attack is: a frozen object from a model and a batch to images within an epsilon ball."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import msgspec
import torch
from torch import Tensor, nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.gradients.gradient import Gradient, PerImage
from spikeport.toolchain.attacks.gradients.trained import Trained
from spikeport.toolchain.attacks.losses.cross_entropy import CrossEntropy
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.choices import Choice, tag_of

Ascent = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From images to the gradient of the objective by them, and to the objective (N,)."""


class NaNError(AttackError):
    """The attacked model gives NaN, or its gradient by the pixels is NaN."""


@dataclass(frozen=True, kw_only=True)
class Adversarial:
    """Attacked ``images`` (N, C, H, W) in the ball and in [0, 1], and ``success`` (N,): classified wrongly."""

    images: Tensor
    success: Tensor


class Attack(Choice, frozen=True, kw_only=True):
    """An attack within the l-infinity ball of radius ``epsilon`` around pixels in [0, 1].

    ``objective`` is what it raises: cross-entropy where nothing is said, or the loss of the training objective that
    uses the attack. ``gradient`` is how the model is differentiated. A subclass says `search`.
    """

    objective: AttackLoss | None = None
    gradient: Gradient = Trained()

    def search(self, ascend: Ascent, images: Tensor, *, epsilon: float, generator: torch.Generator) -> Tensor:
        """Return attacked images that raise the objective; `ascend` gives its gradient at any images."""
        raise NotImplementedError

    def perturb(
        self, model: nn.Module, images: Tensor, labels: Tensor, *, epsilon: float, generator: torch.Generator
    ) -> Tensor:
        """Return the attacked images alone, checked to lie in the ball and in [0, 1].

        The model's mode is as the caller set it; random numbers come from ``generator`` alone; no gradient of a weight
        is computed. `AttackError` where images or ``epsilon`` are not in [0, 1], and where the model gives NaN.
        """
        _check(images, labels, epsilon)
        if epsilon == 0:
            return images.detach().clone()
        loss = self._bound(model, images, labels)

        def ascend(at: Tensor) -> tuple[Tensor, Tensor]:
            gradient, losses = self.gradient(model, at, loss)
            if bool(gradient.isnan().any() | losses.isnan().any()):
                raise NaNError(f"attack {tag_of(self)!r}: the model's loss or its gradient by the pixels is NaN")
            return gradient, losses

        found = self.search(ascend, images.detach(), epsilon=epsilon, generator=generator)
        return checked(found, images, epsilon, tag_of(self))

    def __call__(
        self, model: nn.Module, images: Tensor, labels: Tensor, *, epsilon: float, generator: torch.Generator
    ) -> Adversarial:
        """Return adversarial images for a model from images to logits, and which of them it classifies wrongly."""
        found = self.perturb(model, images, labels, epsilon=epsilon, generator=generator)
        with torch.no_grad():
            return Adversarial(images=found, success=model(found).argmax(1) != labels)

    def raising(self, objective: AttackLoss) -> Self:
        """Return this attack with ``objective``, unless it names its own."""
        return self if self.objective is not None else msgspec.structs.replace(self, objective=objective)

    def _bound(self, model: nn.Module, images: Tensor, labels: Tensor) -> PerImage:
        """Return the objective of logits alone; the clean logits are computed once, where it needs them."""
        objective = self.objective or CrossEntropy()
        clean = None
        if objective.needs_clean:
            with torch.no_grad():
                clean = model(images)
        return lambda logits: objective(logits, labels, clean)


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


def _check(images: Tensor, labels: Tensor, epsilon: float) -> None:
    if not 0 <= epsilon <= 1:
        raise AttackError(f"epsilon is {epsilon}; expected 0 to 1 (8/255 is 8 pixel levels)")
    if not images.is_floating_point() or len(images) != len(labels):
        raise AttackError(
            f"found images {images.dtype} {tuple(images.shape)} and labels {tuple(labels.shape)}; expected float "
            "images (N, ...) and labels (N,)"
        )
    if len(images) and not (images.amin() >= 0 and images.amax() <= 1):
        raise AttackError(
            f"images reach from {float(images.amin()):.4g} to {float(images.amax()):.4g}; expected pixels in [0, 1]"
        )
