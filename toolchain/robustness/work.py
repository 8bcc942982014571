"""The parts of a worst case, computed here or given to other processes."""

import copy
import math
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spikeport.export.errors import AttackError, one_line
from spikeport.export.progress import Progress
from spikeport.toolchain.attacks.attack import Scores
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.evaluation import device_of
from spikeport.toolchain.robustness import part as parts
from spikeport.toolchain.robustness.kept import path_of
from spikeport.toolchain.robustness.order import by_strength, needed
from spikeport.toolchain.robustness.part import Part, Rules

Call = dict[str, Any]
BATCHES = 4
"""Batches of a part: where a quarter of the images stands, the members behind the first still have full batches."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a process needs for every part."""

    model: nn.Module
    judge: Scores
    members: tuple[Member, ...]
    rules: Rules

    def __call__(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        device: torch.device,
        first: int,
        order: Sequence[int],
        path: Path | None,
        told: Callable[[Part], None] | None = None,
    ) -> Part:
        """Return a finished part."""
        model = self.model.to(device)
        with _exact():
            return parts.run(
                model, self.judge, self.members, images, labels,
                first=first, order=order, rules=self.rules, path=path, told=told,
            )  # fmt: skip

    def portable(self) -> "Task":
        """Return a copy on the CPU that other processes can be given; `AttackError` where that cannot be."""
        model = copy.deepcopy(self.model).cpu()
        task = replace(self, model=model, judge=model if self.judge is self.model else self.judge)
        try:
            ForkingPickler.dumps(task)
        except Exception as error:  # noqa: BLE001 - every class has errors of its own where it cannot be sent
            raise AttackError(
                f"this model cannot be sent to other processes ({one_line(error)}); attack it with workers=1, or "
                "define its class in a module"
            ) from None
        return task


@dataclass(frozen=True, kw_only=True)
class Work:
    """All parts, of about equal sizes up to ``batches`` batches, and where they are kept."""

    task: Task
    images: Tensor
    labels: Tensor
    folder: Path | None
    batches: int = BATCHES

    def __len__(self) -> int:
        return math.ceil(len(self.images) / self.part_size)

    @property
    def part_size(self) -> int:
        """Images of a part; the last one may have fewer."""
        parts = math.ceil(len(self.images) / (self.task.rules.batch_size * self.batches))
        return math.ceil(len(self.images) / parts)

    def path(self, number: int) -> Path | None:
        """Return the file of a part, if parts are kept."""
        return None if self.folder is None else path_of(self.folder, number)

    def finished(self, number: int) -> Part | None:
        """Return a part that an earlier run has finished."""
        path = self.path(number)
        part = parts.read(path) if path is not None and path.is_file() else None
        return part if part is not None and part.finished else None

    def call(self, number: int, before: Sequence[Part]) -> Call:
        """Return what `Task` is called with for a part; ``before`` are those from the first one on."""
        rows = slice(number * self.part_size, (number + 1) * self.part_size)
        return {
            "images": self.images[rows].clone(),
            "labels": self.labels[rows].clone(),
            "device": device_of(self.task.model),
            "first": rows.start,
            "order": by_strength(before[: needed(number)], self.task.members),
        }


def alone(work: Work, progress: Progress) -> list[Part]:
    """Compute all parts in this process."""
    done: list[Part] = []
    total = len(work.images) * len(work.task.members)

    def told(part: Part) -> None:
        progress.update(sum(each.decided for each in done) + part.decided, total)

    for number in range(len(work)):
        part = work.finished(number)
        done.append(part or work.task(**work.call(number, done), path=work.path(number), told=told))
    return done


def shared(work: Work, executor: Executor, progress: Progress, *, kept_there: bool) -> list[Part]:
    """Give parts to other processes as soon as their order is known.

    ``kept_there``: they write the files themselves.
    """
    task, running, given = work.task.portable(), dict[Future[Part], int](), 0
    found = {number: part for number in range(len(work)) if (part := work.finished(number)) is not None}
    while len(found) < len(work):
        before = _prefix(found)
        while given < len(work) and needed(given) <= len(before):
            if given not in found:
                path = work.path(given) if kept_there else None
                running[executor.submit(task, **work.call(given, before), path=path)] = given
            given += 1
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            number = running.pop(future)
            found[number], path = _part_of(future), work.path(number)
            if path is not None and not kept_there:
                found[number].write(path)
            progress.update(len(found), len(work))
    return _prefix(found)


def _part_of(future: Future[Part]) -> Part:
    try:
        return future.result()
    except BrokenProcessPool:
        raise AttackError(
            "a process of the attack ended, perhaps for want of memory; take fewer workers or smaller batches, and run "
            "again: with a folder it goes on from the last part"
        ) from None


def _prefix(found: dict[int, Part]) -> list[Part]:
    """Return the parts from the first on, up to one that is missing."""
    prefix: list[Part] = []
    while len(prefix) in found:
        prefix.append(found[len(prefix)])
    return prefix


def _exact() -> AbstractContextManager[Any]:
    """Let cuDNN choose algorithms that give the same sums in every run."""
    flags: AbstractContextManager[Any] = torch.backends.cudnn.flags(
        enabled=torch.backends.cudnn.enabled,
        benchmark=False,
        deterministic=True,
        allow_tf32=torch.backends.cudnn.allow_tf32,
    )
    return flags
