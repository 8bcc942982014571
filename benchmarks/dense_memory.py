"""What a large dense layer takes: peak memory over the network itself, in bytes a weight, and time.

    python benchmarks/dense_memory.py [--size N] [--against CHECKOUT]

N x N weights of 8 bits at 0, 90 and 99 % sparsity, 16 samples of 4 steps at 50 % input rate, each in its own process,
after a small network that loads all compiled loops. ``--against`` runs another checkout of the project in turns with
this one, and adds its numbers and the ratios (the other over this one; medians).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from spikeport.export.executors import fast
from spikeport.export.network import (
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import random_stimulus
from spikeport.export.trace import scores

SAMPLES, RUNS, TURNS = 16, 9, 3
SPARSITIES = (0.0, 0.9, 0.99)


def dense(size: int, sparsity: float) -> IntegerNetwork:
    """Return ``size`` inputs, as many neurons, and ten outputs."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-20, 21, (size, size), dtype=np.int8)
    for row in weight:  # one by one, so that drawing takes no memory that is not measured
        row[rng.random(size, dtype=np.float32) < sparsity] = 0
    none = np.zeros(())
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(size,), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="a", shape=(size,), neuron=IntegerNeuron(threshold=2000, bias_mantissa=none)),
            IntegerPopulation(name="b", shape=(10,), neuron=IntegerNeuron(threshold=None, bias_mantissa=none)),
        ),
        projections=(
            IntegerProjection(source="input", target="a", synapses=Dense(weight=weight)),
            IntegerProjection(source="a", target="b", synapses=Dense(weight=np.ones((10, size), np.int8))),
        ),
        steps=4,
    )


def run(network: IntegerNetwork) -> float:
    """Run the samples once and return seconds."""
    stimulus = random_stimulus(network, SAMPLES, 0)
    started = time.perf_counter()
    scores(fast.steps(network, stimulus, keep=("b",)), network, SAMPLES)
    return time.perf_counter() - started


def memory(key: str) -> int:
    """Return bytes from the kernel's account of this process: VmRSS now, VmHWM at most since it was cleared."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def measured(size: int, sparsity: float) -> dict[str, float]:
    """Measure in this process."""
    run(dense(64, sparsity))
    network = dense(size, sparsity)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    first = run(network)
    peak = (memory("VmHWM") - before) / size**2
    return {"bytes a weight": peak, "first s": first, "ms": 1e3 * statistics.median(run(network) for _ in range(RUNS))}


def apart(checkout: Path, size: int, sparsity: float) -> dict[str, float]:
    """Measure in a new process with the packages of ``checkout``."""
    command = [sys.executable, __file__, "--size", str(size), "--sparsity", str(sparsity)]
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=5000)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--sparsity", type=float, help="measure in this process and print JSON")
    arguments = parser.parse_args()
    if arguments.sparsity is not None:
        print(json.dumps(measured(arguments.size, arguments.sparsity)))
        return
    ours = Path(__file__).resolve().parents[1]
    checkouts = [ours, *([arguments.against.resolve()] if arguments.against else [])]
    print("| sparsity | checkout | bytes a weight | first s | ms |\n| --- | --- | --- | --- | --- |")
    for sparsity in SPARSITIES:
        turns = [[apart(checkout, arguments.size, sparsity) for checkout in checkouts] for _ in range(TURNS)]
        rows = [
            {k: statistics.median(turn[i][k] for turn in turns) for k in turns[0][i]} for i in range(len(checkouts))
        ]
        for name, row in zip(("this", "other"), rows, strict=False):
            print(f"| {sparsity:.0%} | {name} | " + " | ".join(f"{value:.3g}" for value in row.values()) + " |")
        if arguments.against:
            print(f"| {sparsity:.0%} | ratio | " + " | ".join(f"{rows[1][k] / rows[0][k]:.2f}" for k in rows[0]) + " |")


if __name__ == "__main__":
    main()
