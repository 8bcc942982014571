"""How fast the fast executor is, beside PyTorch, Lava, and the accumulates that the network does.

    python benchmarks/simulator.py [--lava] [--json PATH]

The paper's VGG-16 (276,992 IF neurons, T = 8), random weights at 0, 90 and 99 % sparsity, thresholds set so that every
layer fires in 13 % of its neuron steps. Ratios are medians of runs that alternate within one process; both sides use all
cores, and their outputs are compared. ``--lava`` adds one image in Lava (minutes).
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.large_networks import NETWORKS, snn
from export import archive, bounds
from export.executors import fast, lava
from export.engine.synapses import connect, pooled
from export.network import Convolution, IntegerNetwork, IntegerNeuron, IntegerPopulation, IntegerProjection, Source
from export.passes import lowered
from export.quantize import quantize
from export.stimulus import Stimulus, random_stimulus
from export.trace import no_scores, scores
from toolchain.lowering import lower

RATE, REPEATS = 0.13, 7


def vgg16(sparsity: float) -> IntegerNetwork:
    """Return the paper's VGG-16 with random weights and every layer's threshold set to fire at `RATE`."""
    with torch.no_grad():
        network = quantize(lowered(lower(snn(NETWORKS["vgg16"], sparsity))))
    driven = random_stimulus(network, 4, 0)
    for population in network.spiking:
        network = with_rate(network, population.name, driven)
    return replace(network, bounds=bounds.prove(network))


def with_rate(network: IntegerNetwork, name: str, driven: Stimulus) -> IntegerNetwork:
    """Return the network with one threshold for a population, found by halving, at which it fires at `RATE`."""
    upto = cut(network, name)
    low, high = 0, 2**17 - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if rate(with_threshold(upto, name, middle), name, driven) > RATE else (low, middle)
    return with_threshold(network, name, high)


def cut(network: IntegerNetwork, name: str) -> IntegerNetwork:
    """Return the chain of populations up to ``name``."""
    names = [p.name for p in network.populations]
    kept = set(names[: names.index(name) + 1])
    return replace(
        network,
        populations=tuple(p for p in network.populations if p.name in kept),
        projections=tuple(p for p in network.projections if p.target in kept),
        bounds={},
    )


def with_threshold(network: IntegerNetwork, name: str, threshold: int) -> IntegerNetwork:
    """Return the network with another threshold for one population."""

    def changed(population: IntegerPopulation) -> IntegerPopulation:
        if population.name != name or not isinstance(population.neuron, IntegerNeuron):
            return population
        return replace(population, neuron=replace(population.neuron, threshold=np.array(threshold)))

    return replace(network, populations=tuple(changed(p) for p in network.populations))


def rate(network: IntegerNetwork, name: str, driven: Stimulus) -> float:
    """Return spikes per neuron and step of a population."""
    counts = [step.count for step in fast.steps(network, driven, keep=(), count=True) if step.count]
    return float(sum(count.active[name].mean() for count in counts)) / network.steps / len(driven)


if __name__ == "__main__":
    started = time.perf_counter()
    for sparsity in (0.99, 0.9, 0.0):
        network = vgg16(sparsity)
        print(sparsity, time.perf_counter() - started, bounds.is_safe(network))
        archive.write(network, Path(f"/tmp/k/vgg_{sparsity}.safetensors"))
        driven = random_stimulus(network, 4, 0)
        print([round(rate(network, p.name, driven), 3) for p in network.spiking])
