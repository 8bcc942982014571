"""One file per executor, each a `spikeport.export.trace.Executor`, all with the same result for the same network.

A file holds ``steps`` and, in ``NETWORKS``, the types of networks that it runs. One that cannot run every network of
these types has ``check(network)``, which raises the `SpikeportError` that ``steps`` would raise, and runs nothing.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import Any, TypeVar, overload

from spikeport.export.errors import ExecutorError, SpikeportError
from spikeport.export.network import IntegerNetwork, Network
from spikeport.export.trace import Executor

Kind = TypeVar("Kind", bound=Network)


def executor_names(kind: type[Network] = IntegerNetwork) -> list[str]:
    """Return the executors that run networks of ``kind``, from the files of this folder."""
    return [name for name in _files() if kind in _module(name).NETWORKS]


@overload
def executor(name: str) -> Executor[IntegerNetwork]: ...
@overload
def executor(name: str, kind: type[Kind]) -> Executor[Kind]: ...
def executor(name: str, kind: type[Any] = IntegerNetwork) -> Executor[Any]:
    """Return the ``steps`` of an executor of networks of ``kind``; `ExecutorError` where none has that name."""
    if name not in _files() or kind not in _module(name).NETWORKS:
        names = ", ".join(executor_names(kind))
        raise ExecutorError(f"no executor {name!r} for {kind.kind} networks; there are {names}")
    steps: Executor[Any] = _module(name).steps
    return steps


def ask(name: str, network: Network) -> SpikeportError | None:
    """Return why an executor cannot run ``network``, or None; nothing runs. Raises where no executor has that name."""
    module, kind = _module(known(name)), type(network)
    if kind not in module.NETWORKS:
        kinds = " and ".join(each.kind for each in module.NETWORKS)
        return ExecutorError(f"it runs {kinds} networks; this one is {kind.kind}")
    try:
        getattr(module, "check", lambda _: None)(network)
    except SpikeportError as error:
        return error
    return None


def known(name: str) -> str:
    """Return the name of an executor of any networks; `ExecutorError` where none has it."""
    if name not in _files():
        raise ExecutorError(f"no executor {name!r}; there are {', '.join(_files())}")
    return name


def _files() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")
