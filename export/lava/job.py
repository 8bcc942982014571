"""A job folder: everything the worker needs besides Python 3.10 and lava-nc."""

import json
import shutil
from pathlib import Path

import numpy as np

from spikeport.export import archive
from spikeport.export.children import PACKAGE
from spikeport.export.network import IntegerNetwork
from spikeport.export.stimulus import Stimulus

WORKER_MODULES = (
    "__init__",
    "export/__init__",
    "export/errors",
    "export/files",
    "export/fixed_point",
    *(f"export/{name}" for name in ("numbers", "inputs", "tensors")),
    *(f"export/network/{name}" for name in ("__init__", "arrays", "stages", "populations", "projections", "graph")),
    *(f"export/{name}" for name in ("archive", "linear", "biases")),
    "export/lava/__init__",
    *(f"export/lava/{name}" for name in ("builder", "life", "processes", "remains", "worker")),
)
"""The modules of `spikeport` that run in Lava's Python."""


def write(network: IntegerNetwork, stimulus: Stimulus, folder: Path, *, guarded: bool = False) -> None:
    """Write network, input and the worker's own modules to ``folder``; a ``guarded`` job has a supervisor."""
    for module in WORKER_MODULES:
        target = folder / "spikeport" / f"{module}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PACKAGE / f"{module}.py", target)
    archive.write(network, folder / "network.safetensors")
    np.save(folder / "stimulus.npy", stimulus.values, allow_pickle=False)
    settings = {"held": stimulus.held, "guarded": guarded}
    (folder / "job.json").write_text(json.dumps(settings), encoding="utf-8")
