"""Runs the stages of a recipe in a folder; what is done already, and unchanged, is skipped."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import torch

from spikeport.export.errors import OutputError, RecipeError, TrainingError
from spikeport.export.files import locked
from spikeport.export.progress import announce
from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.named_models import naming
from spikeport.toolchain.runs.planning import Plan, inputs_of, settings_of, status_of
from spikeport.toolchain.runs.surroundings import versions, write_surroundings
from spikeport.toolchain.stages import records
from spikeport.toolchain.stages.outlines import available, source_of
from spikeport.toolchain.stages.records import Output, Record
from spikeport.toolchain.stages.run import Run, images_of
from spikeport.toolchain.stages.stage import Result, Stage
from spikeport.toolchain.training.checks import check_device, check_settings
from spikeport.toolchain.training.heap import keep_freed_memory


@dataclass(frozen=True, kw_only=True)
class Executed:
    """A run's records by stage, and the names of the stages that ran now; the others were done before."""

    records: Mapping[str, Record]
    ran: tuple[str, ...]


def execute(plan: Plan, folder: Path, *, extend: Sequence[str] = ()) -> Executed:
    """Run the stages of ``plan`` in ``folder``, each in a folder of its own; see `spikeport.toolchain.runs.planning`.

    ``extend``: the folders that added choices, for the run's own file.
    """
    look_ahead(plan)
    with locked(folder), _threads(plan.recipe.threads):
        check_before(plan, folder)
        write_surroundings(plan.recipe, folder, device=plan.device, extend=extend)
        return _execute(plan, folder)


def check_before(plan: Plan, folder: Path) -> None:
    """Refuse to start with a stage where one before it is not done, or changed."""
    kept: dict[str, Record] = {}
    for index, stage in enumerate(plan.recipe.stages[: plan.first]):
        status = status_of(plan, folder, index, kept)
        if status.runs or status.record is None:
            raise RecipeError(
                f"stage {stage.name!r} {status.why} in {folder}, and stands before {plan.name(plan.first)!r}; "
                f"run it first: --from {stage.name}"
            )
        kept[stage.name] = status.record


def _execute(plan: Plan, folder: Path) -> Executed:
    kept: dict[str, Record] = {}
    ran = []
    for index, stage in enumerate(plan.recipe.stages[: plan.last + 1]):
        status = status_of(plan, folder, index, kept)
        if status.runs:
            kept[stage.name] = _run(plan, folder, index, kept, resumed=status.resumes)
            ran.append(stage.name)
        elif status.record is not None:
            kept[stage.name] = status.record
            if index >= plan.first:
                announce(f"{stage.name}: {status.why}, skipped")
    return Executed(records=kept, ran=tuple(ran))


def _run(plan: Plan, folder: Path, index: int, kept: Mapping[str, Record], *, resumed: bool) -> Record:
    """Run one stage and keep its record."""
    stage, recipe = plan.recipe.stages[index], plan.recipe
    place = folder / stage.name
    if not resumed:
        empty(place)
    started = _started(plan, index, kept)
    records.write(started, place)
    run = Run(
        recipe=recipe,
        data=plan.data,
        folder=place,
        seed=started.seed,
        device=plan.device,
        records=_before(plan, index, kept),
    )
    announce(f"{stage.name}: {'goes on' if resumed else 'starts'}")
    clock = time.monotonic()
    torch.manual_seed(started.seed)
    with naming({name: folder / path for name, (path, _) in plan.models(index, kept).items()}):
        result = stage.run(run, plan.artefacts(folder, index, kept))
    finished = msgspec.structs.replace(
        started,
        done=True,
        outputs=_outputs(result, place),
        seconds=round(time.monotonic() - clock, 3),
        metrics=result.metrics,
    )
    records.write(finished, place)
    return finished


def _started(plan: Plan, index: int, kept: Mapping[str, Record]) -> Record:
    stage = plan.recipe.stages[index]
    return Record(
        name=stage.name,
        stage=tag_of(stage),
        done=False,
        settings=settings_of(plan.recipe, stage),
        inputs=inputs_of(plan, index, kept),
        seed=records.seed_of(plan.recipe.seed, stage.name),
        threads=plan.recipe.threads,
        device=plan.device,
        versions=versions(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _before(plan: Plan, index: int, kept: Mapping[str, Record]) -> dict[str, Record]:
    return {stage.name: kept[stage.name] for stage in plan.recipe.stages[:index] if stage.name in kept}


def _outputs(result: Result, place: Path) -> dict[str, Output]:
    """Return the stage's files with their digests; raises where the stage did not write one."""
    outputs = {}
    for kind, path in result.artefacts.items():
        digest = records.digest_of_file(path)
        if digest is None:
            raise OutputError(f"{path}: stage {place.name!r} has not written its {kind}")
        outputs[kind] = Output(file=str(path.relative_to(place)), digest=digest)
    return outputs


def empty(place: Path) -> None:
    """Remove what an earlier run of a stage left in its folder, the record last; refuse a folder of somebody else's."""
    if not place.exists():
        place.mkdir(parents=True)
        return
    inside = [each for each in place.iterdir() if each.name != records.NAME]
    if inside and not (place / records.NAME).is_file():
        raise OutputError(
            f"{place}: holds files but no {records.NAME}, so it is no folder of a stage; choose another --out"
        )
    for each in inside:
        shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let PyTorch add with ``number`` threads, so that its rounding does not depend on the machine's cores."""
    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def look_ahead(plan: Plan) -> None:
    """Raise at once what a stage would raise after minutes of training, or as an error of PyTorch."""
    images = images_of(plan.data)
    made: dict[str, dict[str, str]] = {}
    for index, stage in enumerate(plan.recipe.stages[: plan.last + 1]):
        before = source_of(plan.recipe.stages, index)
        there = {} if before is None else made[before]
        if index >= plan.first:
            stage.look_ahead(images, plan.recipe, there)
            _check_training(plan, stage)
        made[stage.name] = available(stage, there)


def _check_training(plan: Plan, stage: Stage) -> None:
    """Refuse settings of a training that do not suit the data, its objective or the device."""
    training, objective = getattr(stage, "training", None), getattr(stage, "objective", None)
    if training is None or objective is None:
        return
    try:
        check_settings(plan.data, objective, training)
        check_device(plan.device, training)
    except TrainingError as error:
        raise TrainingError(f"stage {stage.name!r}: {error}") from None
