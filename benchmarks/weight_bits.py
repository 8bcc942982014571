"""Accuracy of the digits SNN against weight bits: max-abs scales, searched scales, and finetuned with rounded weights.

    spikeport demo --out demo && python benchmarks/weight_bits.py demo

Scales are searched on 200 training images; finetuning takes 10 epochs per row from the demo's SNN, Eq. 8 with the
weights rounded in every forward pass. All figures on the held-out images, in integers, by the reference executor.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from spikeport.export.executors import reference
from spikeport.export.network import FloatNetwork, IntegerNetwork
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.scale_search import search
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import predicted
from spikeport.toolchain import checkpoint
from spikeport.toolchain.data.dataset import Dataset
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.objectives.robust_kl import RobustKl
from spikeport.toolchain.recipes.reader import embedded
from spikeport.toolchain.stages.run import Run
from spikeport.toolchain.stages.train import Train
from spikeport.toolchain.training.settings import Training

BITS = (8, 6, 5, 4, 3, 2)
CALIBRATION = 200


def accuracy(network: IntegerNetwork, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of correct classes."""
    return float((predicted(network, stimulus(images, network), reference.steps) == labels).mean())


def both(network: FloatNetwork, bits: int, data: Dataset) -> tuple[float, float]:
    """Return accuracies with max-abs and with searched scales."""
    calibration = stimulus(data.train.images[:CALIBRATION], network)
    networks = quantize(network, weight_bits=bits), search(network, calibration, weight_bits=bits)[0]
    plain, found = (accuracy(each, data.test.images, data.test.labels) for each in networks)
    return plain, found


def tuned(folder: Path, bits: int, data: Dataset) -> FloatNetwork:
    """Return the demo's SNN after ten epochs with rounded weights."""
    settings = Training(epochs=10, learning_rate=0.01)
    stage = Train(name=f"bits_{bits}", training=settings, objective=RobustKl(epsilon=8), weight_bits=bits)
    with tempfile.TemporaryDirectory() as place:
        run = Run(recipe=embedded("digits"), data=data, folder=Path(place), seed=bits)
        made = stage.run(run, {"model": folder / "finetune" / "model.safetensors"})
        snn = checkpoint.read_snn(made.artefacts["model"])
    return folded(lower(snn.double().eval()))


def main(folder: Path) -> None:
    """Print the table."""
    data = embedded("digits").data.load(0)
    start = folded(lower(checkpoint.read_snn(folder / "finetune" / "model.safetensors").double().eval()))
    print("| bits | max-abs | searched | finetuned, max-abs | finetuned, searched |\n| --- | --- | --- | --- | --- |")
    for bits in BITS:
        cells = [*both(start, bits, data), *both(tuned(folder, bits, data), bits, data)]
        print(f"| {bits} | " + " | ".join(f"{100 * cell:.1f} %" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
