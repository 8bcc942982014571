"""What a run would do and cost, a line for each stage; a time that was not measured before is an estimate."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from spikeport.export.progress import duration
from spikeport.export.shown import Shown
from spikeport.hardware_profiles.columns import table
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.runs.pipeline import look_ahead
from spikeport.toolchain.runs.planning import Plan, Status, status_of
from spikeport.toolchain.stages.outlines import available, source_of
from spikeport.toolchain.stages.recipe import Recipe
from spikeport.toolchain.stages.records import Record
from spikeport.toolchain.stages.run import images_of
from spikeport.toolchain.stages.stage import Stage

BACKWARD = 2
"""A backward pass computes two products where a forward pass computes one."""
SECONDS = 1.0
"""How long this machine's speed is measured."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One stage: ``seconds`` is measured by an earlier run of it, or an estimate, or unknown; 0 where it is skipped."""

    stage: str
    name: str
    source: str
    runs: bool
    why: str
    seconds: float | None
    measured: bool


@dataclass(frozen=True, kw_only=True)
class Forecast(Shown):
    """Of every stage whether it would run; ``multiply_accumulates`` of an image through the network as an ANN."""

    lines: tuple[Line, ...]
    device: str
    multiply_accumulates: int
    per_second: float
    remark: str = ""

    def text(self) -> str:
        """Return a table, and what its times rest on."""
        rows = [
            (each.name, each.stage, each.source, "runs" if each.runs else "is skipped", each.why, _time(each))
            for each in self.lines
        ]
        shown = table(("stage", "kind", "from", "", "why", "time"), rows, left=(0, 1, 2, 3, 4))
        spent = [each.seconds for each in self.lines if each.seconds is not None]
        return (
            f"{shown}\n\nabout {_duration(sum(spent))} in all without the stages whose time is not known; "
            f"~ estimates from {self.multiply_accumulates:,} multiply-accumulates an image and {self.per_second:.3g} a "
            f"second, measured now on {self.device}; other times were recorded when the stage ran before{self.remark}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the lines and what their times rest on."""
        lines = [{name: getattr(line, name) for name in Line.__dataclass_fields__} for line in self.lines]
        speed = {"multiply_accumulates": self.multiply_accumulates, "per_second": self.per_second}
        return {"stages": lines, "device": self.device, **speed}


def forecast(plan: Plan, folder: Path) -> Forecast:
    """Return what a run of ``plan`` in ``folder`` would do; raises what the run would raise at its start."""
    look_ahead(plan)
    model = ANN(plan.recipe.network.specification(images_of(plan.data)))
    work, speed = multiply_accumulates(model, plan), speed_of(model, plan)
    lines = tuple(_lines(plan, folder, work / speed))
    return Forecast(lines=lines, device=plan.device, multiply_accumulates=work, per_second=speed)


def _lines(plan: Plan, folder: Path, seconds: float) -> Iterator[Line]:
    """Yield a line for every stage up to the last; ``seconds``: of one forward pass of an image as an ANN."""
    kept: dict[str, Record] = {}
    made: dict[str, Mapping[str, str]] = {}
    stages = plan.recipe.stages
    for index, stage in enumerate(stages[: plan.last + 1]):
        status = status_of(plan, folder, index, kept)
        before = source_of(stages, index)
        there = {} if before is None else made[before]
        made[stage.name] = available(stage, there)
        if not status.runs and status.record is not None:
            kept[stage.name] = status.record
        passes = passes_of(plan, stage, {**there, **made[stage.name]})
        yield _line(stage, before, status, passes * seconds)


def _line(stage: Stage, source: str | None, status: Status, guess: float) -> Line:
    runs, why, record = status.runs, status.why, status.record
    same = record is not None and record.stage == stage.__struct_config__.tag and "settings" not in why
    known = record.seconds if record is not None and same else None
    seconds = 0.0 if not runs else known if known is not None else (guess or None)
    return Line(
        stage=str(stage.__struct_config__.tag),
        name=stage.name,
        source=source or "",
        runs=runs,
        why=why,
        seconds=seconds,
        measured=known is not None or not runs,
    )


def passes_of(plan: Plan, stage: Stage, there: Mapping[str, str]) -> float:
    """Return about how many forward passes of an image as an ANN a stage takes; 0 where nobody can say."""
    recipe, images = plan.recipe, len(plan.data.train)
    steps = recipe.spiking.steps if there.get("model") == "snn" else 1
    training, objective = getattr(stage, "training", None), getattr(stage, "objective", None)
    passes = 0.0
    if training is not None and objective is not None and _learns(stage):
        shown = images / (1 - plan.data.ratio) if training.extra else images
        passes += training.epochs * shown * per_image(objective) * steps
    if stage.__struct_config__.tag == "convert":
        batches = getattr(stage, "batches", 0) * getattr(stage, "batch_size", 0)
        passes += min(batches, images) * getattr(stage, "steps", 0)
    if "evaluate" in stage.USES and there.get("model") and stage.__struct_config__.tag != "report":
        passes += held_out(recipe, plan) * (attack_passes(recipe.evaluate.attack) + 2) * steps
    if stage.__struct_config__.tag == "attack":
        count = min(getattr(stage, "images", None) or len(plan.data.test), len(plan.data.test))
        each = sum(attack_passes(attack) + 1 for attack in getattr(stage, "attacks", list)())
        each += examined_passes(stage)
        passes += count * each * len(getattr(stage, "epsilons", ())) * steps
    return passes


def _learns(stage: Stage) -> bool:
    pruner = getattr(stage, "pruner", None)
    return pruner is None or bool(getattr(pruner, "learns", True))


def held_out(recipe: Recipe, plan: Plan) -> int:
    """Return how many images are evaluated."""
    return min(recipe.evaluate.images or len(plan.data.test), len(plan.data.test))


def per_image(objective: Any) -> float:
    """Return the forward passes that training on an image costs: its own, and those of an attack."""
    attack = getattr(objective, "attack", None)
    outputs = 1 if attack is None else 2  # the clean image, and the attacked one
    return outputs * (1 + BACKWARD) + (0 if attack is None else 1 + attack_passes(attack))


def examined_passes(stage: Any) -> float:
    """Return the forward passes an image costs where a stage of attack looks for masked gradients at an epsilon."""
    checks = getattr(stage, "obfuscation", None)
    if checks is None:
        return 0.0
    followed = [attack for attack in stage.attacks() if attack.NEEDS_GRADIENT]
    iterated = len(followed) * (sum(checks.iterations) + max(checks.iterations) + 1) * (1 + BACKWARD)
    swept = sum(map(attack_passes, followed)) * len(checks.sweep(max(stage.epsilons)))
    return float(iterated + swept + checks.queries + checks.samples)


def attack_passes(attack: Any) -> float:
    """Return the forward passes that attacking an image costs; a backward pass is two."""
    members = getattr(attack, "attacks", None) or getattr(attack, "members", None)
    if isinstance(members, Sequence) and not isinstance(members, str):
        return sum(attack_passes(each) for each in members)
    if hasattr(attack, "queries"):
        return float(attack.queries)
    steps = getattr(attack, "steps", 1) * getattr(attack, "restarts", 1)
    return float(steps * (1 + BACKWARD))


def multiply_accumulates(model: ANN, plan: Plan) -> int:
    """Return the multiply-accumulates of an image through the network as an ANN."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.zeros(1, *plan.data.shape))
    return int(counter.get_total_flops() // 2)


def speed_of(model: ANN, plan: Plan) -> float:
    """Return multiply-accumulates a second in training, on the plan's device and threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(plan.recipe.threads)
    try:
        return multiply_accumulates(model, plan) / _seconds_of_a_pass(model.to(plan.device).train(), plan)
    finally:
        torch.set_num_threads(before)


def _seconds_of_a_pass(model: ANN, plan: Plan) -> float:
    """Return the seconds that a forward pass takes for each image of a batch, as a share of forward and backward."""
    settings = [getattr(stage, "training", None) for stage in plan.recipe.stages]
    size = max((each.batch_size for each in settings if each is not None), default=64)
    images = torch.rand(size, *plan.data.shape, device=plan.device)
    labels = torch.zeros(size, dtype=torch.long, device=plan.device)
    runs, started = 0, 0.0
    while not runs or time.monotonic() - started < SECONDS:
        functional.cross_entropy(model(images), labels).backward()  # type: ignore[no-untyped-call]
        runs += 1
        started = started or time.monotonic()  # the first run is slower
        if plan.device == "cuda":
            torch.cuda.synchronize()
    return (time.monotonic() - started) / max(runs - 1, 1) / size / (1 + BACKWARD)


def _time(line: Line) -> str:
    if not line.runs:
        return ""
    if line.seconds is None:
        return "not known"
    return _duration(line.seconds) + ("" if line.measured else " ~")


def _duration(seconds: float) -> str:
    return duration(seconds) if seconds >= 1 else "under 1 s"
