"""The stages in order, each resumable from the files of the ones before it."""

import json
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec
import torch

from spikeport.export import fidelity
from spikeport.export.errors import RecipeError
from spikeport.export.executors import executor
from spikeport.export.files import locked, write_text
from spikeport.export.lava import environment
from spikeport.hardware_profiles.profile import load_profile
from spikeport.toolchain.config import Recipe
from spikeport.toolchain.data.dataset import Dataset
from spikeport.toolchain.data.digits import Digits
from spikeport.toolchain.stages import deployment, records, training
from spikeport.toolchain.stages.run import Metrics, Run

STAGES: dict[str, Callable[[Run], Metrics]] = {
    "pretrain": training.pretrain,
    "prune": training.prune,
    "convert": training.convert_network,
    "finetune": training.finetune,
    "tune_integers": training.tune_integers,
    "lower": deployment.lower_network,
    "quantize": deployment.quantize_network,
    "export": deployment.export_network,
    "check": deployment.check,
    "report": deployment.report,
}
DATASETS: dict[str, Callable[[], Dataset]] = {"digits": lambda: Digits(validation=0.0).load(0)}


def execute(recipe: Recipe, folder: Path, *, first: str | None = None, last: str | None = None) -> Path:
    """Run the stages ``first`` to ``last`` (all without them) in ``folder`` and return the folder."""
    names = list(STAGES)
    for stage in (first, last):
        if stage is not None and stage not in names:
            raise RecipeError(f"no stage {stage!r}; there are {', '.join(names)}")
    chosen = names[names.index(first or names[0]) : names.index(last or names[-1]) + 1]
    if not chosen:
        raise RecipeError(f"stage {first!r} comes after stage {last!r}")
    _look_ahead(recipe, chosen)
    with locked(folder):
        _execute(recipe, folder, chosen)
    return folder


def _execute(recipe: Recipe, folder: Path, chosen: list[str]) -> None:
    names = list(STAGES)
    run = Run(recipe, folder, DATASETS[recipe.data.name](), torch.Generator())
    records.check_unchanged(run, names[: names.index(chosen[0])])
    folder.mkdir(parents=True, exist_ok=True)
    _write_surroundings(run)
    with _threads(recipe.threads):
        for name in chosen:
            seed = (recipe.seed + 1000 * names.index(name)) % 2**63
            torch.manual_seed(seed)
            run.generator.manual_seed(seed)
            records.keep(run, name, STAGES[name](run))


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let PyTorch add with ``number`` threads, so that its rounding does not depend on the machine's cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _look_ahead(recipe: Recipe, chosen: list[str]) -> None:
    """Raise at once what a stage would raise after minutes of training, or as an error of PyTorch."""
    if "pretrain" in chosen:
        training.specified(recipe, DATASETS[recipe.data.name]())
    if "check" in chosen:
        if not set(recipe.evaluate.executors) - {fidelity.BASE}:
            raise RecipeError("evaluate.executors names nothing to compare with fast")
        for name in recipe.evaluate.executors:
            executor(name)
        if "lava" in recipe.evaluate.executors:
            environment.python()
    if "report" in chosen:
        for name in recipe.hardware.profiles:
            load_profile(name)


def _write_surroundings(run: Run) -> None:
    """Write recipe, versions and seed beside the artefacts."""
    packages = ("spikeport", "torch", "numpy", "onnx", "onnxruntime", "nir", "safetensors")
    surroundings = {
        "recipe": msgspec.to_builtins(run.recipe),
        "versions": {name: metadata.version(name) for name in packages} | {"python": platform.python_version()},
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_text(run.path("run.json"), json.dumps(surroundings, indent=1) + "\n")
