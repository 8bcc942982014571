"""One part of the images: the members one after the other on those that are still standing, kept batch by batch."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spikeport.export.files import write_arrays
from spikeport.toolchain.attacks.attack import Scores
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.losses.margin import margin
from spikeport.toolchain.attacks.noise import each_image
from spikeport.toolchain.evaluation import BATCH, device_of, rounded_inside
from spikeport.toolchain.nn.draws import is_random, numbered
from spikeport.toolchain.robustness.asked import counted
from spikeport.toolchain.robustness.results import Array
from spikeport.toolchain.training.digests import derived

SECONDS = 1.0
"""Work of less time is not kept before the part is finished."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What holds for every part; `spikeport.toolchain.robustness.worst_case.worst_case` says what the fields are."""

    epsilon: float
    seed: int
    levels: int | None
    every_member: bool
    batch_size: int = BATCH

    def seeds(self, member: Member, numbers: Sequence[int]) -> list[int]:
        """Return the seeds of a member's random numbers for images, by their numbers in the whole set."""
        return [derived(self.seed, "attack", member.name, number) for number in numbers]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is found of the images from ``first`` on; arrays are (members, images), (members,) or (images, ...).

    ``done`` of the members in ``order`` have run, the next one on the images of ``tried``.
    """

    first: int
    done: int
    order: Array
    right: Array
    tried: Array
    success: Array
    queries: Array
    seconds: Array
    worst: Array
    margin: Array

    @property
    def finished(self) -> bool:
        """Whether every member has run."""
        return self.done == len(self.order)

    @property
    def decided(self) -> int:
        """Pairs of members and images that no more work is needed for."""
        begun = 0 if self.finished else int(self.tried[self.order[self.done]].sum())
        return self.done * len(self.right) + begun

    def left(self, *, every_member: bool) -> Array:
        """Return the numbers in the part of the images that the next member has to be tried on."""
        standing = self.right if every_member else self.right & ~np.any(self.success, axis=0)
        return np.flatnonzero(standing & ~self.tried[self.order[self.done]])

    def write(self, path: Path) -> None:
        """Write the part to ``path``, whole or not at all."""
        write_arrays(path, {name: np.asarray(value) for name, value in vars(self).items()})


def read(path: Path) -> Part:
    """Read a part; it was written whole."""
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    return Part(first=int(found.pop("first")), done=int(found.pop("done")), **found)


def run(
    model: nn.Module,
    judge: Scores,
    members: Sequence[Member],
    images: Tensor,
    labels: Tensor,
    *,
    first: int,
    order: Sequence[int],
    rules: Rules,
    path: Path | None = None,
    told: Callable[[Part], None] | None = None,
) -> Part:
    """Return the finished part of ``images`` (P, ...), of which the first has the number ``first``.

    Each member is given what stands, ``rules.batch_size`` images at a time. ``path``: a file that is written behind
    batches, and from which an earlier run goes on; ``told`` is called behind every batch.
    """
    device = device_of(model)
    images, labels = images.to(device), labels.to(device)
    begun = path is not None and path.is_file()
    part = read(path) if begun and path else _begun(judge, images, labels, first, order, members, rules.batch_size)
    kept = time.monotonic()
    while not part.finished:
        part = _with_next(model, judge, members, images, labels, part, rules)
        if path is not None and (part.finished or time.monotonic() - kept >= SECONDS):
            part.write(path)
            kept = time.monotonic()
        if told is not None:
            told(part)
    return part


def _begun(
    judge: Scores,
    images: Tensor,
    labels: Tensor,
    first: int,
    order: Sequence[int],
    members: Sequence[Member],
    batch_size: int,
) -> Part:
    """Return a part of which no member has run: what is right without an attack."""
    numbers = range(first, first + len(images))
    batches = zip(*(torch.split(each, batch_size) for each in (images, labels, torch.tensor(numbers))), strict=True)
    judged = [_judged(judge, part, truth, own.tolist()) for part, truth, own in batches]
    above, wrong = (torch.cat(each) for each in zip(*judged, strict=True))
    size = (len(members), len(images))
    return Part(
        first=first,
        done=0,
        order=np.array(order, np.int64),
        right=~wrong.cpu().numpy(),
        tried=np.zeros(size, bool),
        success=np.zeros(size, bool),
        queries=np.zeros(len(members), np.int64),
        seconds=np.zeros(len(members)),
        worst=images.cpu().numpy(),
        margin=above.cpu().numpy(),
    )


def _with_next(
    model: nn.Module,
    judge: Scores,
    members: Sequence[Member],
    images: Tensor,
    labels: Tensor,
    part: Part,
    rules: Rules,
) -> Part:
    """Return the part after one more batch of the next member."""
    number, began = int(part.order[part.done]), time.perf_counter()
    left = part.left(every_member=rules.every_member)
    rows = left[: rules.batch_size]
    broken: Array = np.any(part.success, axis=0)
    changed = {
        name: getattr(part, name).copy() for name in ("tried", "success", "queries", "seconds", "worst", "margin")
    }
    part = replace(part, done=part.done + (len(rows) == len(left)), **changed)
    if not len(rows):
        return part
    chosen = torch.from_numpy(rows).to(images.device)
    with counted(model) as asked:
        found, above, wrong = _attacked(
            model,
            judge,
            members[number],
            images[chosen],
            labels[chosen],
            [part.first + int(row) for row in rows],
            rules,
        )
    part.tried[number, rows] = True
    part.success[number, rows] = wrong
    part.queries[number] += asked.images
    worse = ~broken[rows] & (wrong | (above > part.margin[rows]))
    part.worst[rows[worse]] = found[worse]
    part.margin[rows[worse]] = above[worse]
    part.seconds[number] += time.perf_counter() - began
    return part


def _attacked(
    model: nn.Module,
    judge: Scores,
    member: Member,
    images: Tensor,
    labels: Tensor,
    numbers: Sequence[int],
    rules: Rules,
) -> tuple[Array, ...]:
    """Return attacked images, their margins, and which of them are classified wrongly."""
    early = judge is model and not rules.every_member and not is_random(model)
    found, given = _perturbed(model, member, images, labels, numbers, rules, early=early)
    above, wrong = _judged(judge, given, labels, numbers)
    if early and rules.levels is not None:
        rest = (~wrong).nonzero()[:, 0]
        lost = rest[_judged(judge, found[rest], labels[rest], _of(numbers, rest))[1]] if len(rest) else rest
        if len(lost):
            left = _of(numbers, lost)
            given[lost] = _perturbed(model, member, images[lost], labels[lost], left, rules, early=False)[1]
            above[lost], wrong[lost] = _judged(judge, given[lost], labels[lost], left)
    return given.cpu().numpy(), above.cpu().numpy(), wrong.cpu().numpy()


def _perturbed(
    model: nn.Module,
    member: Member,
    images: Tensor,
    labels: Tensor,
    numbers: Sequence[int],
    rules: Rules,
    *,
    early: bool,
) -> tuple[Tensor, Tensor]:
    """Return the images of an attack, and the same as the judge is given them; ``early``: left once they are wrong."""
    attack = member.attack.stopping() if early else member.attack
    attack = attack.through_chance() if is_random(model) else attack
    generator = each_image(rules.seeds(member, numbers))
    found = attack.perturb(model, images, labels, epsilon=rules.epsilon, generator=generator)
    return found, found if rules.levels is None else rounded_inside(found, images, rules.epsilon, rules.levels)


def _of(numbers: Sequence[int], rows: Tensor) -> list[int]:
    return [numbers[int(row)] for row in rows]


@torch.no_grad()
def _judged(judge: Scores, images: Tensor, labels: Tensor, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the margin (N,) of the largest score of another class over the label's, and which images are wrong.

    A judge that draws random numbers draws for every image what it gets after deployment, whatever attacked it.
    """
    with numbered(judge, numbers):
        scores = torch.as_tensor(judge(images)).to(images.device)
    return margin(scores, labels).double(), scores.argmax(1) != labels
