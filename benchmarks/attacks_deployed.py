"""Square on integer networks through the fast executor, beside the same attack on the same network in PyTorch.

    python benchmarks/attacks_deployed.py [--json PATH] [--batch 64] [--queries 4] [--threads 2] [--sparsity 0.9 0.99]

The paper's VGG-16 (T = 8, random weights, every layer firing in 13 % of its neuron steps) with a readout that gives all
images class 0, so that none is broken and every query is a whole batch. A query is an image of Square, from the draw of
its square to the choice between old and new; PyTorch runs the integers in float32, in inference mode, in the better of
two memory formats. Both end with the same images, pixel for pixel, or the benchmark fails. Wall time of runs in turns,
medians; ``cpu`` is the ratio of processor times, which other work on the machine changes less.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from simulator import InTorch, processor, vgg16
from torch import Tensor

from spikeport.export import bounds
from spikeport.export.network import IntegerNetwork
from spikeport.toolchain.attacks.square import Square
from spikeport.toolchain.data.dataset import LEVEL, PIXEL_LEVELS
from spikeport.toolchain.robustness.deployed import Deployed

REPEATS, EPSILON = 5, 8
FORMS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
Scores = Callable[[Tensor], Tensor]


@dataclass
class Turns:
    """Queries a second of one way, by the wall clock and by processor time, run after run."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def steadfast(network: IntegerNetwork) -> IntegerNetwork:
    """Return the network with a bias that gives every image class 0."""
    bias = np.zeros(network.readout.shape, np.int64)
    bias[0] = 4000
    neuron = replace(network.readout.neuron, bias_mantissa=bias, bias_exponent=np.array(7))
    populations = (replace(p, neuron=neuron) if p is network.readout else p for p in network.populations)
    changed = replace(network, populations=tuple(populations), bounds={})
    return replace(changed, bounds=bounds.prove(changed))


def in_torch(network: IntegerNetwork, form: torch.memory_format) -> Scores:
    """Return the network's scores in PyTorch, of images in [0, 1]."""
    model = InTorch(network, form)

    def scores(images: Tensor) -> Tensor:
        with torch.inference_mode():
            return model((images * PIXEL_LEVELS).round().contiguous(memory_format=form)).flatten(1)

    return scores


def measure(network: IntegerNetwork, *, batch: int, queries: int, threads: int) -> dict[str, float]:
    """Return queries a second of both, and their ratios."""
    levels = np.random.default_rng(0).integers(0, PIXEL_LEVELS + 1, (batch, *network.source.shape))
    images, labels = torch.from_numpy(levels.astype(np.float32)) / PIXEL_LEVELS, torch.zeros(batch, dtype=torch.int64)
    ways: dict[str, Scores] = {"ours": Deployed(network, threads=threads)}
    ways |= {name: in_torch(network, form) for name, form in FORMS.items()}
    turns = {name: Turns() for name in ways}
    for repeat in range(REPEATS + 1):
        ends = []
        for name, scores in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            generator = torch.Generator().manual_seed(0)
            found = Square(queries=queries)(scores, images, labels, epsilon=EPSILON * LEVEL, generator=generator)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            asked = int(found.queries.sum()) if found.queries is not None else 0
            ends.append(found.images)
            if repeat:
                turns[name].wall.append(asked / wall)
                turns[name].cpu.append(asked / cpu)
        if asked != batch * queries or not all(torch.equal(ends[0], end) for end in ends):
            raise SystemExit("Square found other images through PyTorch than on the integers, or stopped early")
    walls = {name: statistics.median(each.wall) for name, each in turns.items()}
    cpus = {name: statistics.median(each.cpu) for name, each in turns.items()}
    theirs = max(walls[name] for name in FORMS)
    return {
        "queries_per_second": walls["ours"],
        "torch_queries_per_second": theirs,
        "speedup": walls["ours"] / theirs,
        "cpu_speedup": cpus["ours"] / max(cpus[name] for name in FORMS),
    }


def main() -> None:
    """Measure, print a table, write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--queries", type=int, default=4)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--sparsity", type=float, nargs="+", default=[0.9, 0.99])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rows: dict[str, dict[str, float]] = {}
    print("| VGG-16, T = 8 | queries a second | PyTorch | ratio | ratio of processor times |\n|---|---|---|---|---|")
    for sparsity in given.sparsity:
        row = measure(steadfast(vgg16(sparsity)), batch=given.batch, queries=given.queries, threads=given.threads)
        rows[f"{sparsity:g}"] = row
        print(
            f"| {sparsity:.0%} sparse, batch {given.batch} | {row['queries_per_second']:.0f} | "
            f"{row['torch_queries_per_second']:.1f} | {row['speedup']:.1f} | {row['cpu_speedup']:.1f} |",
            flush=True,
        )
    found: dict[str, Any] = {
        "processor": processor(),
        "threads": given.threads,
        "torch": torch.__version__,
        "rows": rows,
    }
    if "0.9" in rows:
        found |= {
            "square_queries_per_second": rows["0.9"]["queries_per_second"],
            "square_speedup": rows["0.9"]["speedup"],
        }
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{given.threads} threads of {processor()}; torch {torch.__version__}", file=sys.stderr)


if __name__ == "__main__":
    main()
