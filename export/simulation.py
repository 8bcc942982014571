"""Long runs in parts: kept as they finish, resumed, and shared among the workers of a Dask cluster."""

import hashlib
import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export import archive
from spikeport.export.cluster import Cluster, connected
from spikeport.export.crossings import Costed, costed, sent_by
from spikeport.export.errors import ExecutorError, SpikeportError, one_line
from spikeport.export.estimates import Estimate, resident, rough
from spikeport.export.executors import executor as find_executor
from spikeport.export.executors import fast
from spikeport.export.files import locked, write_arrays
from spikeport.export.geometry import geometry_of
from spikeport.export.network import Array, FloatNetwork, IntegerNetwork, Network
from spikeport.export.progress import Progress, tracked
from spikeport.export.saved_spikes import Watch
from spikeport.export.stimulus import Stimulus
from spikeport.export.three_counts import COLUMNS, Verification, compared, sampled_images, verification
from spikeport.export.trace import Sampled, Scores, Step, score_rule

PART, WATCHED = 100, 10
"""Images of a part; of a batch whose steps are watched."""
SECONDS = 10
"""How long a scheduler may take to answer."""
QUICK = 1.0
"""Seconds that an estimate may take."""
RETRIES = 5
"""How often a part of a local cluster is given to another worker when one dies; a scheduler has its own limit."""


@dataclass(frozen=True, kw_only=True)
class _Way:
    """How every part is run.

    ``sampled``: images whose operations are counted in other ways, too; by event the first of all, where this part has
    it (``first``).
    """

    executor: str
    score: str | None = None
    count: bool = False
    sampled: tuple[int, ...] = ()
    first: bool = True

    def of(self, part: slice) -> "_Way":
        """Return the way of one part, whose images have numbers of their own."""
        sampled = tuple(number - part.start for number in self.sampled if part.start <= number < part.stop)
        return replace(self, sampled=sampled, first=part.start == 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """Scores (N, outputs); where they were counted, ``operations``: accumulates over every projection, all samples.

    ``operations`` are spike counts times fan-outs; ``verification`` has other counts of sampled images beside.
    ``parts`` are the files of finished parts; `discard` removes them once the result is safe.
    """

    scores: Array
    operations: Array | None
    parts: tuple[Path, ...] = ()
    verification: Verification | None = None

    def discard(self) -> None:
        """Remove the files of the parts, and their folder where nothing else lies in it."""
        for path in self.parts:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in self.parts}:
            with suppress(OSError):
                folder.rmdir()


def simulate(
    network: Network,
    stimulus: Stimulus,
    *,
    executor: str,
    score: str | None = None,
    count: bool = False,
    cluster: Cluster | None = None,
    kept: Path | None = None,
    resume: bool = False,
    verify: int = 0,
    watches: Sequence[Watch] = (),
) -> Result:
    """Run ``network`` on ``stimulus`` in parts of `PART` images; ``score`` as `trace.score_rule` takes it.

    ``kept`` is a folder for finished parts, whose names begin with a digest of network, input and executor; with
    ``resume`` those of this run are not run again. A float network that is to ``count`` has the populations of its
    folded form (`spikeport.export.crossings`), whose projections are counted. Of ``verify`` images the counted
    operations are held against others (`spikeport.export.three_counts`). ``watches`` are given every step, in
    order, and go without cluster and resumed parts. Raises `ExecutorError` where an executor cannot ``count`` or where
    no cluster answers, `OutputError` where another run writes to ``kept``.
    """
    if count and executor != "fast" and isinstance(network, IntegerNetwork):
        raise ExecutorError(f"executor {executor!r} does not count; the fast one does, and 'spikeport report' too")
    counted = _counted(network) if count else None
    rows = list(stimulus.batches(PART))
    sampled = sampled_images(len(stimulus), verify) if count else ()
    way = _Way(executor=executor, score=score_rule(network, score), count=count, sampled=sampled)
    if watches and (resume or cluster is not None):
        raise ExecutorError("steps are watched in this process, from the first on; leave cluster and resume out")
    paths = {} if kept is None else _paths(kept, _key(network, stimulus, way), rows)
    with nullcontext() if kept is None else locked(kept):
        outputs = int(np.prod(network.readout.shape))
        synapses: Network = counted.synapses if counted else network
        sizes = (outputs, len(synapses.projections), len(synapses.on_chip))
        done = _finished(paths, rows, way, sizes) if resume else {}
        tasks = [part for part in rows if part.start not in done]
        if cluster is None:
            parts = _local(network, stimulus, tasks, way, watches)
        else:
            parts = _distributed(network, stimulus, tasks, way, cluster)
        for start, part in parts if cluster is None else tracked(f"simulating in parts of {PART}", parts, len(tasks)):
            done[start] = part
            if kept is not None:
                write_arrays(paths[start], part)
    ordered = [done[part.start] for part in rows]
    operations = np.sum([part["operations"] for part in ordered], axis=0) if count else None
    scores = np.concatenate([part["scores"] for part in ordered])
    return Result(
        scores=scores,
        operations=operations,
        parts=tuple(paths.values()),
        verification=verification(synapses, sampled, [each for part in ordered for each in part["compared"]]),
    )


def estimate(network: IntegerNetwork, stimulus: Stimulus, *, count: bool = False) -> Estimate:
    """Return what all images will take in the fast executor, measured on the first where that is quick.

    Sizes alone answer where the whole run takes less than a second, and where one block per core would take longer than
    the caller should wait without a word. Else one block per core is run, after once to build tables and to warm up.
    """
    guess = rough(network, stimulus, block=fast.BLOCK)
    first = stimulus.first(min(len(stimulus), fast.BLOCK * len(os.sched_getaffinity(0))))
    if guess.seconds < QUICK or len(first) == len(stimulus) or rough(network, first, block=fast.BLOCK).seconds > QUICK:
        return guess
    started = time.perf_counter()
    operations = _part(network, first, _Way(executor="fast", count=True))["operations"].sum()
    way = _Way(executor="fast", count=count)
    _part(network, first, way)
    warm = time.perf_counter()
    _part(network, first, way)
    now, share = time.perf_counter(), len(stimulus) / len(first)
    building = max(0.0, warm - started - 2 * (now - warm))
    return Estimate(
        operations=int(operations * share),
        seconds=building + (now - warm) * share,
        memory=resident(),
        measured=True,
    )


def _part(
    network: Network,
    stimulus: Stimulus,
    way: _Way,
    *,
    threads: int | None = None,
    watches: Sequence[Watch] = (),
    whole: bool = False,
) -> dict[str, Array]:
    """Run one part; steps of which the ``whole`` network is watched come in smaller batches."""
    options: dict[str, Any] = {}
    if way.executor == "fast":
        keep = None if whole else (network.readout.name,)
        options = {"keep": keep, "count": way.count, "threads": threads, "sampled": way.sampled}
    scores = Scores(network, len(stimulus), way.score)
    counted = _counted(network) if way.count else None
    synapses: Network = counted.synapses if counted else network
    operations = np.zeros(len(synapses.projections), np.int64)
    numbers = np.zeros((len(way.sampled), len(synapses.on_chip), COLUMNS), np.int64)
    batch = WATCHED if whole else PART
    for step in find_executor(way.executor, type(network))(network, stimulus, batch=batch, **options):
        scores.add(step)
        for watch in watches:
            watch(step)
        if counted is not None:
            operations += counted.crossed(step)
            _add_events(numbers, counted, step, way.sampled)
        elif step.count is not None:
            operations += np.array(step.count.operations)
            _add_kernels(numbers, network, step.count.sampled, way)
    return {"scores": scores.values, "operations": operations, "compared": numbers}


def _add_events(numbers: Array, counted: Costed, step: Step, sampled: Sequence[int]) -> None:
    """Add to ``numbers`` the two counts of a step of a float network in every sampled image."""
    sent = sent_by(counted.run, step)
    for position, number in enumerate(sampled):
        if step.rows.start <= number < step.rows.stop:
            spikes = {name: values[number - step.rows.start][None] for name, values in sent.items()}
            image = Sampled(image=number, spikes=spikes, arrived=())
            numbers[position] += compared(counted.synapses.projections, counted.fan_outs, image, first=True)


def _add_kernels(numbers: Array, network: Network, images: Sequence[Sampled], way: _Way) -> None:
    """Add to ``numbers`` the three counts of sampled images."""
    if images:
        fan_outs = [geometry_of(network, projection).degrees for projection in network.on_chip]
        for image in images:
            first = way.first and image.image == way.sampled[0]
            numbers[way.sampled.index(image.image)] += compared(network.on_chip, fan_outs, image, first=first)


def _counted(network: Network) -> Costed | None:
    """Return the synapses to count where the executor does not: those of float networks."""
    if not isinstance(network, FloatNetwork):
        return None
    found = costed(network)
    if found.run is not network:
        raise ExecutorError("folding adds populations to the network or removes some; count on the folded network")
    return found


PART_OF_A_WORKER = _part
"""What a worker of a cluster runs."""
Parts = Iterator[tuple[int, dict[str, Array]]]


def _local(
    network: Network, stimulus: Stimulus, rows: Sequence[slice], way: _Way, watches: Sequence[Watch] = ()
) -> Parts:
    progress = Progress(f"simulating {len(stimulus)} samples, steps", enabled=way.executor != "lava")
    batch = WATCHED if watches else PART
    total = stimulus.steps * sum(-(-(part.stop - part.start) // batch) for part in rows)
    done = itertools.count(1)
    for part in rows:
        seen: list[Watch] = [partial(_watched, watch, part.start) for watch in watches]
        seen.append(lambda _: progress.update(next(done), total))
        yield part.start, _part(network, stimulus.part(part), way.of(part), watches=seen, whole=bool(watches))


def _watched(watch: Watch, start: int, step: Step) -> None:
    """Give a step of a part to ``watch`` with the numbers that its samples have among all."""
    watch(replace(step, rows=slice(start + step.rows.start, start + step.rows.stop)))


def _distributed(network: Network, stimulus: Stimulus, rows: Sequence[slice], way: _Way, cluster: Cluster) -> Parts:
    with connected(cluster, retries=RETRIES, seconds=SECONDS) as client:
        from dask.distributed import as_completed  # noqa: PLC0415 - an extra, and slow to import

        safe = {"pure": False, "retries": RETRIES}
        shared = client.submit(_restored, archive.to_bytes(network), **safe)
        futures = {
            client.submit(PART_OF_A_WORKER, shared, stimulus.part(part), way.of(part), threads=1, **safe): part.start
            for part in rows
        }
        for future in as_completed(futures):  # type: ignore[no-untyped-call]
            try:
                yield futures[future], future.result()
            except SpikeportError:
                raise
            except Exception as error:
                raise ExecutorError(f"a worker failed: {type(error).__name__}: {one_line(error)}") from error


def _restored(data: bytes) -> Network:
    """Return the network of an archive's bytes; a worker keeps it while parts need it."""
    return archive.from_bytes(data)


def _key(network: Network, stimulus: Stimulus, way: _Way) -> str:
    """Return a digest of all that a part's result depends on."""
    told = [archive.digest(network), way.executor, way.score, way.count, way.sampled, PART]
    told += [stimulus.steps, stimulus.held, str(stimulus.values.dtype)]
    digest = hashlib.sha256(json.dumps([*told, stimulus.values.shape]).encode())
    digest.update(np.ascontiguousarray(stimulus.values).data)
    digest.update(b"" if stimulus.lengths is None else stimulus.lengths.tobytes())
    return digest.hexdigest()[:20]


def _paths(folder: Path, key: str, rows: Sequence[slice]) -> dict[int, Path]:
    return {part.start: folder / f"{key}-{part.start:09}.npz" for part in rows}


def _finished(
    paths: dict[int, Path], rows: Sequence[slice], way: _Way, sizes: tuple[int, int, int]
) -> dict[int, dict[str, Array]]:
    """Return the parts that are done; one that is damaged is not."""
    done = {}
    for part in rows:
        try:
            with paths[part.start].open("rb") as stored, np.load(stored, allow_pickle=False) as file:
                found = {name: file[name] for name in ("scores", "operations", "compared")}
        except Exception:  # noqa: BLE001, S112 - whatever is wrong with it, the part runs again
            continue
        shapes = [found[name].shape for name in ("scores", "operations", "compared")]
        sampled = len(way.of(part).sampled)
        if shapes == [(part.stop - part.start, sizes[0]), sizes[1:2], (sampled, sizes[2], COLUMNS)]:
            done[part.start] = found
    return done
