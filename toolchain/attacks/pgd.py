"""Projected gradient descent."""

from typing import Annotated, Literal, Self

import msgspec
import torch
from msgspec import Meta
from torch import Tensor

from spikeport.toolchain.attacks.ascent import Ascent
from spikeport.toolchain.attacks.attack import Attack, ball
from spikeport.toolchain.attacks.best import Best, Keep, chosen
from spikeport.toolchain.attacks.gradients.expectation import Expectation
from spikeport.toolchain.attacks.noise import normal, uniform

Count = Annotated[int, Meta(ge=1, le=100_000)]
SMALL_NOISE = 0.001
GONE = 0.25
"""Share of broken images at which the rest becomes a batch of its own: few sizes, which libraries prepare for once."""


class Pgd(Attack, frozen=True, kw_only=True, tag="pgd"):
    """Steps along the sign of the gradient, clipped to the ball after each; the best of all ``restarts``.

        x_0 = clip(x + U(-eps, eps));   x_{k+1} = clip_eps(x_k + step_size eps / steps sign(grad_x L(f(x_k))))

    ``start``: 'uniform' in the ball, 'normal' (0.001 N(0, I), as the code of TRADES does), or 'none'. With several
    restarts an image keeps an end point that is classified wrongly, and of several such the one with the largest
    objective; ``keep = "objective"`` looks at the objective alone. With ``keep = "first"`` an image keeps the first
    point at which the model classifies it wrongly, if one of the ``steps`` passes meets one.

    Source: Madry et al., ICLR 2018; step_size = 2.5 as in Schmolli et al., section 4.2.
    """

    steps: Count = 10
    step_size: Annotated[float, Meta(gt=0, le=1000)] = 2.5
    restarts: Count = 1
    start: Literal["uniform", "normal", "none"] = "uniform"
    keep: Keep = "wrong"

    def search(self, ascend: Ascent, images: Tensor, *, epsilon: float, generator: torch.Generator) -> Tensor:
        found = self._climbed(ascend, images, epsilon, generator)
        if self.restarts == 1:
            return found
        _, objective, wrong = ascend.look(found)
        best = Best(found, wrong, objective, self.keep)
        for _ in range(self.restarts - 1):
            found = self._climbed(ascend, images, epsilon, generator)
            _, objective, wrong = ascend.look(found)
            best.meet(found, wrong, objective)
        return best.images

    def stopping(self) -> Self:
        whole = self.keep == "objective" or isinstance(self.gradient, Expectation)  # one draw says little
        return self if whole else msgspec.structs.replace(self, keep="first")

    def _climbed(self, ascend: Ascent, images: Tensor, epsilon: float, generator: torch.Generator) -> Tensor:
        """Return the end point of one start."""
        attacked = ball(images + self._offset(images, epsilon, generator), images, epsilon)
        if self.keep == "first":
            return self._climbed_while_right(ascend, attacked, images, epsilon)
        for _ in range(self.steps):
            attacked = self._moved(attacked, ascend(attacked)[0], images, epsilon)
        return attacked

    def _moved(self, attacked: Tensor, gradient: Tensor, images: Tensor, epsilon: float) -> Tensor:
        return ball(attacked + self.step_size * epsilon / self.steps * gradient.sign(), images, epsilon)

    def _climbed_while_right(self, ascend: Ascent, attacked: Tensor, images: Tensor, epsilon: float) -> Tensor:
        """Return the first point of each image that is classified wrongly, else the end point."""
        found, rows = attacked.clone(), torch.arange(len(images), device=images.device)
        for _ in range(self.steps):
            gradient, _, wrong = ascend.look(attacked)
            right = ~wrong
            if int(right.sum()) <= (1 - GONE) * len(right):
                found[rows] = attacked
                rows, attacked, gradient, images = (each[right] for each in (rows, attacked, gradient, images))
                ascend, right = ascend.of(right), right[right]
                if not len(rows):
                    return found
            attacked = chosen(right, self._moved(attacked, gradient, images, epsilon), attacked)
        found[rows] = attacked
        return found

    def _offset(self, images: Tensor, epsilon: float, generator: torch.Generator) -> Tensor:
        if self.start == "uniform":
            return epsilon * uniform(images, generator)
        if self.start == "normal":
            return SMALL_NOISE * normal(images, generator)
        return torch.zeros_like(images)
