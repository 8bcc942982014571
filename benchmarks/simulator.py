"""What the fast executor costs, beside PyTorch, Lava, the accumulates that the network does, and the machine.

    python benchmarks/simulator.py [--lava] [--json PATH] [--markdown PATH]

The paper's VGG-16 (276,992 IF neurons, T = 8), random weights at 0, 90 and 99 % sparsity, thresholds set so that every
layer fires in 13 % of its neuron steps. Ratios are medians of runs that take turns in one process, both on all cores;
the outputs of both are compared. ``--lava`` adds two runs in Lava (minutes).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from large_networks import NETWORKS, snn
from torch import Tensor
from torch.nn import functional

from spikeport.export import archive, bounds
from spikeport.export.engine.plan import KERNELS, Plan
from spikeport.export.engine.work import Runner
from spikeport.export.executors import fast, lava
from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.geometry import geometry_of, pooled
from spikeport.export.network import (
    Convolution,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import Stimulus, random_stimulus, stimulus
from spikeport.export.trace import record, scores
from spikeport.toolchain.lowering import lower

RATE, REPEATS, BATCH = 0.13, 7, 64
DENSITIES, RATES = (0.01, 0.03, 0.1, 0.3, 1.0), (0.02, 0.05, 0.1, 0.2, 0.5)


def vgg16(sparsity: float) -> IntegerNetwork:
    """Return the paper's VGG-16 with random weights, every layer's threshold set to fire at `RATE`."""
    with torch.no_grad():
        network = quantize(folded(lower(snn(NETWORKS["vgg16"], sparsity))))
    samples = random_stimulus(network, 4, 0)
    for population in network.spiking:
        network = with_threshold(network, population.name, threshold_at_rate(network, population.name, samples))
    return replace(network, bounds=bounds.prove(network))


def threshold_at_rate(network: IntegerNetwork, name: str, samples: Stimulus) -> int:
    """Return the threshold, found by halving, at which a population of the chain fires at `RATE`."""
    names = [p.name for p in network.populations]
    kept = set(names[: names.index(name) + 1])
    chain = replace(
        network,
        populations=tuple(p for p in with_threshold(network, name, None).populations if p.name in kept),
        projections=tuple(p for p in network.projections if p.target in kept),
        bounds={},
    )
    potential = record(fast.steps(chain, samples, keep=(name,)))[name]
    arriving = np.diff(potential, axis=1, prepend=0)
    low, high = 0, 2**17 - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fired(arriving, middle) > RATE else (low, middle)
    return high


def fired(arriving: np.ndarray[Any, Any], threshold: int) -> float:
    """Return spikes per neuron and step of neurons that reset to zero, for input (N, T, ...)."""
    v, spikes = np.zeros_like(arriving[:, 0]), 0
    for step in range(arriving.shape[1]):
        v = v + arriving[:, step]
        fires = v > threshold << ACTIVATION_SHIFT
        spikes += int(fires.sum())
        v[fires] = 0
    return spikes / arriving.size


def with_threshold(network: IntegerNetwork, name: str, threshold: int | None) -> IntegerNetwork:
    """Return the network with another threshold for one population, and nothing behind it where it never fires."""

    def changed(population: IntegerPopulation) -> IntegerPopulation:
        if population.name != name or not isinstance(population.neuron, IntegerNeuron):
            return population
        value = None if threshold is None else np.array(threshold)
        return replace(population, neuron=replace(population.neuron, threshold=value))

    populations = tuple(changed(p) for p in network.populations)
    if threshold is None:
        names = [p.name for p in populations]
        populations = populations[: names.index(name) + 1]
        kept = {p.name for p in populations}
        projections = tuple(p for p in network.projections if p.target in kept)
        return replace(network, populations=populations, projections=projections, bounds={})
    return replace(network, populations=populations)


class InTorch:
    """The same chain in float32: pooling apart, one convolution over all T*N images, neurons step by step."""

    def __init__(self, network: IntegerNetwork, form: torch.memory_format) -> None:
        self.steps, self.form = network.steps, form
        self.layers = [self._layer(network, population) for population in network.neurons]

    def _layer(self, network: IntegerNetwork, population: IntegerPopulation) -> tuple[Any, ...]:
        (projection,), neuron = network.incoming(population.name), population.neuron
        assert isinstance(neuron, IntegerNeuron)
        geometry, window = pooled(geometry_of(network, projection))
        weight = torch.tensor((geometry.weight.astype(np.int64) << projection.exponent).astype(np.float32))
        dense = geometry.result.positions == 1
        bias = (neuron.bias_mantissa.astype(np.float64) * 2.0**neuron.bias_exponent) / 2**ACTIVATION_SHIFT
        level = None if neuron.level is None else float(neuron.level) / 2**ACTIVATION_SHIFT
        if not dense:
            weight = weight.contiguous(memory_format=self.form)
        return weight, window, geometry.kernel.padding, dense, torch.tensor(bias.astype(np.float32)), level

    def __call__(self, images: Tensor) -> Tensor:
        """Return the readout's potential (N, classes) in activation units; levels of pixels come in."""
        x, count, held = images, len(images), True
        for weight, window, padding, dense, bias, level in self.layers:
            if window != (1, 1):
                x = functional.avg_pool2d(x, window, divisor_override=1)
            arriving = functional.linear(x.flatten(1), weight.flatten(1)) if dense else None
            arriving = functional.conv2d(x, weight, padding=padding) if arriving is None else arriving
            arriving = (arriving + bias).view(1 if held else self.steps, count, *arriving.shape[1:])
            if level is None:
                return arriving.sum(0)
            x, held = self._spikes(arriving, level, held=held), False
        return x

    def _spikes(self, arriving: Tensor, level: float, *, held: bool) -> Tensor:
        v = torch.zeros_like(arriving[0])
        spikes = torch.empty((self.steps * len(v), *v.shape[1:]))
        spikes = spikes.contiguous(memory_format=self.form) if v.ndim == 4 else spikes
        for step in range(self.steps):
            v = v + arriving[0 if held else step]
            fires = v > level
            spikes[step * len(v) : (step + 1) * len(v)] = fires
            v = v.masked_fill(fires, 0.0)
        return spikes


def medians(*runs: Callable[[], object]) -> list[float]:
    """Return the median seconds of each, run in turns, after one run each to warm up."""
    times: list[list[float]] = [[] for _ in runs]
    for repeat in range(REPEATS + 1):
        for run, found in zip(runs, times, strict=True):
            started = time.perf_counter()
            run()
            if repeat:
                found.append(time.perf_counter() - started)
    return [statistics.median(found) for found in times]


def ours(network: IntegerNetwork, samples: Stimulus, **options: Any) -> np.ndarray[Any, Any]:
    """Return the scores (N, classes) of the fast executor."""
    return scores(fast.steps(network, samples, keep=(network.readout.name,), **options), network, len(samples))


def against_torch(network: IntegerNetwork, batch: int) -> dict[str, float]:
    """Return milliseconds per image of both and their ratio; the outputs are equal."""
    samples = random_stimulus(network, batch, 1)
    forms = {}
    for form in (torch.channels_last, torch.contiguous_format):
        model = InTorch(network, form)
        images = torch.tensor(samples.values.astype(np.float32)).contiguous(memory_format=form)
        with torch.inference_mode():
            found = model(images).flatten(1).numpy() * 2**ACTIVATION_SHIFT
        if not np.array_equal(found, ours(network, samples)):
            raise SystemExit("PyTorch and the fast executor differ")
        forms[form] = (model, images)

    def run(form: torch.memory_format) -> Callable[[], object]:
        model, images = forms[form]

        def inside() -> object:
            with torch.inference_mode():
                return model(images)

        return inside

    us, *theirs = medians(lambda: ours(network, samples), *(run(form) for form in forms))
    return {"ms": us / batch * 1e3, "torch_ms": min(theirs) / batch * 1e3, "ratio": min(theirs) / us}


def counting(network: IntegerNetwork) -> dict[str, float]:
    """Return how much longer a run takes that counts."""
    samples = random_stimulus(network, BATCH, 1)
    plain, counted = medians(lambda: ours(network, samples), lambda: ours(network, samples, count=True))
    return {"overhead": counted / plain - 1}


def against_lava(network: IntegerNetwork, us: float) -> dict[str, float]:
    """Return seconds that Lava takes for a second image, and the ratio to ours."""
    times = []
    for count in (1, 2):
        started = time.perf_counter()
        for _ in lava.steps(network, random_stimulus(network, count, 1)):
            pass
        times.append(time.perf_counter() - started)
    return {"seconds": times[1] - times[0], "with_set_up": times[0], "ratio": (times[1] - times[0]) / us}


def one_layer(density: float) -> IntegerNetwork:
    """Return 128 x 16 x 16 spikes into a 3x3 convolution of 128 channels, and a readout with few synapses."""
    rng = np.random.default_rng(0)
    weight = np.where(rng.random((128, 128, 3, 3)) < density, rng.integers(-20, 21, (128, 128, 3, 3)), 0)
    shape = (128, 16, 16)
    dense = np.zeros((1, 128, 16, 16), np.int8)
    dense[..., 0, 0] = 1
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=shape, neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="a", shape=shape, neuron=IntegerNeuron(threshold=2000, bias_mantissa=np.zeros(()))),
            IntegerPopulation(
                name="b", shape=(1, 1, 1), neuron=IntegerNeuron(threshold=None, bias_mantissa=np.zeros(()))
            ),
        ),
        projections=(
            IntegerProjection(
                source="input", target="a", synapses=Convolution(weight=weight.astype(np.int8), padding=(1, 1))
            ),
            IntegerProjection(source="a", target="b", synapses=Convolution(weight=dense, stride=(16, 16))),
        ),
        steps=8,
    )


def scaling(force: str | None) -> dict[str, Any]:
    """Time one layer on one core over densities and rates, and fit seconds = a + b accumulates."""
    rng, rows = np.random.default_rng(1), []
    for density in DENSITIES:
        network = one_layer(density)
        for rate in RATES:
            samples = stimulus((rng.random((8, 8, *network.source.shape)) < rate).astype(np.uint8), network)
            plan = Plan(network, lanes=64, force=force)
            choice = plan.choose({"input": rate, "a": 0.0} if force is None else {})
            counted = Runner(plan, choice).run(samples, slice(0, 8), count=True)
            operations = int((plan.geometries[id(network.projections[0])].degrees * counted.active["input"]).sum())
            runner = Runner(plan, choice)
            (seconds,) = medians(lambda runner=runner, samples=samples: runner.run(samples, slice(0, 8)))  # type: ignore[misc]
            rows.append((density, rate, operations, seconds))
    x, y = (np.array([row[index] for row in rows], float) for index in (2, 3))
    slope, rest = np.polyfit(x, y, 1)
    r2 = 1 - ((y - slope * x - rest) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    return {"r2": float(r2), "per_second": float(1 / slope), "rest_ms": float(rest * 1e3), "rows": rows}


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _adds(a: Any, b: Any, times: int) -> None:
    for _ in range(times):
        for lane in range(len(a)):
            a[lane] += b[lane]


def machine() -> dict[str, float]:
    """Return what one core can do: 16-bit additions a second in the first cache, bytes a second from memory."""
    a, b = np.zeros(8192, np.int16), np.ones(8192, np.int16)
    big, other = np.zeros(2**27, np.uint8), np.ones(2**27, np.uint8)
    adds, copy = medians(lambda: _adds(a, b, 2000), lambda: np.copyto(big, other))
    return {"adds_per_second": 8192 * 2000 / adds, "bytes_per_second": 2 * 2**27 / copy}


START = """
import time; started = time.perf_counter()
import sys
from pathlib import Path
from spikeport.export import archive
from spikeport.export.executors import fast
from spikeport.export.stimulus import random_stimulus
from spikeport.export.trace import scores
network = archive.read_integer(Path(sys.argv[1]))
count = int(sys.argv[2])
scores(fast.steps(network, random_stimulus(network, count, 0), keep=(network.readout.name,)), network, count)
lines = Path("/proc/self/status").read_text().splitlines()  # ru_maxrss would hold the peak of our parent
print(time.perf_counter() - started, next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""


def fresh(network: IntegerNetwork, count: int) -> tuple[float, float]:
    """Return seconds and peak GB of a new process that loads the archive and runs ``count`` images."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.safetensors"
        archive.write(network, path)
        command = [sys.executable, "-c", START, str(path), str(count)]
        runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(3)]
    seconds, peaks = zip(*(map(float, run.stdout.split()) for run in runs), strict=True)
    return statistics.median(seconds[1:]), max(peaks) * 1024 / 1e9


def measure(*, with_lava: bool) -> dict[str, Any]:
    """Run all of it."""
    found: dict[str, Any] = {
        "machine": {"cores": len(os.sched_getaffinity(0)), "processor": processor(), "torch": torch.__version__},
        "limits": machine(),
    }
    for sparsity in (0.0, 0.9, 0.99):
        network, name = vgg16(sparsity), round(sparsity * 100)
        for batch, ending in ((BATCH, ""), (1, "_b1")):
            found[f"torch_{name}{ending}"] = row = against_torch(network, batch)
            print(f"{name} %, batch {batch}: {row}", file=sys.stderr, flush=True)
        if sparsity == 0.9:
            found["counting"] = counting(network)
            if with_lava:
                found["lava"] = against_lava(network, found["torch_90"]["ms"] / 1e3)
                print(found["lava"], file=sys.stderr, flush=True)
    found["start_seconds"] = fresh(network, 1)[0]
    found["peak_gb"] = fresh(network, BATCH)[1]
    found["scaling"] = {force or "chosen": scaling(force) for force in (None, *KERNELS)}
    return found


def processor() -> str:
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def summary(found: dict[str, Any]) -> dict[str, float]:
    """Return the numbers by their published keys."""
    keys = {f"torch_speedup_{n}{e}": found[f"torch_{n}{e}"]["ratio"] for e in ("", "_b1") for n in (0, 90, 99)}
    if "lava" in found:
        keys["lava_speedup_90"] = found["lava"]["ratio"]
    keys["linear_r2"] = found["scaling"]["merged"]["r2"]
    keys["linear_r2_chosen"] = found["scaling"]["chosen"]["r2"]
    keys["counting_overhead"] = found["counting"]["overhead"]
    return keys | {"start_seconds": found["start_seconds"], "peak_gb": found["peak_gb"]}


def table(found: dict[str, Any]) -> str:
    """Return the results as markdown."""
    limits, used = found["limits"], found["machine"]
    speeds = f"adds {limits['adds_per_second'] / 1e9:.0f} G 16-bit numbers a second in its first cache"
    speeds += f" and copies {limits['bytes_per_second'] / 1e9:.0f} GB/s"
    lines = [
        f"{used['cores']} cores of {used['processor']}; torch {used['torch']}; one core {speeds}.",
        "",
        "| VGG-16, T = 8 | batch | ms per image | PyTorch, ms | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in (0, 90, 99):
        for batch, ending in ((BATCH, ""), (1, "_b1")):
            row = found[f"torch_{name}{ending}"]
            lines.append(
                f"| {name} % sparse | {batch} | {row['ms']:.2f} | {row['torch_ms']:.1f} | {row['ratio']:.1f} |"
            )
    lines += ["", "| kernel | R2 of time against accumulates | accumulates a second and core |", "| --- | --- | --- |"]
    lines += [f"| {k} | {v['r2']:.4f} | {v['per_second'] / 1e9:.2f} G |" for k, v in found["scaling"].items()]
    start = f"Start-up with the first image of the 99 % network: {found['start_seconds']:.2f} s."
    peak = f"Peak memory, 99 %, batch {BATCH}: {found['peak_gb']:.2f} GB."
    lines += ["", f"Counting: {100 * found['counting']['overhead']:+.1f} % time. {start} {peak}"]
    if "lava" in found:
        row = found["lava"]
        lines.append(f"Lava, 90 %: {row['seconds']:.0f} s per further image; ratio {row['ratio']:,.0f}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print the table, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lava", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    found = measure(with_lava=arguments.lava)
    print(table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps({**summary(found), "measured": found}, indent=1) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text(table(found))


if __name__ == "__main__":
    main()
