"""Attacks of a suite on a float network, their images on the integers, and attacks on the integers themselves.

For every epsilon: each attack with all of its gradients on the float network; the images of those that differentiate,
rounded to levels inside of the ball, on the deployed network; and the attacks that need scores alone on the deployed
network itself. An image counts as robust after deployment where it is classified rightly without an attack and under
each of these.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from spikeport.export.progress import QUIET_SECONDS, announce, duration
from spikeport.toolchain.attacks.attack import Attack
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.gradients.expectation import Expectation, one_draw
from spikeport.toolchain.data.dataset import LEVEL
from spikeport.toolchain.evaluation import BATCH, predictions
from spikeport.toolchain.nn.draws import is_random
from spikeport.toolchain.robustness.asked import as_module
from spikeport.toolchain.robustness.assessed import (
    BLACK,
    DEPLOYED,
    TRAINED,
    TRANSFERRED,
    WHITE,
    Assessment,
    AtEpsilon,
    Row,
    Share,
)
from spikeport.toolchain.robustness.groups import Group, for_model, groups
from spikeport.toolchain.robustness.results import WorstCase
from spikeport.toolchain.robustness.subject import Subject, check, whole_levels
from spikeport.toolchain.robustness.worst_case import worst_case


@dataclass(frozen=True, kw_only=True)
class Way:
    """How an assessment runs.

    ``folder``: where finished parts are kept, from which it goes on after an interruption. ``executor``: processes that
    share the parts (`concurrent.futures`, or Dask's ``Client.get_executor``). ``every_member``: each member on every
    image that is right without an attack, broken or not.
    """

    seed: int = 0
    batch_size: int = BATCH
    folder: Path | None = None
    executor: Executor | None = None
    every_member: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Rows with what they found per image, at one epsilon."""

    row: Row
    case: WorstCase = field(repr=False)


def assess(
    subject: Subject,
    members: Sequence[Member],
    images: Tensor,
    labels: Tensor,
    *,
    suite: str,
    epsilons: Sequence[float],
    way: Way,
    kept: Callable[[AtEpsilon, Sequence[Found]], None] = lambda _at, _found: None,
) -> Assessment:
    """Return the robust accuracy of a subject on images (N, ...) in [0, 1] at ``epsilons`` in levels of 1/255.

    ``kept`` is given what was found at an epsilon once it is done. `AttackError` where images, labels or epsilons
    cannot be attacked, or where members need a gradient that nothing has, before anything runs.
    """
    chosen = list(members) if subject.model is None else for_model(members, subject.model)
    check(subject, chosen, images, labels, epsilons)
    plan = list(_plans(subject, groups(chosen)))
    progress = Told([_expected(group, kind) for group, _, kind in plan], len(epsilons))
    done = []
    for epsilon in epsilons:
        found = []
        for group, network, kind in plan:
            found.append(_row(subject, group, network, kind, images, labels, epsilon, way))
            progress.told(found[-1].row)
        done.append(_at(epsilon, found))
        kept(done[-1], found)
    classes = _classes(subject, images)
    return Assessment(
        suite=suite,
        networks=subject.networks,
        images=len(images),
        levels=subject.levels,
        seed=way.seed,
        members=tuple({"name": member.name, **msgspec.to_builtins(member.attack)} for member in chosen),
        clean={role: Share.of(int((found == labels).sum()), len(labels)) for role, found in classes.items()},
        agreement=_agreement(classes),
        epsilons=tuple(done),
        notes=tuple(_notes(subject, chosen)),
        doubts=tuple(_doubts(subject, chosen)),
    )


def _plans(subject: Subject, found: Sequence[Group]) -> Iterator[tuple[Group, str, str]]:
    """Yield each attack with the network that decides, and how."""
    if subject.model is not None:
        yield from ((group, TRAINED, WHITE if group.white else BLACK) for group in found)
    if subject.deployed is not None and subject.model is not None:
        yield from ((group, DEPLOYED, TRANSFERRED) for group in found if group.white)
    if subject.deployed is not None:
        yield from ((group, DEPLOYED, BLACK) for group in found if not group.white)


def _row(
    subject: Subject,
    group: Group,
    network: str,
    kind: str,
    images: Tensor,
    labels: Tensor,
    epsilon: float,
    way: Way,
) -> Found:
    """Run one attack on one network."""
    levels, real = subject.levels, epsilon * LEVEL
    model: Any = subject.deployed if (network, kind) == (DEPLOYED, BLACK) else subject.model
    if model is subject.deployed and levels is not None:
        real = whole_levels(epsilon, levels) / levels
    pairs = "images x gradients" if len(group.members) > 1 else "images"
    title = f"{group.title} on the {network} network at {epsilon:g}/255, {pairs}"
    case = worst_case(
        model,
        group.members,
        images,
        labels,
        epsilon=real,
        seed=way.seed,
        batch_size=way.batch_size,
        folder=None if way.folder is None else way.folder / f"eps-{epsilon:g}" / f"{network}-{group.key}",
        levels=levels,
        every_member=way.every_member,
        judge=subject.deployed if kind == TRANSFERRED else None,
        identity="" if network == TRAINED else subject.identity,
        executor=way.executor,
        title=title,
    )
    row = Row(
        title=group.title,
        network=network,
        way=kind,
        epsilon=epsilon,
        robust=Share.of(int(case.standing.sum()), len(labels)),
        queries=case.queries,
        seconds=case.seconds,
        order=case.order,
        members=tuple(member.to_dict() for member in case.members),
    )
    return Found(row=row, case=case)


def _at(epsilon: float, found: Sequence[Found]) -> AtEpsilon:
    """Return the minimum per image over rows."""
    white, black, moved, own = (
        _standing(found, *each)
        for each in ((TRAINED, WHITE), (TRAINED, BLACK), (DEPLOYED, TRANSFERRED), (DEPLOYED, BLACK))
    )
    return AtEpsilon(
        epsilon=epsilon,
        rows=tuple(each.row for each in found),
        worst_float=_share(white, black),
        worst_transferred=_share(moved),
        worst_black_box=_share(own),
        deployed=_share(moved, own),
        black_box_only=None if white is None or black is None else int((white & ~black).sum()),
    )


def _standing(found: Sequence[Found], network: str, kind: str) -> Tensor | None:
    """Return which images every attack of a kind leaves right; None where there is none."""
    masks = [each.case.standing for each in found if (each.row.network, each.row.way) == (network, kind)]
    return torch.stack(masks).all(0) if masks else None


def _share(*masks: Tensor | None) -> Share | None:
    """Return the share of images that stand in all masks."""
    there = [mask for mask in masks if mask is not None]
    return Share.of(int(torch.stack(there).all(0).sum()), len(there[0])) if there else None


def _classes(subject: Subject, images: Tensor) -> dict[str, Tensor]:
    """Return the classes of the clean images by role."""
    found = {}
    if subject.model is not None:
        found[TRAINED] = predictions(subject.model, images)
    if subject.deployed is not None:
        found[DEPLOYED] = predictions(as_module(subject.deployed), images)
    return found


def _agreement(classes: dict[str, Tensor]) -> float | None:
    if len(classes) < 2:
        return None
    return float((classes[TRAINED] == classes[DEPLOYED]).double().mean())


def _notes(subject: Subject, members: Sequence[Member]) -> Iterator[str]:
    if subject.model is None:
        yield (
            "no white-box attack was run: the network has no gradient, and no float network was given; attacks with "
            "gradients usually leave much less"
        )
    elif not any(member.attack.NEEDS_GRADIENT for member in members):
        yield "the suite has no white-box attack; attacks with gradients usually leave much less"
    elif all(member.attack.NEEDS_GRADIENT for member in members):
        yield "the suite has no attack without gradients, which would show masked gradients"


def _doubts(subject: Subject, members: Sequence[Member]) -> Iterator[str]:
    white = [member.attack.gradient for member in members if member.attack.NEEDS_GRADIENT]
    averaged = any(isinstance(gradient, Expectation) for gradient in white)
    if subject.model is not None and is_random(subject.model) and white and not averaged:
        yield one_draw("each attack of the suite")


def _expected(group: Group, kind: str) -> float:
    """Return the most passes of an image through the network that a row takes, in forward ones."""
    if kind == TRANSFERRED:
        return float(len(group.members))
    return float(sum(_passes(member.attack) for member in group.members))


def _passes(attack: Attack) -> int:
    """Return forward passes of an image: a backward one takes as long as two; each draw of an expectation is one."""
    steps: int = math.prod(int(getattr(attack, name, 1)) for name in ("steps", "restarts", "queries"))
    draws = attack.gradient.draws if isinstance(attack.gradient, Expectation) else 1
    return steps * draws * (3 if attack.NEEDS_GRADIENT else 1)


class Told:
    """Says after each row what was found and how long the rest may take.

    ``expected``: what the rows of an epsilon take beside each other; once they were measured at the first epsilon,
    those of the others are taken to last as long.
    """

    def __init__(self, expected: Sequence[float], epsilons: int) -> None:
        self.expected, self.epsilons, self.rows = list(expected), epsilons, len(expected) * epsilons
        self.done, self.started = 0, time.monotonic()
        self.last = self.started
        self.seconds: list[float] = []

    def left(self) -> float:
        """Return the seconds that the rows to come may take."""
        count = len(self.expected)
        if self.done >= count:
            return sum(max(self.seconds[number % count :: count]) for number in range(self.done, self.rows))
        share = sum(self.seconds) / sum(self.expected[: self.done])
        return share * (sum(self.expected[self.done :]) + (self.epsilons - 1) * sum(self.expected))

    def told(self, row: Row) -> None:
        """Add a row that is done."""
        now = time.monotonic()
        self.seconds.append(now - self.last)
        self.done, self.last = self.done + 1, now
        elapsed = now - self.started
        if elapsed < QUIET_SECONDS or self.done == self.rows:
            return
        left = self.left()
        announce(
            f"{row.label} on the {row.network} network at {row.epsilon:g}/255: {row.robust.text()} % robust; "
            f"{self.done} of {self.rows} entries of the table, {duration(elapsed)} so far, about {duration(left)} left"
        )
