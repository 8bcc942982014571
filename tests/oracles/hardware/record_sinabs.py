"""Record what sinabs' own counter says of a network whose neurons fire several times a step.

Usage: python record_sinabs.py FOLDER

Writes sinabs.nir, as sinabs exports the network, and sinabs.npz: input spikes (images, steps, channels, height, width),
and per image the synaptic operations of every layer (images, layers) and the spikes of every population (images,
populations). Every weight is a multiple of 1/16 and none is zero: sinabs counts the synapses of zero weights too. A
spike in front of the summed pool counts its pooled pixel's fan-out.
"""

import sys
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import nir
import numpy as np
import torch
from sinabs.layers import IAFSqueeze, SumPool2d
from sinabs.nir import to_nir
from sinabs.synopcounter import SNNAnalyzer
from torch import nn

STEPS, IMAGES, SHAPE = 6, 4, (2, 8, 8)


def network() -> nn.Sequential:
    """Return two convolutions, one of them behind a pool, and two dense layers."""
    layers = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        IAFSqueeze(batch_size=1),
        SumPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False),
        IAFSqueeze(batch_size=1),
        nn.Flatten(),
        nn.Linear(24, 12, bias=False),
        IAFSqueeze(batch_size=1),
        nn.Linear(12, 5, bias=False),
        IAFSqueeze(batch_size=1),
    )
    generator = np.random.default_rng(7)
    for layer in layers:
        if hasattr(layer, "weight"):
            weight = generator.integers(-6, 13, layer.weight.shape)
            weight[weight == 0] = 9
            layer.weight.data = torch.from_numpy(weight / 16).float()
    return layers


def measured(layers: nn.Sequential, frames: torch.Tensor) -> tuple[list[int], list[int]]:
    """Return the operations of every layer with weights and the spikes of every population for one image."""
    for layer in layers:
        if isinstance(layer, IAFSqueeze):
            layer.reset_states()
    analyzer = SNNAnalyzer(layers)
    layers(frames)
    found = analyzer.get_layer_statistics()
    operations = [whole(each["synops"]) for each in found["parameter"].values()]
    return operations, [whole(each["output"].sum()) for each in found["spiking"].values()]


def whole(value: torch.Tensor) -> int:
    """Return a value that is a whole number already."""
    if value != int(value):
        raise ValueError(f"{value} is not a whole number")
    return int(value)


@torch.no_grad()
def main(folder: Path) -> None:
    """Record the network."""
    layers = network()
    inputs = (np.random.default_rng(8).random((IMAGES, STEPS, *SHAPE)) < 0.3).astype(np.uint8)
    counts = [measured(layers, torch.from_numpy(frames).float()) for frames in inputs]
    graph = to_nir(layers, torch.zeros(1, *SHAPE))
    with redirect_stdout(StringIO()):
        graph.infer_types()  # the exporter leaves Conv2d.input_shape None, which nir.write cannot write
    nir.write(folder / "sinabs.nir", graph)
    operations, spikes = (np.array(each) for each in zip(*counts, strict=True))
    np.savez_compressed(folder / "sinabs.npz", inputs=inputs, operations=operations, spikes=spikes)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
