"""HYDRA: importance scores learned under the adversarial objective, weights frozen.

    min_s E[ max_{x~} L_robust(f(x~; m(s) * theta), y) ]                              (Schmolli et al., Eq. 7)

Source: Sehwag et al., NeurIPS 2020. Scores start at ``sqrt(6 / fan_in) w / max|w|``; the forward pass keeps the
top k of |s| in each layer; the gradient passes straight through the mask.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.layers import Synapses, top_mask
from spikeport.toolchain.pruning.lwm import kept


def start_scores(model: ANN, sparsity: float) -> list[nn.Parameter]:
    """Give every synaptic layer its scores and return them."""
    return [_start(synapses, sparsity) for synapses in model.synapses().values()]


def _start(synapses: Synapses, sparsity: float) -> nn.Parameter:
    weight = synapses.weight.detach()
    fan_in = weight[0].numel()
    synapses.scores = nn.Parameter(math.sqrt(6 / fan_in) * weight / weight.abs().max())
    synapses.keep = kept(synapses, sparsity)
    return synapses.scores


def masks(model: ANN, sparsity: float, learn: Callable[[list[nn.Parameter]], None]) -> dict[str, Tensor]:
    """Return a 0/1 mask per synaptic layer after ``learn`` has trained the scores it is given."""
    scores = start_scores(model, sparsity)
    weights = [synapses.weight for synapses in model.synapses().values()]
    for weight in weights:
        weight.requires_grad_(False)
    learn(scores)
    for weight in weights:
        weight.requires_grad_()
    return {name: _finish(synapses) for name, synapses in model.synapses().items()}


@torch.no_grad()
def _finish(synapses: Synapses) -> Tensor:
    assert synapses.scores is not None
    mask = top_mask(synapses.scores.abs(), synapses.keep)
    synapses.scores = None
    return mask
