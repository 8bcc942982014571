"""How long the paper's networks take from PyTorch to integers, archive and ONNX, and how much memory.

    python benchmarks/large_networks.py [vgg16|vgg11|wrn28_4|sew18 ...]

Random weights, 90 % of them pruned at random, T = 8, 32x32 RGB. Each network in a process of its own, so that the peak
memory is its own; seconds are single runs.
"""

import itertools
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from spikeport.export import archive
from spikeport.export.executors import reference
from spikeport.export.formats import onnx
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import random_stimulus
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.architectures.architecture import Architecture, Images
from spikeport.toolchain.nn.architectures.sew_resnet import SewResNet
from spikeport.toolchain.nn.architectures.vgg import VGG11, VGG16, Vgg
from spikeport.toolchain.nn.architectures.wide_resnet import WideResNet
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking

NETWORKS: dict[str, Architecture] = {
    "vgg11": Vgg(plan=VGG11, head=(256, 256)),
    "vgg16": Vgg(plan=VGG16, head=(256, 256)),
    "wrn28_4": WideResNet(),
    "sew18": SewResNet(),
}
IMAGES = Images(classes=10, shape=(3, 32, 32), mean=(0.49, 0.48, 0.45), std=(0.25, 0.24, 0.26))


def snn(architecture: Architecture, sparsity: float = 0.9) -> SNN:
    """Return a network with random, pruned weights and statistics that let spikes through."""
    torch.manual_seed(0)
    model = SNN(architecture.specification(IMAGES), Spiking(steps=8)).eval()
    with torch.no_grad():
        for synapses in model.synapses().values():
            synapses.mask.copy_(torch.rand_like(synapses.mask) >= sparsity)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_var.fill_(0.05)  # type: ignore[union-attr]
    return model


def measure(name: str) -> None:
    """Print one row."""
    model = snn(NETWORKS[name])
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path, times = Path(folder) / "network.safetensors", [time.perf_counter()]
        network = folded(lower(model))
        times.append(time.perf_counter())
        integer = quantize(network)
        times.append(time.perf_counter())
        archive.write(integer, path)
        times.append(time.perf_counter())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        onnx.write(integer, Path(folder) / "network.onnx")
        times.append(time.perf_counter())
        for _ in reference.steps(integer, random_stimulus(integer, 1, 0)):
            pass
        times.append(time.perf_counter())
        neurons = sum(int(np.prod(population.shape)) for population in integer.spiking)
        relays = sum(int(np.prod(p.shape)) for p in integer.spiking if "_relay" in p.name)
        seconds = " | ".join(f"{end - start:.1f}" for start, end in itertools.pairwise(times))
        size = path.stat().st_size / 2**20
    print(f"| {name} | {neurons - relays:,} | {relays:,} | {seconds} | {peak:.1f} | {size:.1f} |", flush=True)


def main(names: list[str]) -> None:
    """Measure each network in its own process."""
    print(f"{os.cpu_count()} cores; seconds, then GiB at the archive's end, then MiB of the archive")
    print("| network | IF neurons | relays | lower | quantize | archive | ONNX | reference, 1 image | GiB | MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for name in names or list(NETWORKS):
        process = multiprocessing.get_context("spawn").Process(target=measure, args=(name,))
        process.start()
        process.join()


if __name__ == "__main__":
    main(sys.argv[1:])
