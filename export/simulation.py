"""Long runs in parts: kept as they finish, resumed, and shared among the workers of a Dask cluster."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export import archive
from export.errors import ExecutorError, one_line
from export.executors import executor as find_executor
from export.executors import fast
from export.files import atomic, write_text
from export.network import Array, FloatNetwork, IntegerNetwork, Network
from export.progress import tracked
from export.stimulus import Stimulus
from export.trace import add_scores, no_scores

PART = 100
"""Images of a part."""
SECONDS = 10
"""How long a scheduler may take to answer."""
RETRIES = 5
"""How often a part is given to another worker when one dies."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """Scores (N, outputs); where they were counted, ``operations``: accumulates over every projection, all samples."""

    scores: Array
    operations: Array | None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run will take, from one image: accumulates, seconds on this machine, bytes of memory."""

    operations: int
    seconds: float
    memory: int

    def sentence(self, images: int) -> str:
        """Return the estimate for people."""
        work = f"{self.operations:,} accumulates, {self.memory / 1e9:.1f} GB"
        return f"{images:,} images on this machine: about {self.seconds:.0f} s, {work}"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A Dask scheduler's ``address``, or else a local cluster of ``workers`` processes."""

    address: str | None = None
    workers: int = 0


def simulate(
    network: Network,
    driven: Stimulus,
    *,
    executor: str,
    count: bool = False,
    cluster: Cluster | None = None,
    kept: Path | None = None,
    resume: bool = False,
) -> Result:
    """Run ``network`` on ``driven`` in parts of `PART` images.

    ``kept`` is a folder for finished parts, removed at the end; with ``resume`` those in it are not run again. Raises
    `ExecutorError` where they belong to another run, where an executor cannot ``count``, or where no cluster answers.
    """
    if count and executor != "fast":
        raise ExecutorError(f"executor {executor!r} does not count; the fast one does, and 'spikeport report' too")
    rows = list(driven.batches(PART))
    done = {} if kept is None else _opened(kept, _key(network, driven, executor, count=count), rows, resume=resume)
    tasks = [part for part in rows if part.start not in done]
    run = _local if cluster is None else _distributed
    parts = run(network, driven, tasks, executor, count, cluster)
    for start, part in tracked(f"simulating in parts of {PART}", parts, len(tasks)):
        done[start] = part
        if kept is not None:
            with atomic(kept / f"{start:09}.npz") as draft, draft.open("wb") as file:
                np.savez(file, scores=part["scores"], operations=part["operations"])
    if kept is not None:
        shutil.rmtree(kept)
    ordered = [done[part.start] for part in rows]
    operations = np.sum([part["operations"] for part in ordered], axis=0) if count else None
    return Result(scores=np.concatenate([part["scores"] for part in ordered]), operations=operations)


def estimate(network: IntegerNetwork, driven: Stimulus) -> Estimate:
    """Run the first image, after once to warm up, and return what all of them will take."""
    first = driven.first(1)
    operations = _part(network, first, "fast", count=True)["operations"].sum()
    started = time.perf_counter()
    _part(network, first, "fast", count=False)
    seconds = time.perf_counter() - started
    neurons = sum(int(np.prod(population.shape)) for population in network.neurons)
    lanes = fast.BLOCK * network.steps * len(os.sched_getaffinity(0))
    weights = sum(projection.synapses.weight.size for projection in network.projections)
    memory = neurons * lanes * 4 + weights * 10
    return Estimate(operations=int(operations) * len(driven), seconds=seconds * len(driven), memory=memory)


def _part(
    network: Network, driven: Stimulus, executor: str, *, count: bool, threads: int | None = None
) -> dict[str, Array]:
    """Run one part."""
    real = isinstance(network, FloatNetwork)
    options: dict[str, Any] = {}
    if executor == "fast":
        options = {"keep": (network.readout.name,), "count": count, "threads": threads}
    scores = no_scores(network, len(driven))
    operations = np.zeros(len(network.projections), np.int64)
    for step in find_executor(executor, real=real)(network, driven, batch=PART, **options):
        add_scores(scores, step, network)
        if step.count is not None:
            operations += np.array(step.count.operations)
    return {"scores": scores, "operations": operations}


PART_OF_A_WORKER = _part
"""What a worker of a cluster runs."""
Parts = Iterator[tuple[int, dict[str, Array]]]


def _local(
    network: Network, driven: Stimulus, rows: Sequence[slice], executor: str, count: bool, _: Cluster | None  # noqa: FBT001
) -> Parts:  # fmt: skip
    for part in rows:
        yield part.start, _part(network, driven.part(part), executor, count=count)


def _distributed(
    network: Network, driven: Stimulus, rows: Sequence[slice], executor: str, count: bool, cluster: Cluster | None  # noqa: FBT001
) -> Parts:  # fmt: skip
    from dask.distributed import as_completed  # noqa: PLC0415 - an extra, and slow to import

    assert cluster is not None
    with _client(cluster) as client:
        safe = {"pure": False, "retries": RETRIES}
        shared = client.submit(_restored, archive.to_bytes(network), **safe)
        options = {"count": count, "threads": 1}
        futures = {
            client.submit(PART_OF_A_WORKER, shared, driven.part(part), executor, **options, **safe): part.start
            for part in rows
        }
        for future in as_completed(futures):  # type: ignore[no-untyped-call]
            yield futures[future], future.result()


def _restored(data: bytes) -> Network:
    """Return the network of an archive's bytes; a worker keeps it while parts need it."""
    return archive.from_bytes(data)


@contextmanager
def _client(cluster: Cluster) -> Iterator[Any]:
    try:
        from dask import config  # noqa: PLC0415
        from dask.distributed import Client, LocalCluster  # noqa: PLC0415
    except ImportError:
        raise ExecutorError("a cluster needs Dask: pip install 'spikeport[cluster]'") from None
    with config.set({"distributed.scheduler.allowed-failures": RETRIES}):
        if cluster.address is None:
            with (
                LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=cluster.workers, threads_per_worker=1, dashboard_address=None
                ) as own,
                Client(own) as client,  # type: ignore[no-untyped-call]
            ):
                yield client
            return
        try:
            client = Client(cluster.address, timeout=SECONDS)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise ExecutorError(f"no Dask scheduler answers at {cluster.address} ({one_line(error)})") from None
        with client:
            yield client


def _key(network: Network, driven: Stimulus, executor: str, *, count: bool) -> dict[str, Any]:
    values = hashlib.sha256(np.ascontiguousarray(driven.values).data).hexdigest()
    shape = [*driven.values.shape, str(driven.values.dtype)]
    return {
        "network": archive.digest(network),
        "input": values,
        "shape": shape,
        "executor": executor,
        "count": count,
        "part": PART,
    }


def _opened(folder: Path, key: dict[str, Any], rows: Sequence[slice], *, resume: bool) -> dict[int, dict[str, Array]]:
    """Return the parts that are done; without ``resume`` the folder is begun anew."""
    path = folder / "run.json"
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    if path.is_file():
        if json.loads(path.read_text(encoding="utf-8")) != key:
            raise ExecutorError(
                f"{folder} holds parts of a run with another network, input or executor; leave out --resume"
            )
        done = {}
        for start in (part.start for part in rows if (folder / f"{part.start:09}.npz").is_file()):
            with np.load(folder / f"{start:09}.npz") as file:
                done[start] = dict(file)
        return done
    write_text(path, json.dumps(key) + "\n")
    return {}
