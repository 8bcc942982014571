"""Square on integer networks through the fast executor, beside the same attack on the same network in PyTorch.

The paper's VGG-16 (T = 8, random weights, every layer firing in 13 % of its neuron steps) with a readout that gives all
images class 0, so that none is broken and every query is a whole batch. A query is an image of Square, from the draw of
its square to the choice between old and new; PyTorch runs the integers in float32, in inference mode, in the better of
two memory formats. Both end with the same images, pixel for pixel, or the benchmark fails. Wall time of runs in turns,
medians; ``cpu_speedup`` is the ratio of processor times, which other work on the machine changes less.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from simulator import InTorch, vgg16
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


def deployed_part(*, batch: int, queries: int, sparsities: Sequence[float]) -> dict[str, Any]:
    """Return ``square_queries_per_second`` and ``square_speedup`` at 90 % sparsity, and the rows of all sparsities."""
    threads = torch.get_num_threads()
    rows = {
        f"{sparsity:g}": measure(steadfast(vgg16(sparsity)), batch=batch, queries=queries, threads=threads)
        for sparsity in (0.9, *sparsities)
    }
    goal = rows["0.9"]
    return {
        "square_queries_per_second": goal["queries_per_second"],
        "torch_queries_per_second": goal["torch_queries_per_second"],
        "square_speedup": goal["speedup"],
        "square_cpu_speedup": goal["cpu_speedup"],
        "rows": rows,
    }
