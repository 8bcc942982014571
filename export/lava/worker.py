"""Run an archive's network in Lava and write its trace.

Usage: ``python -m spikeport.export.lava.worker JOB``. The folder JOB holds ``network.safetensors``, ``stimulus.npy``
and ``job.json``; the trace goes to JOB/trace. Every line on standard output is a JSON object: the phase, and how many
steps of how many the traces hold.
"""

import json
import sys
import traceback
from pathlib import Path

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from spikeport.export import archive
from spikeport.export.lava.builder import build, steps_in_all
from spikeport.export.lava.life import (
    Watch,
    end_with_this_process,
    error_of,
    fail,
    keep_sockets_here,
    leave,
    name_memory,
    say,
)
from spikeport.export.lava.remains import memory_prefix


def trace_rows(network, folder):
    """Return the file of every population's trace and its bytes per step: int32 potentials, or bits of spikes."""
    sizes = {population.name: int(np.prod(population.shape)) for population in network.neurons}
    rows = {population.name: -(-sizes[population.name] // 8) for population in network.spiking}
    rows |= {population.name: 4 * sizes[population.name] for population in network.silent}
    return {folder / name: row for name, row in rows.items()}


def actors(process):
    """Return the operating system's processes that Lava has started."""
    return tuple(process.runtime._messaging_infrastructure.actors)  # noqa: SLF001 - Lava has no other way to them


def run(process, steps):
    """Run Lava; where it only reports that a process has failed, raise with the traceback of that process."""
    try:
        process.run(condition=RunSteps(num_steps=steps))
    except RuntimeError:
        sys.stderr.writelines(error_of(actor) for actor in actors(process) if getattr(actor, "exception", None))
        raise


def main(job):
    """Run the job in folder ``job``; a guarded one has a supervisor that cleans up after it."""
    job = job.absolute()
    end_with_this_process()
    settings = json.loads((job / "job.json").read_text(encoding="utf-8"))
    if settings["guarded"]:
        name_memory(memory_prefix(job))
        keep_sockets_here()
    network = archive.read_integer(job / "network.safetensors").with_short_delays()
    stimulus = np.load(job / "stimulus.npy", allow_pickle=False)
    (job / "trace").mkdir()
    watch = Watch(trace_rows(network, job / "trace"), len(stimulus) * network.steps)
    watch.start()
    watch.enter("building")
    process = build(network, stimulus, settings["held"], job / "trace")
    watch.enter("compiling")
    process.create_runtime(run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    watch.actors = actors(process)
    watch.enter("running")
    run(process, steps_in_all(network, len(stimulus)))
    watch.finish()
    if settings["guarded"]:
        say(finished=True)
        leave()
    process.stop()
    say(finished=True)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except BaseException:  # noqa: BLE001 - also Ctrl-C must end Lava's processes
        fail(traceback.format_exc())
