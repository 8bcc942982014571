"""The network in Intel's Lava: stock processes in their own Python 3.10, samples back to back.

`spikeport.export.lava.builder` says how the network is built; here the job is handed over and its trace read.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spikeport.export import children
from spikeport.export.errors import WorkerError
from spikeport.export.lava import environment, job, remains, supervisor
from spikeport.export.lava.limits import check as limits_of_lava
from spikeport.export.network import Array, BiasNetwork, IntegerNetwork, IntegerPopulation
from spikeport.export.progress import Progress
from spikeport.export.scratch import scratch
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Step, until_end

NETWORKS = (IntegerNetwork, BiasNetwork)
BATCH = 100
PREFIX = "spikeport-lava-"


@until_end
def steps(
    network: IntegerNetwork,
    stimulus: Stimulus,
    *,
    batch: int = BATCH,
    limits: supervisor.Limits | None = None,
) -> Iterator[Step]:
    """Run all samples in Lava, then yield every step of every batch of at most ``batch`` samples."""
    limits_of_lava(network)
    if isinstance(network, BiasNetwork):
        stimulus.require_held()
    interpreter = environment.python()
    with scratch(PREFIX, discard=remains.remove) as folder, remains.kept(folder):
        job.write(network, stimulus, folder, guarded=True)
        _run(folder, interpreter, limits or supervisor.Limits())
        yield from _trace(network, stimulus, folder / "trace", batch)


def check(network: IntegerNetwork) -> None:
    """Raise what keeps ``network`` from running: `FormatError` of Lava's limits, `LavaError` of its environment."""
    limits_of_lava(network)
    environment.python()


def _run(folder: Path, interpreter: Path, limits: supervisor.Limits) -> None:
    kept = ("PATH", "HOME", "LANG", "OMP_NUM_THREADS")
    variables = {key: os.environ[key] for key in kept if key in os.environ}
    progress, shown, finished = Progress("Lava"), 0, False

    def on_line(line: supervisor.Line) -> None:
        nonlocal shown, finished
        finished = finished or bool(line.get("finished"))
        progress.title = f"Lava, {line['phase']}" if "phase" in line else progress.title
        if line.get("done", 0) > shown:
            shown = line["done"]
            progress.update(shown, line["total"])

    supervisor.supervise(
        children.command(remains.WORKER, [str(folder)], interpreter=interpreter, package=folder / "spikeport"),
        folder=folder,
        environment={**variables, "TMPDIR": str(folder)},
        limits=limits,
        on_line=on_line,
    )
    if not finished:
        raise WorkerError("the worker ended without saying that it finished")


def _trace(network: IntegerNetwork, stimulus: Stimulus, folder: Path, batch: int) -> Iterator[Step]:
    count = len(stimulus) * network.steps
    spikes = {p.name: _rows(folder / p.name, count, np.uint8, -(-math.prod(p.shape) // 8)) for p in network.spiking}
    potentials = {p.name: _rows(folder / p.name, count, np.int32, math.prod(p.shape)) for p in network.silent}
    for rows in stimulus.batches(batch):
        for step in range(network.steps):
            chosen = np.arange(rows.start, rows.stop) * network.steps + step
            yield Step(
                rows=rows,
                step=step,
                source=stimulus.frame(rows, step),
                spikes={p.name: _unpacked(spikes[p.name][chosen], p) for p in network.spiking},
                potentials={p.name: potentials[p.name][chosen].reshape(-1, *p.shape) for p in network.silent},
            )


def _rows(path: Path, count: int, dtype: type, width: int) -> Array:
    expected = count * width * np.dtype(dtype).itemsize
    if not path.is_file() or path.stat().st_size != expected:
        found = path.stat().st_size if path.is_file() else 0
        raise WorkerError(f"the worker's trace of {path.name} has {found} bytes; expected {expected}")
    return np.memmap(path, dtype, "r", shape=(count, width))


def _unpacked(rows: Array, population: IntegerPopulation) -> Array:
    bits = np.unpackbits(rows, axis=1, count=math.prod(population.shape))
    return bits.reshape(-1, *population.shape).astype(bool)
