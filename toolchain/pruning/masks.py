"""Masks on a network: set from what a pruner decided, and what they leave of every layer."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from spikeport.export.errors import NetworkError
from spikeport.hardware_profiles.columns import table
from spikeport.toolchain.nn.backbone import Backbone


@torch.no_grad()
def set_masks(model: Backbone, masks: Mapping[str, Tensor]) -> None:
    """Give every synaptic layer its 0/1 mask and set pruned weights to zero; `NetworkError` where they do not fit."""
    layers = model.synapses()
    if masks.keys() != layers.keys():
        raise NetworkError(f"masks are of {', '.join(masks)}; the network's synaptic layers are {', '.join(layers)}")
    for name, synapses in layers.items():
        mask = masks[name]
        if mask.shape != synapses.weight.shape or not bool(((mask == 0) | (mask == 1)).all()):
            expected = tuple(synapses.weight.shape)
            raise NetworkError(f"mask of {name!r} is {tuple(mask.shape)}; expected only 0 and 1, {expected}")
        synapses.mask.copy_(mask)
        synapses.weight.mul_(synapses.mask)


def layer_rates(model: Backbone) -> dict[str, dict[str, Any]]:
    """Return how many of its weights every synaptic layer keeps by its mask, and its sparsity."""
    rates = {}
    for name, synapses in model.synapses().items():
        kept, weights = int((synapses.mask != 0).sum()), synapses.mask.numel()
        rates[name] = {"kept": kept, "weights": weights, "sparsity": 1 - kept / weights}
    return rates


def rates_text(rates: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what `layer_rates` found as a sentence and a table."""
    kept, weights = (sum(each[key] for each in rates.values()) for key in ("kept", "weights"))
    rows = [
        (name, f"{each['kept']:,}", f"{each['weights']:,}", f"{100 * each['sparsity']:.2f} %")
        for name, each in rates.items()
    ]
    shown = table(("layer", "kept", "of weights", "sparsity"), rows)
    return f"{100 * (1 - kept / weights):.1f} % of {weights:,} weights are pruned\n{shown}"
