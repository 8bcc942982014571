"""Attacks of a suite on a float network, their images on the integers, and attacks on the integers themselves.

For every epsilon: each attack with all of its gradients on the float network; the images of those that differentiate,
rounded to levels inside of the ball, on the deployed network; and the attacks that need scores alone on the deployed
network itself. An image counts as robust after deployment where it is classified rightly without an attack and under
each of these.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from spikeport.export.errors import AttackError
from spikeport.export.progress import QUIET_SECONDS, announce
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.data.dataset import LEVEL
from spikeport.toolchain.evaluation import BATCH, SLACK, device_of, predictions
from spikeport.toolchain.robustness.asked import as_module, check_model
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
from spikeport.toolchain.robustness.deployed import Deployed
from spikeport.toolchain.robustness.groups import Group, for_model, groups
from spikeport.toolchain.robustness.results import WorstCase
from spikeport.toolchain.robustness.worst_case import worst_case


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What is attacked: a float ``model`` in evaluation mode, a ``deployed`` network, or both.

    ``networks``: by role, 'float' and 'deployed', ``what`` it is and its ``digest``. ``levels``: pixels are multiples
    of 1/levels, under attack as well; None: any number in [0, 1].
    """

    model: nn.Module | None
    deployed: Deployed | None
    networks: dict[str, dict[str, str]]
    levels: int | None

    @property
    def identity(self) -> str:
        """What the deployed network is, for parts that are kept."""
        return self.networks[DEPLOYED]["digest"] if self.deployed is not None else ""


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
    notes: Sequence[str] = (),
    kept: Callable[[AtEpsilon, Sequence[Found]], None] = lambda _at, _found: None,
) -> Assessment:
    """Return the robust accuracy of a subject on images (N, ...) in [0, 1] at ``epsilons`` in levels of 1/255.

    ``kept`` is given what was found at an epsilon once it is done. `AttackError` where images, labels or epsilons
    cannot be attacked, or where members need a gradient that nothing has, before anything runs.
    """
    chosen = list(members) if subject.model is None else for_model(members, subject.model)
    check(subject, chosen, images, labels, epsilons)
    plans = [(epsilon, plan) for epsilon in epsilons for plan in _plans(subject, groups(chosen))]
    progress = _Told(len(plans))
    done = []
    for epsilon in epsilons:
        found = []
        for group, network, kind in _plans(subject, groups(chosen)):
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
        notes=(*notes, *_notes(subject, chosen)),
    )
