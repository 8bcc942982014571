"""One file per executor: ``steps(network, stimulus, *, batch) -> Iterator[Step]``, all with the same result."""

import importlib
import pkgutil

from export.errors import ExecutorError
from export.trace import Executor


def executor_names() -> list[str]:
    """Return the executors that run integer networks: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "floating")


def executor(name: str) -> Executor:
    """Return the ``steps`` function of an executor."""
    if name not in executor_names():
        raise ExecutorError(f"no executor {name!r}; there are {', '.join(executor_names())}")
    steps: Executor = importlib.import_module(f"{__name__}.{name}").steps
    return steps
