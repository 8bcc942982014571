"""What every attack is: a frozen object from a model and a batch to images within an epsilon ball."""

from dataclasses import dataclass
from typing import ClassVar, Self

import msgspec
import torch
from torch import Tensor, nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.gradients.gradient import Gradient
from spikeport.toolchain.attacks.gradients.trained import Trained
from spikeport.toolchain.attacks.losses.cross_entropy import CrossEntropy
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.choices import Choice, tag_of


class Ascent:
    """From images to the gradient of the objective by them, and to the objective (N,)."""

    def __init__(self, attack: "Attack", model: nn.Module, labels: Tensor, clean: Tensor | None) -> None:
        self.attack, self.model, self.labels, self.clean = attack, model, labels, clean

    def __call__(self, at: Tensor) -> tuple[Tensor, Tensor]:
        gradient, losses, _ = self._looked(at)
        return gradient, losses

    def look(self, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradient, the objective (N,), and which images (N,) the model itself classifies wrongly."""
        gradient, losses, logits = self._looked(at)
        if not self.attack.gradient.own_forward:
            with torch.no_grad():
                logits = self.model(at)
        return gradient, losses, logits.argmax(1) != self.labels

    def of(self, rows: Tensor) -> "Ascent":
        """Return the same for some images of the batch: a mask, or their numbers."""
        return Ascent(self.attack, self.model, self.labels[rows], None if self.clean is None else self.clean[rows])

    def _looked(self, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen: list[Tensor] = []
        objective = self.attack.objective or CrossEntropy()

        def loss(logits: Tensor) -> Tensor:
            seen.append(logits.detach())
            return objective(logits, self.labels, self.clean)

        gradient, losses = self.attack.gradient(self.model, at, loss)
        if bool(gradient.isnan().any() | losses.isnan().any()):
            name = tag_of(self.attack)
            raise AttackError(f"attack {name!r}: the model's loss or its gradient by the pixels is NaN")
        return gradient, losses, seen[-1]


@dataclass(frozen=True, kw_only=True)
class Adversarial:
    """Attacked ``images`` (N, C, H, W) in the ball and in [0, 1], and ``success`` (N,): classified wrongly."""

    images: Tensor
    success: Tensor


class Attack(Choice, frozen=True, kw_only=True):
    """An attack within the l-infinity ball of radius ``epsilon`` around pixels in [0, 1].

    ``objective`` is what it raises: cross-entropy where nothing is said, or the loss of the training objective that
    uses the attack. ``gradient`` is how the model is differentiated. A subclass says `search`. ``NEEDS_GRADIENT`` is
    False where an attack asks a model for scores alone.
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

        The model's mode is as the caller set it; random numbers come from ``generator`` alone; no gradient of a weight
        is computed. `AttackError` where images or ``epsilon`` are not in [0, 1], and where the model gives NaN.
        """
        _check(images, labels, epsilon)
        if epsilon == 0:
            return images.detach().clone()
        ascend = Ascent(self, model, labels, self._clean(model, images))
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

    def stopping(self) -> Self:
        """Return this attack so that it leaves an image as it is once the model classifies it wrongly, if it can."""
        return self

    def _clean(self, model: nn.Module, images: Tensor) -> Tensor | None:
        """Return the logits of the clean images, once, where the objective needs them."""
        if self.objective is None or not self.objective.needs_clean:
            return None
        with torch.no_grad():
            clean: Tensor = model(images)
        return clean


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
