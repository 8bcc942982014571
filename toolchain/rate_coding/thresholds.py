"""Firing thresholds from the activations of a ReLU network on calibration images."""

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from spikeport.export.progress import Progress
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.specification import INPUT


def thresholds(ann: ANN, batches: Sequence[Tensor], percentiles: Iterable[float]) -> dict[float, dict[str, float]]:
    """Return, per percentile (in percent), the threshold of every population with neurons.

    It is the largest of the batches' percentiles of the activations ``relu(a)``, as in Algorithm 1 of Schmolli et al.
    (CPAL 2025), with the real values of the layers below instead of their spikes. Where that percentile is 0, because
    few activations are not, the largest activation takes its place; it is 0 for a population that never gives anything.
    """
    found: dict[float, dict[str, float]] = {percentile: {} for percentile in percentiles}
    largest: dict[str, float] = {}
    for batch in Progress("activations").track(batches):
        for name, values in _activations(ann, batch):
            largest[name] = max(largest.get(name, 0.0), float(values.max()))
            for percentile, levels in found.items():
                levels[name] = max(levels.get(name, 0.0), _percentile(values, percentile))
    for levels in found.values():
        for name, level in levels.items():
            levels[name] = level or largest[name]
    return found


@torch.no_grad()
def _activations(ann: ANN, images: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield what every population with neurons gives, from the input on."""
    values = {INPUT: ann.normalized(images)}
    for node in ann.specification.nodes:
        arriving = [layer(values[layer.source]) for layer in ann.projections_into(node.name)]
        total = torch.stack(arriving).sum(0) if len(arriving) > 1 else arriving[0]
        if node.kind == "neurons":
            total = total.relu()
            yield node.name, total
        values[node.name] = total


def _percentile(values: Tensor, percent: float) -> float:
    rank = max(1, math.ceil(values.numel() * percent / 100))
    return float(values.flatten().kthvalue(rank).values)
