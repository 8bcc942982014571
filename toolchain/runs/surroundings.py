"""``run.json``: the recipe of a run, and where and by what it was run."""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from spikeport.export.errors import RecipeError
from spikeport.export.files import write_text
from spikeport.export.inputs import LARGEST_TEXT, read_bytes
from spikeport.export.tensors import strict_json
from spikeport.toolchain.recipes.reader import plain, recipe_of
from spikeport.toolchain.stages.recipe import Recipe

NAME = "run.json"
PACKAGES = ("spikeport", "torch", "numpy", "onnx", "onnxruntime", "nir", "safetensors")


def write_surroundings(recipe: Recipe, folder: Path, *, device: str, extend: Sequence[str]) -> None:
    """Write recipe, versions, machine and the folders that added choices."""
    surroundings = {
        "recipe": plain(recipe),
        "versions": versions(),
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
        "device": device,
        "extend": list(extend),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_text(folder / NAME, json.dumps(surroundings, indent=1) + "\n")


def recipe_in(folder: Path) -> tuple[Recipe, str]:
    """Return recipe and device of the run in ``folder``; `RecipeError` where there is none, or it cannot be read."""
    path = folder / NAME
    data = read_bytes(path, RecipeError, most=LARGEST_TEXT, expected=f"the folder of a run, which holds {NAME}")
    try:
        values: Any = strict_json(data.decode("utf-8"))
        table, extend, device = values["recipe"], values["extend"], values["device"]
    except (ValueError, KeyError, TypeError) as error:
        raise RecipeError(f"{path}: damaged ({error}); give the recipe again instead of --resume") from None
    if not isinstance(table, dict) or not isinstance(device, str) or not isinstance(extend, list):
        raise RecipeError(f"{path}: damaged (recipe, device or extend); give the recipe again instead of --resume")
    try:
        return recipe_of(table, str(path)), device
    except RecipeError as error:
        if extend:
            options = " ".join(f"--extend {each}" for each in extend)
            raise RecipeError(f"{error}; the run was started with {options}: give it again") from None
        raise


def versions() -> dict[str, str]:
    """Return the versions of what computes, as far as it is installed."""
    found = {name: _version(name) for name in PACKAGES}
    return {name: version for name, version in found.items() if version} | {"python": platform.python_version()}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
