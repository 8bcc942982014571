"""Processes that share the parts of a worst case: of this machine, or the workers of a Dask scheduler."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from spikeport.export.cluster import Cluster, connected
from spikeport.export.errors import ExecutorError, SpikeportError, one_line
from spikeport.toolchain.robustness.processes import pool

Made = TypeVar("Made")
SECONDS = 10
"""How long a scheduler may take to answer."""
RETRIES = 5
"""How often a part is given to another worker when one dies."""
_alone = threading.Lock()
"""Gradients exchange the surrogate of a worker's network, so a worker with several threads runs a part at a time."""


@contextmanager
def executor_of(cluster: Cluster | None) -> Iterator[Executor | None]:
    """Yield what `worst_case` takes as ``executor``: None for this process alone.

    Processes of this machine are started here and end with the block. `ExecutorError` where no scheduler answers, or
    where a worker fails.
    """
    if cluster is None:
        yield None
    elif cluster.address is None:
        with pool(cluster.workers) as executor:
            yield executor
    else:
        with connected(cluster, retries=RETRIES, seconds=SECONDS) as client:
            try:
                yield Workers(client)
            except SpikeportError:
                raise
            except Exception as error:
                raise ExecutorError(f"a worker failed: {type(error).__name__}: {one_line(error)}") from error


class Workers(Executor):
    """A Dask client as an executor that sends what it calls, which holds the networks, once to a worker."""

    def __init__(self, client: Any) -> None:
        self.client, self.futures = client, client.get_executor(pure=False, retries=RETRIES)
        self.sent: dict[int, tuple[Any, Any]] = {}

    def submit(self, fn: Callable[..., Made], /, *args: Any, **kwargs: Any) -> Future[Made]:
        """Call ``fn`` in a worker, with as many threads of PyTorch as this process has."""
        if id(fn) not in self.sent:
            self.sent = {id(fn): (fn, self.client.submit(_same, fn, pure=False, retries=RETRIES))}
        found: Future[Made] = self.futures.submit(_called, self.sent[id(fn)][1], torch.get_num_threads(), args, kwargs)
        return found


def _same(value: Made) -> Made:
    return value


def _called(call: Callable[..., Made], threads: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Made:
    with _alone:
        torch.set_num_threads(threads)
        return call(*args, **kwargs)
