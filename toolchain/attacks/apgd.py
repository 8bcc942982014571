"""Auto-PGD: projected gradient descent with momentum, whose step sizes follow the objective."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
import torch
from msgspec import Meta
from torch import Tensor

from spikeport.toolchain.attacks.ascent import Ascent
from spikeport.toolchain.attacks.attack import Attack, ball
from spikeport.toolchain.attacks.best import Best, Keep, chosen
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.attacks.losses.targeted_dlr import TargetedDlr
from spikeport.toolchain.attacks.noise import uniform
from spikeport.toolchain.attacks.pgd import Count

MOMENTUM = 0.75
"""Weight of the new step; the rest is the movement before."""
TINY = 1e-12


class Apgd(Attack, frozen=True, kw_only=True, tag="apgd"):
    """Steps along the sign of the gradient with momentum; an image that makes no progress halves its step.

        z = clip_eps(x_k + eta sign(grad L(x_k)));   x_{k+1} = clip_eps(x_k + a (z - x_k) + (1 - a) (x_k - x_{k-1}))

    a = 0.75 (1 in the first step), eta = 2 eps. At checkpoints, 22 % of the steps after the start and each 3 % sooner
    than the one before (6 % at least), eta halves and the image goes back to its best x, where the objective rose in at
    most ``rho`` of the steps since the last one, or where eta stayed and the best objective did too.

    ``objective``: 'cross_entropy' is APGD-CE, 'dlr' APGD-DLR, 'targeted_dlr' APGD-T, which goes for each of the
    ``targets`` strongest wrong classes in turn. Every one of ``restarts`` attacks the images that are still classified
    rightly; ``keep = "objective"`` attacks all, and takes the largest objective. Starts are uniform in the ball, scaled
    to reach its surface. With the gradient 'expectation' it is APGD with EOT.

    Source: Croce and Hein, ICML 2020, Algorithm 1. As in its code, the objective before the first step counts as 0
    where steps that raised it are counted.
    """

    steps: Count = 100
    restarts: Count = 1
    rho: Annotated[float, Meta(gt=0, lt=1)] = 0.75
    targets: Count = 9
    keep: Keep = "wrong"

    def search(self, ascend: Ascent, images: Tensor, *, epsilon: float, generator: torch.Generator) -> Tensor:
        _, objective, wrong = ascend.look(images)
        best = Best(images, wrong, objective, self.keep)
        for goal in self._goals(ascend):
            for _ in range(self.restarts):
                start = _start(images, epsilon, generator)
                rows = (~best.wrong).nonzero()[:, 0] if self.keep == "wrong" else torch.arange(len(images))
                if not len(rows):
                    return best.images
                found = self._climbed(ascend.of(rows).raising(goal), images[rows], start[rows], epsilon)
                best.meet_rows(rows, found)
        return best.images

    def _goals(self, ascend: Ascent) -> list[AttackLoss]:
        """Return what is raised, one after the other: of a targeted loss, a rank after the other."""
        goal = ascend.objective
        if not isinstance(goal, TargetedDlr) or ascend.clean is None:
            return [goal]
        end = max(min(goal.rank + self.targets, ascend.clean.shape[1]), goal.rank + 1)
        return [msgspec.structs.replace(goal, rank=rank) for rank in range(goal.rank, end)]

    def _climbed(self, ascend: Ascent, images: Tensor, start: Tensor, epsilon: float) -> Best:
        """Return the best images that one start meets."""
        x, before = start, start
        size = start.new_full((len(start), *(1,) * (start.ndim - 1)), 2 * epsilon)
        gradient, objective, wrong = ascend.look(x)
        best, top, slope = Best(x, wrong, objective, self.keep), Best(x, wrong, objective, "objective"), gradient
        progress, ends = _Progress(objective, self.rho), set(_checkpoints(self.steps))
        for step in range(self.steps):
            a = MOMENTUM if step else 1.0
            moved = ball(x + size * gradient.sign(), images, epsilon)
            x, before = ball(x + (moved - x) * a + (x - before) * (1 - a), images, epsilon), x
            gradient, objective, wrong = ascend.look(x)
            best.meet(x, wrong, objective)
            slope = chosen(top.meet(x, wrong, objective), gradient, slope)
            progress.add(objective)
            if step in ends:
                stuck = progress.stuck(top.objective)
                size = chosen(stuck, size / 2, size)
                x, gradient = chosen(stuck, top.images, x), chosen(stuck, slope, gradient)
        return best


class _Progress:
    """Counts per image how often the objective rose since the last checkpoint, and says which images are stuck."""

    def __init__(self, objective: Tensor, rho: float) -> None:
        self.rho, self.best = rho, objective
        self.last, self.halved = torch.zeros_like(objective), torch.ones_like(objective, dtype=torch.bool)
        self._restart()

    def add(self, objective: Tensor) -> None:
        """Count a step."""
        self.rises += objective > self.last
        self.last = objective
        self.steps += 1

    def stuck(self, best: Tensor) -> Tensor:
        """Return which images (N,) halve their step at this checkpoint, where ``best`` is the largest objective met."""
        found = (self.rises <= self.rho * self.steps) | (~self.halved & (self.best >= best))
        self.halved, self.best = found, best
        self._restart()
        return found

    def _restart(self) -> None:
        self.rises, self.steps = torch.zeros_like(self.last, dtype=torch.int64), 0


def _checkpoints(steps: int) -> Iterator[int]:
    """Yield the steps, counted from 0, behind which step sizes are looked at."""
    period, shrink, least = (max(int(share * steps), 1) for share in (0.22, 0.03, 0.06))
    end = period - 1
    while end < steps:
        yield end
        period = max(period - shrink, least)
        end += period


def _start(images: Tensor, epsilon: float, generator: torch.Generator) -> Tensor:
    """Return random points of the ball, of which a pixel per image is at its surface."""
    offset = uniform(images, generator)
    largest = offset.abs().flatten(1).amax(1).view(-1, *(1,) * (images.ndim - 1))
    return ball(images + epsilon * (offset / (largest + TINY)), images, epsilon)
