"""Auto-PGD: projected gradient descent with momentum, whose step sizes follow the objective."""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Annotated, Self

import msgspec
import torch
from msgspec import Meta
from torch import Tensor

from spikeport.toolchain.attacks.ascent import Ascent
from spikeport.toolchain.attacks.attack import Attack, ball
from spikeport.toolchain.attacks.best import Best, Keep, chosen
from spikeport.toolchain.attacks.gradients.expectation import Expectation
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.attacks.losses.targeted_dlr import TargetedDlr
from spikeport.toolchain.attacks.noise import uniform
from spikeport.toolchain.attacks.pgd import Count

MOMENTUM = 0.75
"""Weight of the new step; the rest is the movement before."""
TINY = 1e-12
GONE = 0.25
"""Share of wrongly classified images at which the rest becomes a batch of its own, with ``keep = "first"``."""


class Apgd(Attack, frozen=True, kw_only=True, tag="apgd"):
    """Steps along the sign of the gradient with momentum; an image that makes no progress halves its step.

        z = clip_eps(x_k + eta sign(grad L(x_k)));   x_{k+1} = clip_eps(x_k + a (z - x_k) + (1 - a) (x_k - x_{k-1}))

    a = 0.75 (1 in the first step), eta = 2 eps. At checkpoints, 22 % of the steps after the start and each 3 % sooner
    than the one before (6 % at least), eta halves and the image goes back to its best x, where the objective rose in at
    most ``rho`` of the steps since the last one, or where eta stayed and the best objective did too.

    ``objective``: 'cross_entropy' is APGD-CE, 'dlr' APGD-DLR, 'targeted_dlr' APGD-T, which goes for each of the
    ``targets`` strongest wrong classes in turn. Every one of ``restarts`` attacks the images that are still classified
    rightly. Of what is classified wrongly an image keeps the largest objective; with ``keep = "first"`` it keeps the
    first, where its steps end; ``keep = "objective"`` attacks all, and takes the largest objective. Starts are uniform
    in the ball, scaled to reach its surface. With the gradient 'expectation' it is APGD with EOT.

    Source: Croce and Hein, ICML 2020, Algorithm 1. As in its code, the objective before the first step counts as 0
    where steps that raised it are counted.
    """

    steps: Count = 100
    restarts: Count = 1
    rho: Annotated[float, Meta(gt=0, lt=1)] = 0.75
    targets: Count = 9
    keep: Keep = "wrong"

    def search(self, ascend: Ascent, images: Tensor, *, epsilon: float, generator: torch.Generator) -> Tensor:
        best = Best(images, ascend.wrong(images), images.new_full((len(images),), -torch.inf), self.keep)
        for goal in self._goals(ascend):
            for _ in range(self.restarts):
                start = _start(images, epsilon, generator)
                rows = torch.arange(len(images), device=images.device)
                rows = rows if self.keep == "objective" else rows[~best.wrong]
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

    def stopping(self) -> Self:
        """Return this attack so that an image's steps end once it is classified wrongly."""
        whole = self.keep == "objective" or isinstance(self.gradient, Expectation)  # one draw says little
        return self if whole else msgspec.structs.replace(self, keep="first")

    def _climbed(self, ascend: Ascent, images: Tensor, start: Tensor, epsilon: float) -> Best:
        """Return the best images that one start meets."""
        climb = _Climb.at(ascend, images, start, epsilon, self)
        whole, rows, ends = climb.best, torch.arange(len(images), device=images.device), set(_checkpoints(self.steps))
        for step in range(self.steps):
            if self.keep == "first" and int(climb.best.wrong.sum()) >= max(GONE * len(rows), 1):
                whole.meet_rows(rows, climb.best)
                left = ~climb.best.wrong
                rows, climb = rows[left], climb.of(left)
                if not len(rows):
                    return whole
            climb.step(MOMENTUM if step else 1.0, epsilon)
            if step in ends:
                climb.halve()
        whole.meet_rows(rows, climb.best)
        return whole


@dataclass
class _Climb:
    """Where some images are: now, one step before, and with the largest objective (``top``, and its ``slope``)."""

    ascend: Ascent
    images: Tensor
    x: Tensor
    before: Tensor
    size: Tensor
    gradient: Tensor
    best: Best
    top: Best
    slope: Tensor
    progress: "_Progress"

    @classmethod
    def at(cls, ascend: Ascent, images: Tensor, start: Tensor, epsilon: float, attack: Apgd) -> Self:
        """Return the state at the start."""
        gradient, objective, wrong = ascend.look(start)
        size = start.new_full((len(start), *(1,) * (start.ndim - 1)), 2 * epsilon)
        best, top = (Best(start, wrong, objective, keep) for keep in (attack.keep, "objective"))
        progress = _Progress(objective, attack.rho)
        return cls(ascend, images, start, start, size, gradient, best, top, gradient, progress)

    def step(self, a: float, epsilon: float) -> None:
        """Go one step, ``a`` of it along the gradient and the rest along the step before."""
        moved = ball(self.x + self.size * self.gradient.sign(), self.images, epsilon)
        moved = ball(self.x + (moved - self.x) * a + (self.x - self.before) * (1 - a), self.images, epsilon)
        self.x, self.before = moved, self.x
        self.gradient, objective, wrong = self.ascend.look(self.x)
        self.best.meet(self.x, wrong, objective)
        self.slope = chosen(self.top.meet(self.x, wrong, objective), self.gradient, self.slope)
        self.progress.add(objective)

    def halve(self) -> None:
        """Let the images that are stuck go back to their largest objective, with half the step."""
        stuck = self.progress.stuck(self.top.objective)
        self.size = chosen(stuck, self.size / 2, self.size)
        self.x, self.gradient = chosen(stuck, self.top.images, self.x), chosen(stuck, self.slope, self.gradient)

    def of(self, rows: Tensor) -> Self:
        """Return the state of some images."""
        return type(self)(
            **{name: part.of(rows) if hasattr(part, "of") else part[rows] for name, part in vars(self).items()}
        )


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

    def of(self, rows: Tensor) -> Self:
        """Return the counts of some images."""
        part = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(part, name, value[rows])
        return part

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
