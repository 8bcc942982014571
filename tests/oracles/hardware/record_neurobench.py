"""Record what NeuroBench's own metric counts as synaptic operations in the small spiking networks.

Usage: python record_neurobench.py OUTFILE

NeuroBench takes a layer's whole input of one step for spikes if it holds nothing but -1, 0 and 1, and counts additions
then, multiplications otherwise. Behind a summed pool that changes from step to step; only the sum of both is robust.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from cases import Case, Layer, cases
from neurobench.metrics.workload import SynapticOperations
from neurobench.models import TorchModel
from torch import nn
from torch.nn import functional

KINDS = {"effective_acs": "Effective_ACs", "effective_macs": "Effective_MACs"}


class Network(nn.Module):
    """A chain of spiking layers without delay; only the ``counted`` ones have synapses that NeuroBench finds."""

    def __init__(self, layers: tuple[Layer, ...], counted: set[int]) -> None:
        super().__init__()
        self.layers = layers
        self.synapses = [synapses_of(layer, hooked=i in counted) for i, layer in enumerate(layers)]
        self.found = nn.ModuleList(synapses for synapses in self.synapses if isinstance(synapses, nn.Module))
        self.spikes: Counter[str] = Counter()

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Run (batch, steps, channels, height, width) from rest and return the last layer's potentials."""
        potentials = [torch.zeros((), dtype=frames.dtype) for _ in self.layers]
        for frame in frames.unbind(1):
            spikes = frame
            for number, (layer, synapses) in enumerate(zip(self.layers, self.synapses, strict=True)):
                potential = potentials[number] + synapses(arriving(spikes, layer))
                if layer.threshold is not None:
                    fires = potential > layer.threshold
                    potential = potential.masked_fill(fires, 0)
                    spikes = fires.to(frame.dtype)
                    self.spikes[f"layer{number}"] += int(fires.sum())
                potentials[number] = potential
        return potentials[-1]


def arriving(spikes: torch.Tensor, layer: Layer) -> torch.Tensor:
    """Return what the synapses of a layer see: spikes summed over the pool's windows, flat for a matrix."""
    if layer.pool > 1:
        spikes = functional.avg_pool2d(spikes, layer.pool, divisor_override=1)
    return spikes.flatten(1) if layer.weight.ndim == 2 else spikes


def synapses_of(layer: Layer, *, hooked: bool) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the synapses of a layer, either as a module, which NeuroBench hooks into, or as a plain function."""
    weight = torch.from_numpy(layer.weight).double()  # NeuroBench adds up its counts in the weight's number type
    outputs, inputs, *size = weight.shape
    options = {"stride": layer.stride, "padding": layer.padding} if size else {}
    if not hooked:
        return partial(functional.conv2d if size else functional.linear, weight=weight, **options)
    module = nn.Conv2d(inputs, outputs, size, bias=False, **options) if size else nn.Linear(inputs, outputs, bias=False)
    module.weight = nn.Parameter(weight)
    return module


def measure(case: Case, counted: set[int]) -> tuple[list[dict[str, int]], dict[str, int]]:
    """Return the operations of every image, in the counted layers, and the spikes of every layer over all images."""
    network = Network(case.layers, counted)
    model, metric = TorchModel(network), SynapticOperations()
    model.register_hooks()
    if [hook.layer for hook in model.connection_hooks] != list(network.found):
        raise ValueError(f"{case.name}: NeuroBench does not watch the layers it should")
    images = []
    for frames in torch.from_numpy(case.frames).double().split(1):
        metric.reset()
        means = metric(model, model(frames), (frames, None))
        model.reset_hooks()
        images.append({name: whole(means[key] * len(frames)) for name, key in KINDS.items()})
    return images, dict(network.spikes)


def whole(value: float) -> int:
    """Return a value that is a whole number already."""
    if value != int(value):
        raise ValueError(f"{value} operations are not a whole number")
    return int(value)


def total(counts: list[dict[str, int]]) -> dict[str, int]:
    """Add up operations by kind."""
    return {name: sum(count[name] for count in counts) for name in KINDS}


def record(case: Case) -> dict[str, object]:
    """Measure a whole network, then again with one layer in sight at a time."""
    images, spikes = measure(case, set(range(len(case.layers))))
    alone = [measure(case, {number}) for number in range(len(case.layers))]
    layers = [total(counts) for counts, _ in alone]
    if total(layers) != total(images) or any(others != spikes for _, others in alone):
        raise ValueError(f"{case.name}: the layers do not add up to the network")
    return {"spikes": spikes, "images": images, "layers": layers}


@torch.no_grad()
def main(outfile: Path) -> None:
    """Record every case."""
    recorded = {"tool": f"neurobench {version('neurobench')}", "cases": {case.name: record(case) for case in cases()}}
    outfile.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
