"""Build an archive's network from stock Lava processes, run it and write its trace.

Usage: ``python -m spikeport.export.lava.worker JOB``. The folder JOB holds ``network.safetensors``, ``stimulus.npy``
and ``job.json``; the trace goes to JOB/trace. Every line on standard output is a JSON object, the heartbeat.

Lava delays every projection by one step, so a population at depth d starts sample n at step nP + d + 1. Without delays
in the network samples follow each other without a gap (P = T) and stock `LIFReset` neurons clear their state there.
With delays, P = T + the longest one: our own neurons rest in the gap until no spike is on its way any more.
"""

import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense as LavaDense
from lava.proc.io.source import RingBuffer
from lava.proc.lif.process import LIFReset

from spikeport.export import archive
from spikeport.export.fixed_point import INT8_MAX, NO_THRESHOLD
from spikeport.export.lava.processes import DelayLine, PotentialRecorder, ResetNeuron, SpikeRecorder
from spikeport.export.network import Convolution, Source

BEAT_SECONDS = 2.0
OVER = threading.Event()
"""Set when all steps are done, and Lava's processes may end as they like."""


def lava_shape(shape):
    """Return (W, H, C) for (C, H, W)."""
    return tuple(reversed(shape))


def lava_order(values):
    """Turn an array (..., C, H, W) into (..., W, H, C); the last axes of a vector stay."""
    return np.ascontiguousarray(np.moveaxis(values, (-3, -2, -1), (-1, -2, -3)))


def spatial(values, shape):
    """Return per-neuron ``values`` in Lava's order for a population of ``shape``."""
    full = np.broadcast_to(values, shape)
    return lava_order(full) if len(shape) == 3 else np.ascontiguousarray(full)


def gap(network):
    """Return how many steps lie between two samples: until the last delayed spike has arrived."""
    return max(projection.delay for projection in network.projections)


def source(network, stimulus, held):
    """Return the input population: a ring buffer with one frame per step, silent in the gaps."""
    frames = np.repeat(stimulus[:, None], network.steps, axis=1) if held else stimulus
    frames = np.pad(frames, [(0, 0), (0, gap(network)), *[(0, 0)] * (frames.ndim - 2)])
    frames = frames.reshape(-1, *network.source.shape).astype(np.int32)
    ordered = lava_order(frames) if frames.ndim == 4 else frames
    return RingBuffer(data=np.moveaxis(ordered, 0, -1).copy())


def neurons(population, steps, rest, depth):
    """Return the population as neurons that start a sample at their own step; stock ones where they can say it."""
    if rest or not population.neuron.stock:
        return own_neurons(population, steps, rest, depth)
    neuron = population.neuron
    threshold = NO_THRESHOLD if neuron.threshold is None else scalar(spatial(neuron.threshold, population.shape))
    return LIFReset(
        shape=lava_shape(population.shape),
        du=scalar(spatial(neuron.decay_u, population.shape)) - 1,
        dv=scalar(spatial(neuron.decay_v, population.shape)),
        vth=threshold,
        bias_mant=spatial(neuron.bias_mantissa, population.shape),
        bias_exp=neuron.bias_exponent,
        reset_interval=steps,
        reset_offset=depth + 1,
        name=population.name,
    )


def own_neurons(population, steps, rest, depth):
    """Return the population as neurons of our own."""
    neuron, shape = population.neuron, population.shape
    wide = {"threshold": neuron.level, "reset_to": neuron.reset_to, "reset_by": neuron.reset_by}
    wide = {name: None if value is None else spatial(value.astype(np.int64), shape) for name, value in wide.items()}
    return ResetNeuron(
        shape=lava_shape(shape),
        first=depth + 1,
        steps=steps,
        period=steps + rest,
        du=spatial(neuron.decay_u, shape),
        dv=spatial(neuron.decay_v, shape),
        bias=spatial(neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent, shape),
        name=population.name,
        **wide,
    )


def scalar(values):
    """Return one number where all are alike."""
    return int(values.flat[0]) if np.ptp(values) == 0 else values


def connect(network, projection, sender, receiver, slack):
    """Put the synapses of ``projection`` between two processes, behind a delay line of ``slack`` steps."""
    origin = network.population(projection.source)
    bits = int(origin.neuron.levels).bit_length() if isinstance(origin.neuron, Source) else 0
    if slack:
        line = DelayLine(shape=lava_shape(origin.shape), delay=slack)
        sender.s_out.connect(line.a_in)
        sender = line
    if isinstance(projection.synapses, Convolution):
        process = convolution(projection, origin.shape, bits)
        sender.s_out.connect(process.s_in)
    else:
        process = dense(projection, origin.shape, network.population(projection.target).shape, bits)
        sender.s_out.reshape((int(np.prod(origin.shape)),)).connect(process.s_in)
    target_shape = receiver.a_in.shape
    port = process.a_out if process.a_out.shape == target_shape else process.a_out.reshape(target_shape)
    port.connect(receiver.a_in)


def convolution(projection, shape, bits):
    """Return `Conv`, which convolves where frameworks cross-correlate, so the kernel is turned."""
    synapses, groups = projection.synapses, projection.synapses.groups
    kernel = synapses.weight.astype(np.int32)[:, :, ::-1, ::-1] << projection.exponent
    if groups > INT8_MAX:
        kernel, groups = ungrouped(kernel, groups), 1
    return Conv(
        weight=kernel.transpose(0, 3, 2, 1).copy(),
        input_shape=lava_shape(shape),
        stride=synapses.stride[::-1],
        padding=synapses.padding[::-1],
        dilation=synapses.dilation[::-1],
        groups=groups,
        num_message_bits=bits,
    )


def ungrouped(kernel, groups):
    """Return the kernel (out, in, ...) of one group that does the same; Lava holds the number of groups in 8 bit."""
    out, inside = len(kernel) // groups, kernel.shape[1]
    full = np.zeros((len(kernel), inside * groups, *kernel.shape[2:]), kernel.dtype)
    for group in range(groups):
        rows = slice(group * out, (group + 1) * out)
        full[rows, group * inside : (group + 1) * inside] = kernel[rows]
    return full


def dense(projection, source_shape, target_shape, bits):
    """Return `Dense`: it drops the lowest bit of mixed-sign weights, so it gets ``2 w`` and shifts right once more."""
    weight = 2 * projection.synapses.weight.astype(np.int32)
    if len(source_shape) == 3:
        weight = lava_order(weight.reshape(-1, *source_shape)).reshape(len(weight), -1)
    if len(target_shape) == 3:
        weight = lava_order(weight.T.reshape(-1, *target_shape)).reshape(weight.shape[1], -1).T.copy()
    return LavaDense(weights=weight, weight_exp=projection.exponent - 1, num_message_bits=bits)


def build(network, stimulus, held, trace):
    """Return one process of the network, from which all others are reached."""
    depths = network.depths()
    processes = {network.source.name: source(network, stimulus, held)}
    steps, rest = network.steps, gap(network)
    timing = {"steps": steps, "period": steps + rest, "samples": len(stimulus)}
    for population in network.neurons:
        depth = depths[population.name]
        processes[population.name] = neurons(population, steps, rest, depth)
        place = {"path": str(trace / population.name), "first": depth + 1, **timing}
        record(population, processes[population.name], place)
    for projection in network.projections:
        ends = processes[projection.source], processes[projection.target]
        connect(network, projection, *ends, network.slack(projection, depths))
    return processes[network.source.name]


def record(population, process, place):
    """Attach the recorder that fits the population."""
    shape = lava_shape(population.shape)
    if population.neuron.threshold is None:
        PotentialRecorder(shape=shape, **place).potential.connect_var(process.v)
    else:
        process.s_out.connect(SpikeRecorder(shape=shape, **place).a_in)


def say(**fields):
    """Write one line for the supervisor, past Python's lock, which Lava's processes would inherit when they fork."""
    os.write(1, json.dumps(fields).encode() + b"\n")


def end_with_parent(job):
    """End the whole process group when the other end of standard input closes, and leave nothing behind.

    Read the descriptor itself: ``sys.stdin`` would hold a lock over the fork of Lava's processes, which close it.
    Python's resource tracker is spared: it frees the shared memory when it is the last one left, and ends.
    """
    while os.read(0, 1):
        pass
    while kill_group():
        time.sleep(0.1)
    shutil.rmtree(job, ignore_errors=True)
    os._exit(1)


def kill_group():
    """Kill the other processes of the group, but for the resource tracker; return how many there were."""
    killed = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = os.getpgid(int(process.name)) == os.getpgid(0) and int(process.name) != os.getpid()
            state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
            if ours and state != "Z" and b"resource_tracker" not in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
                killed += 1
        except OSError:
            continue
    return killed


def leave():
    """End without Lava's own shutdown, which can take minutes and fail where there are hundreds of processes."""
    OVER.set()
    while kill_group():
        time.sleep(0.1)
    os._exit(0)


def beat(row, path, total):
    """Tell how far the trace has grown, while it grows; end at once when one of Lava's processes has died."""
    shown, children = 0, set()
    while True:
        time.sleep(BEAT_SECONDS)
        done = path.stat().st_size // row if path.is_file() else 0
        if done > shown:
            shown = done
            say(done=done, total=total)
        children |= set(multiprocessing.active_children())
        failed = [child for child in children if child.exitcode not in (None, 0)]
        if failed and not OVER.is_set():
            sys.stderr.write(f"\nRuntimeError: a process of Lava ended with exit code {failed[0].exitcode}\n")
            sys.stderr.flush()
            os._exit(1)


def main(job):
    """Run the job in folder ``job``."""
    settings = json.loads((job / "job.json").read_text(encoding="utf-8"))
    if settings["guarded"]:
        threading.Thread(target=end_with_parent, args=(job,), daemon=True).start()
    network = archive.read_integer(job / "network.safetensors")
    stimulus = np.load(job / "stimulus.npy", allow_pickle=False)
    (job / "trace").mkdir()
    total = len(stimulus) * (network.steps + gap(network)) + max(network.depths().values())
    process = build(network, stimulus, settings["held"], job / "trace")
    say(done=0, total=len(stimulus) * network.steps)
    first = network.neurons[0]
    size = int(np.prod(first.shape))
    row = 4 * size if first.neuron.threshold is None else -(-size // 8)
    watched = (row, job / "trace" / first.name, len(stimulus) * network.steps)
    threading.Thread(target=beat, args=watched, daemon=True).start()
    process.run(condition=RunSteps(num_steps=total), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    if settings["guarded"]:
        say(finished=True)
        leave()
    process.stop()
    say(finished=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
