"""A recipe with ``[matrix]``: a run for every combination of values, equal stages only once, and one table of all.

Combinations lie in folders of their own. A stage that two of them have with equal settings, seed and inputs is run by
the first and copied to the other. A task takes some stages of a combination, and waits for the tasks that it needs.
"""

import shutil
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from spikeport.export.cluster import Cluster, connected
from spikeport.export.errors import SpikeportError, one_line
from spikeport.export.files import locked
from spikeport.export.progress import announce
from spikeport.toolchain.recipes.extending import extended
from spikeport.toolchain.recipes.reader import plain, recipe_of
from spikeport.toolchain.runs.combinations import Combination, combinations, owners
from spikeport.toolchain.runs.pipeline import empty, execute, look_ahead
from spikeport.toolchain.runs.planning import data_of, plan_of
from spikeport.toolchain.runs.surroundings import write_surroundings
from spikeport.toolchain.runs.sweep_files import write_files
from spikeport.toolchain.runs.sweep_table import Swept
from spikeport.toolchain.stages import records
from spikeport.toolchain.stages.recipe import Recipe
from spikeport.toolchain.stages.records import Record

SECONDS = 10
"""How long a scheduler may take to answer."""
RETRIES = 2
_alone = threading.Lock()
"""PyTorch's own random numbers are one for a process, so a worker with several threads runs one task at a time."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """How every combination is run."""

    device: str = "auto"
    extend: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Task:
    """Stages of a combination up to ``last``; ``copied`` names the ones that another combination's folder has."""

    folder: str
    recipe: dict[str, Any]
    last: str
    copied: Mapping[str, str]
    way: Way


def sweep(recipe: Recipe, folder: Path, way: Way, cluster: Cluster | None = None) -> Swept:
    """Run every combination of a recipe's matrix in ``folder``, here or on a Dask cluster; a failed one is named.

    Raises `RecipeError` where a combination is no recipe, before any runs.
    """
    every = combinations(recipe)
    _look_ahead(every, way)
    with locked(folder):
        write_surroundings(recipe, folder, device=way.device, extend=way.extend)
        failed = _run(every, folder.resolve(), way, cluster)
        found = {each.name: _records(each, folder) for each in every if each.name not in failed}
        swept = Swept(folder=folder, combinations=tuple(every), records=found, failed=failed)
        write_files(swept)
        return swept


def _look_ahead(every: list[Combination], way: Way) -> None:
    """Raise what a combination would raise at its start; data that several have are read once."""
    groups: dict[str, list[Combination]] = {}
    for each in every:
        groups.setdefault(records.digest_of_values([each.recipe.seed, plain(each.recipe)["data"]]), []).append(each)
    for group in groups.values():
        data = data_of(group[0].recipe)
        for each in group:
            look_ahead(plan_of(each.recipe, device=way.device, data=data))


def _run(every: list[Combination], folder: Path, way: Way, cluster: Cluster | None) -> dict[str, str]:
    """Run all tasks and return the reasons of the combinations that failed, by name."""
    steps = owners([each.recipe for each in every])
    with connected(cluster, retries=RETRIES, seconds=SECONDS) if cluster else nullcontext() as client:
        done: dict[tuple[int, int], Any] = {}
        outcomes: dict[str, Any] = {}
        for number, each in enumerate(every):
            if client is None:
                announce(f"combination {number + 1} of {len(every)}: {each.name}")
            outcomes[each.name] = _start(every, number, steps, done, folder, way, client)
        found = outcomes if client is None else _gathered(outcomes)
    return {name: reason for name, reason in found.items() if reason is not None}


def _start(
    every: list[Combination],
    number: int,
    steps: list[list[int]],
    done: dict[tuple[int, int], Any],
    folder: Path,
    way: Way,
    client: Any,
) -> Any:
    """Run the tasks of a combination, or give them to Dask; return the last outcome, and keep all in ``done``."""
    each, outcome = every[number], None
    names, table = [stage.name for stage in each.recipe.stages], plain(each.recipe)
    for index, copied, needed in _parts(steps, number):
        task = Task(
            folder=str(folder / each.name),
            recipe=table,
            last=names[index],
            copied={names[i]: str(folder / every[owner].name) for i, owner in copied.items()},
            way=way,
        )
        before = [done[key] for key in needed] + ([] if outcome is None else [outcome])
        outcome = perform(task, *before) if client is None else client.submit(perform, task, *before, pure=False)
        done[number, index] = outcome
    return outcome


def _gathered(futures: Mapping[str, Any]) -> dict[str, str | None]:
    """Wait for Dask's futures and return why combinations failed; a worker that dies is a reason."""
    from dask.distributed import as_completed  # noqa: PLC0415 - an extra, and slow to import

    names, found = {future.key: name for name, future in futures.items()}, {}
    for count, future in enumerate(as_completed(list(futures.values())), 1):  # type: ignore[no-untyped-call]
        error = future.exception()
        reason = future.result() if error is None else f"{type(error).__name__}: {one_line(error)}"
        found[names[future.key]] = reason
        announce(
            f"{count} of {len(futures)} combinations: {names[future.key]} {'is done' if reason is None else 'failed'}"
        )
    return found


def _parts(steps: list[list[int]], number: int) -> list[tuple[int, dict[int, int], list[tuple[int, int]]]]:
    """Return the tasks of a combination: its last stage, the owners of copied stages, and what has to be done before.

    A task ends where the next stage belongs to another combination, and where others wait for what was made.
    """
    mine, others = steps[number], [steps[i] for i in range(len(steps)) if i != number]
    ends = [
        index
        for index in range(len(mine))
        if index + 1 == len(mine)
        or mine[index] != mine[index + 1]
        or [other[index] == number for other in others] != [other[index + 1] == number for other in others]
    ]
    parts, start = [], 0
    for end in ends:
        copied = {index: mine[index] for index in range(start, end + 1) if mine[index] != number}
        parts.append((end, copied, [(owner, _end_of(steps, owner, index)) for index, owner in copied.items()]))
        start = end + 1
    return parts


def _end_of(steps: list[list[int]], owner: int, index: int) -> int:
    """Return the last stage of the owner's task that makes a stage."""
    return next(end for end, _, _ in _parts(steps, owner) if end >= index)


def perform(task: Task, *before: str | None) -> str | None:
    """Run a task, here or in a worker; return why it failed, or why one before it did."""
    for reason in before:
        if reason is not None:
            return reason
    folder = Path(task.folder)
    if not folder.parent.is_dir():
        return f"{folder.parent} is not there for the worker; expected a folder that all workers share"
    with _alone:
        try:
            with extended([Path(each) for each in task.way.extend]):
                recipe = recipe_of(task.recipe, folder.name)
                plan = plan_of(recipe, device=task.way.device, last=task.last)
                with locked(folder):
                    for name, source in task.copied.items():
                        copy_stage(Path(source) / name, folder / name)
                    execute(plan, folder, extend=task.way.extend)
        except SpikeportError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - the other combinations go on
            return f"{type(error).__name__}: {one_line(error)}"
    return None


def copy_stage(source: Path, target: Path) -> None:
    """Copy the files and the record of a finished stage, the record last; what is the same already stays."""
    theirs, ours = records.read(source), records.read(target) if target.exists() else None
    if theirs is None or not theirs.done:
        return
    if ours is not None and (ours.done, ours.settings, ours.inputs) == (True, theirs.settings, theirs.inputs):
        return
    empty(target)
    records.write(msgspec.structs.replace(theirs, done=False), target)
    for output in theirs.outputs.values():
        place = target / output.file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / output.file, place)
    records.write(theirs, target)


def _records(combination: Combination, folder: Path) -> dict[str, Record]:
    found = {stage.name: records.read(folder / combination.name / stage.name) for stage in combination.recipe.stages}
    return {name: record for name, record in found.items() if record is not None}
