"""A job folder: everything the worker needs besides Python 3.10 and lava-nc."""

import json
import shutil
from pathlib import Path

import numpy as np

from export import archive
from export.network import IntegerNetwork
from export.stimulus import Stimulus

WORKER_MODULES = (
    "__init__",
    "errors",
    "files",
    "fixed_point",
    "network",
    "archive",
    "lava/__init__",
    "lava/processes",
    "lava/worker",
)


def write(network: IntegerNetwork, stimulus: Stimulus, folder: Path, *, guarded: bool = False) -> None:
    """Write network, input and the worker's own modules to ``folder``; a ``guarded`` worker ends with its parent."""
    package = Path(__file__).parents[1]
    for module in WORKER_MODULES:
        target = folder / "export" / f"{module}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / f"{module}.py", target)
    archive.write(network, folder / "network.safetensors")
    np.save(folder / "stimulus.npy", stimulus.values, allow_pickle=False)
    settings = {"held": stimulus.held, "guarded": guarded}
    (folder / "job.json").write_text(json.dumps(settings), encoding="utf-8")
