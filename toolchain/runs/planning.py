"""What a run will do: which stages, on which data and device, and of each whether it runs or is skipped, and why."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import torch

from spikeport.export.errors import RecipeError
from spikeport.toolchain.data.dataset import PIXEL_LEVELS, Dataset
from spikeport.toolchain.stages import records
from spikeport.toolchain.stages.inside import models_of
from spikeport.toolchain.stages.outlines import models, source_of
from spikeport.toolchain.stages.recipe import Recipe
from spikeport.toolchain.stages.records import Record, digest_of_file, digest_of_values
from spikeport.toolchain.stages.stage import Stage
from spikeport.toolchain.tables import cut, nearest

DEVICES = ("auto", "cpu", "cuda", "mps")
INTERRUPTED = "was interrupted"
MEASURED = "is measured in another way than before (evaluate)"
"""The two reasons for which a stage finds its folder as it left it, and goes on from there."""
NOT_SETTINGS = ("name", "title", "from")
"""Keys of a stage that do not change what it makes: what goes in is known by its digest."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A recipe with its data; stages ``first`` to ``last`` (indices) are wanted, ``first`` even if it is done.

    ``forced``: whether ``first`` was asked for.
    """

    recipe: Recipe
    data: Dataset
    device: str
    first: int
    last: int
    forced: bool

    def name(self, index: int) -> str:
        """Return the name of a stage."""
        return self.recipe.stages[index].name

    @cached_property
    def data_digest(self) -> str:
        """Return the SHA-256 of all images, labels and statistics."""
        return digest_of(self.data)

    def outputs(self, index: int, kept: Mapping[str, Record]) -> dict[str, tuple[str, str]]:
        """Return what goes into a stage: by kind the path within the run's folder, and its digest."""
        before = source_of(self.recipe.stages, index)
        if before is None:
            return {}
        position = next(i for i, stage in enumerate(self.recipe.stages) if stage.name == before)
        own = {kind: (f"{before}/{each.file}", each.digest) for kind, each in kept[before].outputs.items()}
        return {**self.outputs(position, kept), **own}

    def artefacts(self, folder: Path, index: int, kept: Mapping[str, Record]) -> dict[str, Path]:
        """Return the files that go into a stage, by kind."""
        return {kind: folder / path for kind, (path, _) in self.outputs(index, kept).items()}

    def models(self, index: int, kept: Mapping[str, Record]) -> dict[str, tuple[str, str]]:
        """Return the networks of other stages that a stage names: path within the run's folder, and digest."""
        found = {name: kept[name].outputs["model"] for _, name in models_of(self.recipe.stages[index])}
        return {name: (f"{name}/{each.file}", each.digest) for name, each in found.items()}


@dataclass(frozen=True, kw_only=True)
class Status:
    """Whether a stage runs, and why; ``record`` is what it left, ``resumes`` whether it goes on from there."""

    runs: bool
    why: str
    record: Record | None = None
    resumes: bool = False


def plan_of(
    recipe: Recipe,
    *,
    device: str = "auto",
    first: str | None = None,
    last: str | None = None,
    data: Dataset | None = None,
) -> Plan:
    """Return the plan of a run; `RecipeError` where a stage or the device does not exist, `DataError` without data.

    ``data``: what `data_of` gave, where it is there already.
    """
    names = [stage.name for stage in recipe.stages]
    for name in (first, last):
        if name is not None and name not in names:
            raise RecipeError(f"no stage {cut(name)!r}; there are {', '.join(names)}{nearest(name, names)}")
    start, end = (names.index(first) if first else 0), (names.index(last) if last else len(names) - 1)
    if start > end:
        raise RecipeError(f"stage {first!r} comes after stage {last!r}")
    chosen = device_of(device)
    loaded = data_of(recipe) if data is None else data
    return Plan(recipe=recipe, data=loaded, device=chosen, first=start, last=end, forced=first is not None)


def data_of(recipe: Recipe) -> Dataset:
    """Return the recipe's data, parted by its seed."""
    return recipe.data.load(records.seed_of(recipe.seed, "data"))


def device_of(name: str) -> str:
    """Return the device of a name, the fastest one for 'auto'; `RecipeError` where it is not there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(each for each in ("cuda", "mps", "cpu") if there[each])
    if name not in there:
        raise RecipeError(f"no device {cut(name)!r}; expected {', '.join(DEVICES)}")
    if not there[name]:
        usable = ", ".join(each for each, is_there in there.items() if is_there)
        raise RecipeError(f"PyTorch finds no device {name!r} here; expected {usable} or auto")
    return name


def status_of(plan: Plan, folder: Path, index: int, kept: Mapping[str, Record]) -> Status:
    """Return whether a stage runs; ``kept`` are the records that hold of the stages before it.

    A stage whose inputs are not all in ``kept`` runs because a stage before it does.
    """
    record = records.read(folder / plan.name(index))
    if record is None:
        return Status(runs=True, why="has not run")
    reasons = list(_reasons(plan, folder, index, kept, record))
    if not reasons:
        return Status(runs=False, why="done before", record=record)
    return Status(runs=True, why=reasons[0], record=record, resumes=set(reasons) <= {INTERRUPTED, MEASURED})


def _reasons(plan: Plan, folder: Path, index: int, kept: Mapping[str, Record], record: Record) -> Iterator[str]:
    """Yield why a stage runs again; none where its record still holds."""
    missing = _not_kept(plan, index, kept)
    if missing is not None:
        yield f"comes after {missing}, which runs"
        return
    changed = records.differences(settings_of(plan.recipe, plan.recipe.stages[index]), record.settings)
    if changed:
        only_measured = all(key.split(".")[0] == "evaluate" for key in changed)
        yield MEASURED if only_measured else f"has other settings than before ({', '.join(changed[:3])})"
    for kind in records.differences(inputs_of(plan, index, kept), record.inputs):
        yield f"is given another {kind} than before"
    if not record.done:
        yield INTERRUPTED
    for output in record.outputs.values():
        found = records.digest_of_file(folder / plan.name(index) / output.file)
        if found != output.digest:
            yield f"{'lacks' if found is None else 'has another'} {output.file}"
    if plan.forced and index == plan.first:
        yield "is asked for (--from)"


def _not_kept(plan: Plan, index: int, kept: Mapping[str, Record]) -> str | None:
    """Return a stage whose outcome goes into this one and is not known."""
    stages = plan.recipe.stages
    if stages[index].SEES_RECORDS:
        return next((stage.name for stage in stages[:index] if stage.name not in kept), None)
    named = next((name for _, name in models_of(stages[index]) if name not in kept), None)
    before = source_of(stages, index)
    if named is not None or before is None:
        return named
    if before not in kept:
        return before
    return _not_kept(plan, next(i for i, stage in enumerate(stages) if stage.name == before), kept)


def settings_of(recipe: Recipe, stage: Stage) -> dict[str, Any]:
    """Return everything of a recipe that changes what a stage makes, beside what goes in.

    Steps, neurons and codings change no ANN: combinations of a matrix that differ in them share the stages before the
    conversion.
    """
    own = {key: value for key, value in msgspec.to_builtins(stage).items() if key not in NOT_SETTINGS}
    found = plain({**{key: _used(recipe, key) for key in stage.USES}, **own})
    if "spiking" in found and models(recipe.stages).get(stage.name) == "ann":
        del found["spiking"]
    elif "spiking" in found and not recipe.spiking.noise:
        del found["spiking"]["noise"]
    return found


def _used(recipe: Recipe, path: str) -> Any:
    value: Any = recipe
    for key in path.split("."):
        value = getattr(value, key)
    return msgspec.to_builtins(value)


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as JSON gives them back."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(values))
    return found


def inputs_of(plan: Plan, index: int, kept: Mapping[str, Record]) -> dict[str, str]:
    """Return the digests of what goes into a stage."""
    stage = plan.recipe.stages[index]
    found = {kind: digest for kind, (_, digest) in plan.outputs(index, kept).items()}
    inputs = found if stage.TAKES is None else {kind: found[kind] for kind in stage.TAKES if kind in found}
    inputs = {**inputs, **{f"model of {name}": digest for name, (_, digest) in plan.models(index, kept).items()}}
    if "data" in stage.USES:
        inputs = {**inputs, "images": plan.data_digest}
    file = plan.recipe.network.file() if "network" in stage.USES else None
    if file is not None:
        inputs = {**inputs, "network": str(digest_of_file(file))}
    own = stage.file()
    if own is not None:
        inputs = {**inputs, own.name: str(digest_of_file(own))}
    if stage.SEES_RECORDS:
        titles = [(each.name, each.title) for each in plan.recipe.stages[:index]]
        measured = [(name, record.metrics) for name, record in kept.items() if name != stage.name]
        inputs = {**inputs, "records": digest_of_values([titles, measured])}
    return inputs


def digest_of(data: Dataset) -> str:
    """Return the SHA-256 of a dataset's arrays and statistics."""
    levels = () if data.levels == PIXEL_LEVELS else (data.levels,)
    found = hashlib.sha256(repr((data.name, data.classes, data.mean, data.std, *levels)).encode())
    for split in (data.train, data.validation, data.test, *([] if data.extra is None else [data.extra])):
        for array in (split.images, split.labels):
            found.update(repr((array.dtype, array.shape)).encode())
            found.update(array.tobytes())
    return found.hexdigest()
