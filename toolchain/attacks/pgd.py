"""Projected gradient descent."""

from typing import Annotated, Literal

import torch
from msgspec import Meta
from torch import Tensor

from spikeport.toolchain.attacks.ascent import Ascent
from spikeport.toolchain.attacks.attack import Attack, ball
from spikeport.toolchain.attacks.best import Best, Keep
from spikeport.toolchain.attacks.noise import normal, uniform

Count = Annotated[int, Meta(ge=1, le=100_000)]
SMALL_NOISE = 0.001


class Pgd(Attack, frozen=True, kw_only=True, tag="pgd"):
    """Steps along the sign of the gradient, clipped to the ball after each; the best of all ``restarts``.

        x_0 = clip(x + U(-eps, eps));   x_{k+1} = clip_eps(x_k + step_size eps / steps sign(grad_x L(f(x_k))))

    ``start``: 'uniform' in the ball, 'normal' (0.001 N(0, I), as the code of TRADES does), or 'none'. With several
    restarts an image keeps an end point that is classified wrongly, and of several such the one with the largest
    objective; ``keep = "objective"`` looks at the objective alone.

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

    def _climbed(self, ascend: Ascent, images: Tensor, epsilon: float, generator: torch.Generator) -> Tensor:
        """Return the end point of one start."""
        attacked = ball(images + self._offset(images, epsilon, generator), images, epsilon)
        for _ in range(self.steps):
            attacked = ball(
                attacked + self.step_size * epsilon / self.steps * ascend(attacked)[0].sign(), images, epsilon
            )
        return attacked

    def _offset(self, images: Tensor, epsilon: float, generator: torch.Generator) -> Tensor:
        if self.start == "uniform":
            return epsilon * uniform(images, generator)
        if self.start == "normal":
            return SMALL_NOISE * normal(images, generator)
        return torch.zeros_like(images)
