"""Attacks on the same images, one run after the other: which images each breaks."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from spikeport.export.progress import Progress
from spikeport.toolchain.attacks.attack import Attack, ball
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.losses.cross_entropy import CrossEntropy
from spikeport.toolchain.attacks.noise import uniform
from spikeport.toolchain.data.dataset import LEVEL
from spikeport.toolchain.evaluation import BATCH, device_of, evaluating, predictions, rounded_inside
from spikeport.toolchain.nn.draws import part_of_the_set
from spikeport.toolchain.robustness.worst_case import worst_case

Broken = Tensor
"""Truth values (N,): the image is classified wrongly, as it is or attacked."""


@dataclass(frozen=True)
class Run:
    """Attacks that an image has to withstand all, within one epsilon, in pixel levels."""

    members: tuple[Member, ...]
    epsilon: float

    @property
    def passes(self) -> int:
        """About how often all attacks run the model on every image."""
        return sum(cost(each.attack) for each in self.members)


@dataclass(kw_only=True, eq=False)
class Runs:
    """A model in evaluation mode with images in [0, 1] and labels.

    Random numbers follow from ``seed``, a member's name and the image's number, so that a member starts from the same
    point whatever its iterations are. ``levels``: attacked pixels are multiples of 1/levels. ``wrong``: classified
    wrongly as they are.
    """

    model: nn.Module
    images: Tensor
    labels: Tensor
    seed: int = 0
    levels: int | None = None
    wrong: Broken = field(init=False)

    def __post_init__(self) -> None:
        self._known: dict[Run, Broken] = {}
        self.wrong = predictions(self.model, self.images) != self.labels
        self.expect(0)

    def expect(self, passes: int) -> None:
        """Show the progress of work of about so many passes of all images from here on."""
        self._done, self._expected = 0, passes
        self._progress = Progress("attacks", enabled=passes > 0)

    def broken(self, run: Run) -> Broken:
        """Return what a run breaks; equal runs are computed once."""
        if run not in self._known:
            self._known[run] = self._attacked(run, torch.arange(len(self.images)))
        return self._known[run]

    def added(self, run: Run, before: Broken) -> Broken:
        """Return what is broken after a run on the images that are not broken ``before``."""
        found, rows = before.clone(), (~before).nonzero()[:, 0]
        found[rows] = self._attacked(run, rows)
        return found

    def sampled(self, epsilon: float, samples: int, before: Broken) -> Broken:
        """Return what is broken after images that are not broken ``before`` took ``samples`` random places in the ball.

        ``epsilon`` in pixel levels. Every other place is a corner of the ball, where each pixel is moved by epsilon.
        """
        found, generator = before.clone(), torch.Generator().manual_seed(self.seed)
        for number in range(samples):
            rows = (~found).nonzero()[:, 0]
            for part in _parts(rows):
                drawn = uniform(self.images[part], generator)
                moved = self._moved(drawn.sign() if number % 2 else drawn, part, epsilon * LEVEL)
                with part_of_the_set(part.tolist()):
                    found[part] = predictions(self.model, moved) != self.labels[part]
            self._advance(1)
        return found

    def without_gradient(self, members: tuple[Member, ...]) -> int:
        """Return at how many rightly classified images every member's gradient is exactly zero."""
        rows = (~self.wrong).nonzero()[:, 0]
        for member in members:
            if len(rows):
                rows = rows[torch.cat([self._zero(member.attack, part) for part in _parts(rows)])]
        return len(rows)

    def _attacked(self, run: Run, rows: Tensor) -> Broken:
        """Return which of some images a run breaks."""
        broken = torch.ones(len(rows), dtype=torch.bool)
        if len(rows):
            with part_of_the_set(rows.tolist()):
                found = worst_case(
                    self.model, run.members, self.images[rows], self.labels[rows],
                    epsilon=run.epsilon * LEVEL, seed=self.seed, levels=self.levels,
                )  # fmt: skip
            broken = ~found.standing
        self._advance(run.passes)
        return broken

    def _moved(self, direction: Tensor, rows: Tensor, epsilon: float) -> Tensor:
        """Return images moved by ``direction`` epsilon, clipped and rounded as attacked ones are."""
        images = self.images[rows]
        moved = ball(images + epsilon * direction, images, epsilon)
        return rounded_inside(moved, images, epsilon, self.levels) if self.levels else moved

    def _zero(self, attack: Attack, rows: Tensor) -> Tensor:
        """Return (N,) whether the gradient of an attack vanishes; a loss that needs the clean logits always does."""
        device, chosen = device_of(self.model), attack.objective
        objective = CrossEntropy() if chosen is None or chosen.needs_clean else chosen
        labels = self.labels[rows].to(device)
        loss: Callable[[Tensor], Tensor] = lambda logits: objective(logits, labels)  # noqa: E731
        with evaluating(self.model):
            gradient, _ = attack.gradient(self.model, self.images[rows].to(device), loss)
        return (gradient.flatten(1) == 0).all(1).cpu()

    def _advance(self, passes: int) -> None:
        self._done = min(self._done + passes, self._expected)
        self._progress.update(self._done, self._expected)


def _parts(rows: Tensor) -> list[Tensor]:
    """Return the numbers of images in batches."""
    return [rows[first : first + BATCH] for first in range(0, len(rows), BATCH)]


def cost(attack: Attack) -> int:
    """Return about how often an attack runs the model on every image."""
    return int(getattr(attack, "steps", getattr(attack, "queries", 1))) * int(getattr(attack, "restarts", 1))
