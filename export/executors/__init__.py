"""One file per executor: ``steps(network, stimulus, *, batch) -> Iterator[Step]``, all with the same result.

Integer networks run in all but `floating`; float networks in `FLOAT_EXECUTORS`.
"""

import importlib
import pkgutil

from spikeport.export.errors import ExecutorError
from spikeport.export.trace import Executor

FLOAT_EXECUTORS = ("floating", "onnx")


def executor_names() -> list[str]:
    """Return the executors that run integer networks: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "floating")


def executor(name: str, *, real: bool = False) -> Executor:
    """Return the ``steps`` function of an executor of integer networks, or of ``real`` (float) ones."""
    names = FLOAT_EXECUTORS if real else executor_names()
    if name not in names:
        kind = "float" if real else "integer"
        raise ExecutorError(f"no executor {name!r} for {kind} networks; there are {', '.join(names)}")
    steps: Executor = importlib.import_module(f"{__name__}.{name}").steps
    return steps
