"""The worst case over several attacks: an image is robust where every member fails on it."""

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from spikeport.export.errors import AttackError
from spikeport.export.files import locked
from spikeport.export.progress import Progress
from spikeport.toolchain.attacks.attack import Scores
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.inputs import check_input
from spikeport.toolchain.evaluation import BATCH, device_of
from spikeport.toolchain.robustness.asked import as_module, check_model
from spikeport.toolchain.robustness.kept import check_identity, claim, described, of_model
from spikeport.toolchain.robustness.order import by_strength
from spikeport.toolchain.robustness.part import Part, Rules
from spikeport.toolchain.robustness.processes import pool
from spikeport.toolchain.robustness.results import MemberResult, WorstCase, share, standard_error
from spikeport.toolchain.robustness.work import BATCHES, Task, Work, alone, shared


def worst_case(
    model: nn.Module | Scores,
    members: Sequence[Member],
    images: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    seed: int = 0,
    batch_size: int = BATCH,
    batches: int = BATCHES,
    folder: Path | None = None,
    levels: int | None = None,
    every_member: bool = False,
    judge: Scores | None = None,
    identity: str = "",
    workers: int = 1,
    executor: Executor | None = None,
    title: str = "",
) -> WorstCase:
    """Attack images (N, ...) in [0, 1] with every member, and return what is robust to all of them.

    ``model`` is a network in evaluation mode, attacked where it is, or any callable from images to scores, for members
    that need no gradient. The images are parts of up to ``batches`` batches of ``batch_size``; in a part, each member
    is given what those before it left, a batch at a time, the strongest first by what is expected of them and by the
    parts before. A broken image is dropped, unless ``every_member`` (Table A1 of Schmolli et al., CPAL 2025), and so is
    one that is wrong without an attack. PGD leaves an image at the first point that is classified wrongly; with
    ``every_member`` or ``judge`` it goes on to its last step.

    ``levels``: attacked images are rounded to multiples of 1/levels inside of the ball; where such an image is right
    again, its member goes on to the last step. ``judge``: what decides whether an image is broken, in place of the
    model that members differentiate: its integer network, for example.

    Random numbers follow from ``seed``, the member's name and the number of the image. Equal arguments give equal
    results, however many ``workers`` (processes) or tasks of an ``executor`` (as `concurrent.futures` defines it;
    Dask's ``Client.get_executor`` is one) share the parts, with equal threads of PyTorch.

    ``folder`` keeps every part, batch by batch; a run that was killed goes on from there to the same result. It is
    refused where it holds another run's. ``identity`` says what a model or judge that is no module is, such as a
    digest; with a folder it must be given.

    Raises `AttackError` where images, labels, ``epsilon`` or the model cannot be attacked, before anything runs.
    """
    network = as_module(model)
    _check(members, images, labels, epsilon, {"batch_size": batch_size, "batches": batches, "workers": workers})
    check_model(network, members, images[:1].to(device_of(network)), labels)
    rules = Rules(epsilon=epsilon, seed=seed, levels=levels, every_member=every_member, batch_size=batch_size)
    task = Task(model=network, judge=judge or network, members=tuple(members), rules=rules)
    work = Work(task=task, images=images, labels=labels, folder=folder, batches=batches)
    with ExitStack() as held:
        if folder is not None:
            check_identity(network, judge, identity)
            held.enter_context(locked(folder))
            claim(folder, _described(work, judge, identity))
        progress = Progress(title, enabled=bool(title))
        if executor is None and workers > 1:
            found = shared(work, held.enter_context(pool(workers)), progress, kept_there=True)
        elif executor is not None:
            found = shared(work, executor, progress, kept_there=False)
        else:
            found = alone(work, progress)
    return _result(found, work)


def _check(members: Sequence[Member], images: Tensor, labels: Tensor, epsilon: float, counts: dict[str, int]) -> None:
    names = [member.name for member in members]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        raise AttackError(
            f"two members are named {twice[0]!r}; their random numbers would be the same" if twice else "no members"
        )
    if min(counts.values()) < 1:
        found = " and ".join(f"{name} {count}" for name, count in counts.items() if count < 1)
        raise AttackError(f"found {found}; expected 1 or more")
    if not len(images):
        raise AttackError("no images to attack; the split is empty")
    if labels.shape != (len(images),) or labels.dtype != torch.int64:
        raise AttackError(
            f"found labels {labels.dtype} {tuple(labels.shape)} for {len(images)} images; expected int64 (N,)"
        )
    check_input(images, labels, epsilon)


def _described(work: Work, judge: Scores | None, identity: str) -> dict[str, Any]:
    rules = {**vars(work.task.rules), "part_size": work.part_size}
    if isinstance(judge, nn.Module):
        rules["judge"] = of_model(judge)
    return described(work.task.model, identity, work.task.members, work.images, work.labels, rules)


def _result(found: Sequence[Part], work: Work) -> WorstCase:
    names = ("right", "tried", "success", "worst", "margin")
    arrays = {
        name: np.concatenate([getattr(part, name) for part in found], axis=-1 if name in {"tried", "success"} else 0)
        for name in names
    }
    members, rules = work.task.members, work.task.rules
    standing = arrays["right"] & ~arrays["success"].any(0)
    count, clean, robust = len(standing), share(arrays["right"]), share(standing)
    images: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return WorstCase(
        images=count,
        clean=clean,
        clean_error=standard_error(clean, count),
        robust=robust,
        robust_error=standard_error(robust, count),
        order=tuple(members[number].name for number in by_strength(found, members)),
        members=tuple(_member(number, found, arrays, work) for number in range(len(members))),
        **vars(rules),
        **images,
    )


def _member(number: int, found: Sequence[Part], arrays: dict[str, Any], work: Work) -> MemberResult:
    tried, success, right = arrays["tried"][number], arrays["success"][number], arrays["right"]
    robust = share(right & ~success) if work.task.rules.every_member else None
    member = work.task.members[number]
    return MemberResult(
        name=member.name,
        attack=msgspec.to_builtins(member.attack),
        tried=int(tried.sum()),
        broken=int((tried & success).sum()),
        queries=int(sum(part.queries[number] for part in found)),
        seconds=float(sum(part.seconds[number] for part in found)),
        robust=robust,
        robust_error=None if robust is None else standard_error(robust, len(right)),
    )
