"""HARP: how many weights every layer keeps is learned together with which ones."""

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.layers import Synapses
from spikeport.toolchain.pruning.pruner import Learn, Pruner
from spikeport.toolchain.pruning.scores import finished, frozen_but, start_scores

LEAST = 0.1
"""The least share that a layer keeps, in units of the target share."""
MET = 5e-5
"""An excess over the target that counts as none: it is 0 to four digits, as the authors' code asks."""
START = 0.1
"""The share that every layer keeps at first where the target is smaller, as the authors' scripts have it."""
EDGE = 1e-3
"""How far the share of a start stays from 0 and 1, where the sigmoid has no slope."""


class Harp(Pruner, frozen=True, kw_only=True, tag="harp"):
    """Learn which weights to keep, and how many of every layer: rates per layer differ, their sum is the target.

        min_{r,s} E[ max_{x~} L_robust(f(x~; m(r,s) * theta), y) ] + gamma max(sum_l k_l n_l / (a n) - 1, 0)
        k_l = sigmoid(r_l) (1 - k_min) + k_min,    a = 1 - sparsity,    k_min = 0.1 a

    Source: Zhao and Wressnegger, ICLR 2023. Layer l with n_l of n weights keeps the top ``k_l n_l`` of |s|; k_l has the
    sum of the mask's gradient. ``gamma`` is multiplied by the number of the epoch until an epoch ends at the target,
    and stays as it is then. ``start``: the share that every layer keeps at first, without it the larger of a and 0.1.
    Epochs above the target cannot become the best; the counts of the best are rounded so that their sum is the target.
    """

    gamma: Annotated[float, Meta(gt=0, le=1e6)] = 0.1
    start: Annotated[float, Meta(gt=0, le=1)] | None = None

    def masks(self, model: Backbone, sparsity: float, learn: Learn, *, generator: torch.Generator) -> dict[str, Tensor]:
        del generator
        layers = model.synapses()
        sizes = [synapses.weight.numel() for synapses in layers.values()]
        target = max(len(sizes), round((1 - sparsity) * sum(sizes)))
        learned = [*start_scores(model), *self._start_quotas(list(layers.values()), target / sum(sizes))]
        model.control = control = Control(list(layers.values()), target, self.gamma)
        try:
            with frozen_but(model, learned):
                learn(learned, penalty=control.penalty, accept=control.accept)
        finally:
            del model.control
        shares = [float(synapses.share().detach()) for synapses in layers.values()]
        return finished(model, dict(zip(layers, exact_counts(shares, sizes, target), strict=True)))

    def _start_quotas(self, layers: Sequence[Synapses], target: float) -> list[nn.Parameter]:
        """Give every layer the quota r_l of the share at the start."""
        return [_start(synapses, self.start or max(START, target), LEAST * target) for synapses in layers]

    @property
    def learns(self) -> bool:
        return True


def _start(synapses: Synapses, share: float, least: float) -> nn.Parameter:
    inner = min(max((share - least) / (1 - least), EDGE), 1 - EDGE)
    synapses.least = least
    synapses.quota = nn.Parameter(torch.tensor(math.log(inner / (1 - inner)), device=synapses.weight.device))
    return synapses.quota


class Control(nn.Module):
    """The term that brings the sum of all rates to ``target`` weights, and the test that an epoch did.

    ``reached`` is gamma as it was when an epoch first ended at the target, 0 before. It is a buffer, so that a
    checkpoint of the model holds it while this is a part of the model.
    """

    reached: Tensor

    def __init__(self, layers: Sequence[Synapses], target: int, gamma: float) -> None:
        super().__init__()
        self.layers, self.target, self.gamma, self.epoch = list(layers), target, gamma, 0
        self.register_buffer("reached", torch.zeros(()))

    def excess(self) -> Tensor:
        """Return ``sum_l k_l n_l / (a n) - 1``."""
        kept = [synapses.share() * synapses.weight.numel() for synapses in self.layers]
        return torch.stack(kept).sum() / self.target - 1

    def penalty(self, epoch: int) -> Tensor:
        """Return the term of an epoch from 0 on."""
        self.epoch = epoch
        gamma = torch.where(self.reached > 0, self.reached, (epoch + 1) * self.gamma)
        return gamma * self.excess().clamp(min=0)

    @torch.no_grad()
    def accept(self) -> bool:
        """Return whether the rates are at the target or below it."""
        met = bool(self.excess() < MET)
        if met and not self.reached:
            self.reached.fill_((self.epoch + 1) * self.gamma)
        return met


def exact_counts(shares: Sequence[float], sizes: Sequence[int], total: int) -> list[int]:
    """Return how many weights each layer keeps: in the proportion of the shares, 1 to all of them, ``total`` in all.

    Layers that one factor would give more than they have keep all, and the others share the rest; what rounding down
    leaves goes to the largest remainders.
    """
    wanted = [share * size for share, size in zip(shares, sizes, strict=True)]

    def clipped(factor: float) -> list[float]:
        return [min(max(factor * each, 1.0), float(size)) for each, size in zip(wanted, sizes, strict=True)]

    low, high = 0.0, max(size / each for each, size in zip(wanted, sizes, strict=True))
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(clipped(middle)) <= total else (low, middle)
    exact = clipped(low)
    counts = [math.floor(each) for each in exact]
    order = sorted(range(len(sizes)), key=lambda index: counts[index] - exact[index])
    while sum(counts) < total:
        for index in order:
            counts[index] += counts[index] < sizes[index] and sum(counts) < total
    return counts
