"""Importance scores that pruners learn under the adversarial objective while all weights are frozen."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.layers import Synapses, top_mask


def start_scores(model: Backbone) -> list[nn.Parameter]:
    """Give every synaptic layer its scores, ``sqrt(6 / fan_in) w / max|w|`` (Sehwag et al.), and return them."""
    return [_start(synapses) for synapses in model.synapses().values()]


def _start(synapses: Synapses) -> nn.Parameter:
    weight = synapses.weight.detach()
    fan_in = weight[0].numel()
    synapses.scores = nn.Parameter(math.sqrt(6 / fan_in) * weight / weight.abs().max())
    return synapses.scores


@contextmanager
def frozen_but(model: nn.Module, learned: Sequence[nn.Parameter]) -> Iterator[None]:
    """Let no parameter of the model require a gradient but ``learned``, while the block runs."""
    trained = [each for each in model.parameters() if each.requires_grad and not any(each is one for one in learned)]
    for weight in trained:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in trained:
            weight.requires_grad_()


@torch.no_grad()
def finished(model: Backbone, counts: Mapping[str, int]) -> dict[str, Tensor]:
    """Return the masks of the ``counts`` largest |s| of every layer, and take scores and quotas away."""
    masks = {}
    for name, synapses in model.synapses().items():
        assert synapses.scores is not None
        masks[name] = top_mask(synapses.scores.abs(), counts[name])
        synapses.scores = synapses.quota = None
    return masks
