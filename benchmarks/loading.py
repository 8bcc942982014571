"""Whether reading bounds training: time of a batch of images against that of a training step.

    python benchmarks/loading.py [--threads N] [--cifar10 PATH] [--json FILE]

Batches of 64 images of 3 x 32 x 32, random crops within 4 pixels of zeros and flips on, from 50,000 random images in
memory, in turns with training steps (forward, backward, SGD) of a plain VGG-11 with batch norm on the CPU. Medians.
``--cifar10`` also times reading a copy of CIFAR-10 once, as a run does when it begins.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from spikeport.toolchain.data.cifar10 import Cifar10
from spikeport.toolchain.data.dataset import Augmentation, Split
from spikeport.toolchain.data.loader import batches

PLAN = (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0)
"""Channels of VGG-11's convolutions (Simonyan and Zisserman, 2015); 0 is pooling."""
IMAGES, BATCH, STEPS = 50_000, 64, 12
AUGMENT = Augmentation(crop=4, flip=True)


def vgg11() -> nn.Module:
    """Return VGG-11 for images of 32 x 32 with batch norm and one dense layer."""
    layers, channels = list[nn.Module](), 3
    for width in PLAN:
        if not width:
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels, 10))


def measured(threads: int) -> dict[str, float]:
    """Return median seconds of a batch and of a step, their ratio, and images a second."""
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 3, 32, 32), dtype=np.uint8)
    split = Split(images=images, labels=rng.integers(0, 10, IMAGES))
    model = vgg11()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loading, stepping = list[float](), list[float]()
    made = batches(split, BATCH, generator=torch.Generator().manual_seed(0), augment=AUGMENT)
    for _ in range(STEPS):
        start = time.perf_counter()
        pixels, labels = next(made)
        between = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(pixels), labels).backward()
        optimizer.step()
        loading.append(between - start)
        stepping.append(time.perf_counter() - between)
    epoch = time.perf_counter()
    for _ in batches(split, BATCH, generator=torch.Generator().manual_seed(1), augment=AUGMENT):
        pass
    batch, step = statistics.median(loading[2:]), statistics.median(stepping[2:])
    return {
        "threads": threads,
        "batch_seconds": batch,
        "step_seconds": step,
        "loading_vs_step": batch / step,
        "images_per_second": IMAGES / (time.perf_counter() - epoch),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cifar10")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found: dict[str, object] = dict(measured(arguments.threads))
    if arguments.cifar10:
        start = time.perf_counter()
        found["cifar10"] = Cifar10(path=arguments.cifar10).load(0).name
        found["cifar10_seconds"] = time.perf_counter() - start
    print(json.dumps(found, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
