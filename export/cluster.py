"""Dask clusters: one of our own for a run, which nobody else can use, or one that exists.

A scheduler runs whatever code a client sends it, as the user who started it. The local cluster therefore uses TLS
only, with a key that is made for the run and is asked of every client. Its web servers have no pages. Its workers
import nothing from the current folder, and keep what they write in a folder that is removed with them.
"""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from spikeport.export.errors import ExecutorError, one_line
from spikeport.export.scratch import scratch

SAFE_PATH = "PYTHONSAFEPATH"
TERMINAL = (signal.SIGINT, signal.SIGHUP)
"""Signals that a terminal sends to all processes of the command; its workers are ended by the command."""
LOGGERS = ("distributed", "asyncio", "tornado")
"""What they log of a cluster of ours, we either raise as an error or it ends with the cluster."""
SCHEMES = ("tcp", "tls", "ws", "wss", "ucx")
MISSING = "a cluster needs Dask and cryptography: pip install 'spikeport[cluster]'"
STALLED = "Dask's event loop did not start within 10 s, as on a machine with too many programs; run the command again"


@dataclass(frozen=True, kw_only=True)
class Tls:
    """Files in PEM form for a scheduler at ``tls://``.

    ``ca``: who signed its certificate; ``cert`` and ``key``: our certificate with its key.
    """

    ca: Path
    cert: Path
    key: Path

    def __post_init__(self) -> None:
        for name, path in vars(self).items():
            if not Path(path).is_file():
                raise ExecutorError(
                    f"{path}: no such file; expected the {name} of the Dask scheduler's TLS, a PEM file"
                )


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A Dask scheduler's ``address``, with ``tls`` where it begins with tls://, or else ``workers`` local processes."""

    address: str | None = None
    workers: int = 0
    tls: Tls | None = None

    def __post_init__(self) -> None:
        if self.address is not None and not _names_scheduler(self.address):
            raise ExecutorError(
                f"{self.address!r} is no address of a Dask scheduler; expected tcp://HOST:PORT or tls://HOST:PORT, as"
                " the scheduler prints it when it starts"
            )
        secure = (self.address or "").startswith("tls://")
        if secure and self.tls is None:
            raise ExecutorError(
                f"scheduler {self.address} uses TLS; give its certificates: --tls-ca, --tls-cert and --tls-key"
            )
        if self.tls is not None and not secure:
            raise ExecutorError(f"TLS is for schedulers at tls://, found {self.address or 'a local cluster'}")


def _names_scheduler(address: str) -> bool:
    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        return parts.scheme in SCHEMES and bool(parts.hostname) and bool(parts.port)
    except ValueError:  # a port that is no number, or too large
        return False


@contextmanager
def connected(cluster: Cluster, *, retries: int, seconds: float) -> Iterator[Any]:
    """Yield a Dask client; `ExecutorError` where no scheduler answers within ``seconds``, or none has workers.

    ``retries``: how often a local cluster gives a part to another worker when one dies.
    """
    try:
        from dask import config  # noqa: PLC0415 - an extra, and slow to import
        from dask.distributed import Client  # noqa: PLC0415
    except ImportError:
        raise ExecutorError(MISSING) from None
    with config.set({"distributed.scheduler.allowed-failures": retries}):
        if cluster.address is None:
            with _local(cluster.workers) as own, Client(own) as client:  # type: ignore[no-untyped-call]
                yield client
            return
        with _remote(cluster, cluster.address, seconds) as client:
            yield client


@contextmanager
def _local(workers: int) -> Iterator[Any]:
    """Start a cluster on this machine that takes no client but ours."""
    from dask import config  # noqa: PLC0415
    from dask.distributed import LocalCluster  # noqa: PLC0415
    from distributed.security import Security  # noqa: PLC0415

    try:
        security = Security.temporary()  # type: ignore[no-untyped-call]
    except ImportError:
        raise ExecutorError(MISSING) from None
    options: dict[str, Any] = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    options["scheduler_kwargs"] = {"dashboard": False}
    with scratch("spikeport-dask-") as folder, _quiet(), _environment(**{SAFE_PATH: "1"}), _without_current_folder():
        pages: dict[str, object] = {f"distributed.{each}.http.routes": [] for each in ("scheduler", "worker")}
        with config.set(pages | {"temporary-directory": str(folder)}), ExitStack() as stack:
            with _signals_later():
                own = stack.enter_context(LocalCluster(**options, protocol="tls://", security=security))  # type: ignore[no-untyped-call]
            yield own


@contextmanager
def _remote(cluster: Cluster, address: str, seconds: float) -> Iterator[Any]:
    from dask.distributed import Client  # noqa: PLC0415

    try:
        client = Client(address, timeout=seconds, security=_security(cluster.tls))  # type: ignore[no-untyped-call]
    except AssertionError:
        raise ExecutorError(STALLED) from None
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise ExecutorError(f"no Dask scheduler answers at {address} ({one_line(error)})") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=seconds)
        except TimeoutError:
            raise ExecutorError(f"the Dask cluster at {address} has no workers; start some") from None
        yield client


def _security(tls: Tls | None) -> Any:
    from distributed.security import Security  # noqa: PLC0415

    if tls is None:
        return None
    names = {"tls_ca_file": tls.ca, "tls_client_cert": tls.cert, "tls_client_key": tls.key}
    files = {name: str(path) for name, path in names.items()}
    return Security(require_encryption=True, **files)  # type: ignore[no-untyped-call]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log off standard error; where the process ends meanwhile, until its end, as Dask's threads go on."""
    loggers = [logging.getLogger(name) for name in (*LOGGERS, *list(logging.root.manager.loggerDict)) if _theirs(name)]
    before = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.CRITICAL)
    with _environment(**{f"DASK_LOGGING__{name.upper()}": "critical" for name in LOGGERS}):
        try:
            yield
        except (SystemExit, KeyboardInterrupt):
            before = []
            raise
        finally:
            for each, level in zip(loggers, before, strict=False):
                each.setLevel(level)


@contextmanager
def _signals_later() -> Iterator[None]:
    """Take the terminal's signals after the block; threads and processes that start inside never take them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL)
    try:
        resource_tracker.ensure_running()  # its start lifts the block of SIGINT in the thread that needs it first
        signal.pthread_sigmask(signal.SIG_BLOCK, TERMINAL)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _theirs(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in LOGGERS


@contextmanager
def _without_current_folder() -> Iterator[None]:
    """Keep the current folder off the module path of the processes that start meanwhile."""
    path, here = sys.path[:], str(Path.cwd())
    sys.path[:] = [entry for entry in path if entry not in ("", here)]
    try:
        yield
    finally:
        sys.path[:] = path


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set variables for the processes that start meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
