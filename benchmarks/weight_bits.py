"""Accuracy of the digits SNN against weight bits: max-abs scales, searched scales, and finetuned with rounded weights.

    spikeport demo --out demo && python benchmarks/weight_bits.py demo

Scales are searched on 200 training images; finetuning takes 10 epochs per row from the demo's SNN, Eq. 8 with the
weights rounded in every forward pass. All figures on the held-out images, in integers, by the reference executor.
"""

import sys
from pathlib import Path

import msgspec
import numpy as np
import torch

from spikeport.export.executors import reference
from spikeport.export.network import FloatNetwork, IntegerNetwork
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.scale_search import search
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import predicted
from spikeport.toolchain import checkpoint, pipeline
from spikeport.toolchain.config import TuneIntegers, embedded
from spikeport.toolchain.data import digits
from spikeport.toolchain.lowering import lower

BITS = (8, 6, 5, 4, 3, 2)
CALIBRATION = 200


def accuracy(network: IntegerNetwork, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of correct classes."""
    return float((predicted(network, stimulus(images, network), reference.steps) == labels).mean())


def both(network: FloatNetwork, bits: int, data: pipeline.Dataset) -> tuple[float, float]:
    """Return accuracies with max-abs and with searched scales."""
    calibration = stimulus(data.train.images[:CALIBRATION], network)
    networks = quantize(network, weight_bits=bits), search(network, calibration, weight_bits=bits)[0]
    plain, found = (accuracy(each, data.test.images, data.test.labels) for each in networks)
    return plain, found


def tuned(folder: Path, bits: int, data: pipeline.Dataset) -> FloatNetwork:
    """Return the demo's SNN after ten epochs with rounded weights."""
    recipe = embedded("digits")
    settings = TuneIntegers(epochs=10, learning_rate=0.01, epsilon=8)
    recipe = msgspec.structs.replace(recipe, quantize=msgspec.structs.replace(recipe.quantize, weight_bits=bits))
    run = pipeline.Run(recipe, folder, data, torch.Generator().manual_seed(bits))
    snn = checkpoint.read_snn(folder / "snn.safetensors")
    snn.round_weights(bits)
    pipeline.finetune_snn(run, snn, settings, f"{bits} bits")
    snn.round_weights(None)
    return folded(lower(snn.double().eval()))


def main(folder: Path) -> None:
    """Print the table."""
    data = digits.load()
    start = folded(lower(checkpoint.read_snn(folder / "snn.safetensors").double().eval()))
    print("| bits | max-abs | searched | finetuned, max-abs | finetuned, searched |\n| --- | --- | --- | --- | --- |")
    for bits in BITS:
        cells = [*both(start, bits, data), *both(tuned(folder, bits, data), bits, data)]
        print(f"| {bits} | " + " | ".join(f"{100 * cell:.1f} %" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
