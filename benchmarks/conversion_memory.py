"""Peak memory of converting a wide residual network layer after layer.

    python benchmarks/conversion_memory.py [--depth 28] [--width 4] [--batch 64] [--batches 1] [--steps 100]
        [--memory BYTES] [--out PATH]

Random weights and images of CIFAR shapes; ``--steps`` of calibration, T = 8. Prints the largest resident size of the
process, what it was before the conversion, and the seconds. Without the room on the disk the values of a layer need
batches x T x N x C x H x W x 4 bytes: 1.7 GB a batch for WRN-28-4 at T = 100, N = 64, three of them where a stream
passes by.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path

import torch

from spikeport.toolchain.conversion.kept_values import MEMORY
from spikeport.toolchain.conversion.threshold_balancing import convert
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.architectures.architecture import Images
from spikeport.toolchain.nn.architectures.wide_resnet import WideResNet

IMAGES = Images(classes=10, shape=(3, 32, 32), mean=(0.5,) * 3, std=(0.25,) * 3)


def megabytes() -> float:
    """Return the largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    """Convert once and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"depth": 28, "width": 4, "batch": 64, "batches": 1, "steps": 100, "memory": MEMORY}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", metavar="PATH")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    ann = ANN(WideResNet(depth=given.depth, width=given.width).specification(IMAGES))
    batches = [torch.rand(given.batch, 3, 32, 32) for _ in range(given.batches)]
    before, began, used = megabytes(), time.perf_counter(), time.process_time()
    settings = {"steps": 8, "calibration_steps": given.steps, "percentile": 99.7, "threshold_scale": 0.3}
    snn = convert(ann, batches, memory=given.memory, **settings)
    result = {
        **vars(given),
        "peak_megabytes": megabytes(),
        "megabytes_before": before,
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - used,
        "thresholds": [neurons.threshold.item() for neurons in snn.neuron_list()],
    }
    text = json.dumps(result, indent=2)
    if given.out:
        Path(given.out).write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
