"""Optimizers and the learning rate, a function of the step alone."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from spikeport.toolchain.training.settings import Training

BETAS = (0.9, 0.999)


def optimizer_of(parameters: Sequence[nn.Parameter], settings: Training) -> torch.optim.Optimizer:
    """Return the optimizer of the settings."""
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, betas=BETAS, weight_decay=decay)
    return torch.optim.SGD(parameters, lr=rate, momentum=settings.momentum, weight_decay=decay)


def learning_rate(settings: Training, epoch: int, step: int, steps: int) -> float:
    """Return the learning rate of ``step`` (from 0) of ``steps`` in ``epoch`` (from 0).

    Warm-up: ``eta (k + 1) / (warmup steps)`` at update k. Then ``eta``, or ``eta (1 + cos(pi e / E)) / 2`` with e of E
    epochs after the warm-up, constant within an epoch (Loshchilov and Hutter, ICLR 2017, without restarts).
    """
    if epoch < settings.warmup:
        return settings.learning_rate * (epoch * steps + step + 1) / (settings.warmup * steps)
    if settings.schedule == "constant":
        return settings.learning_rate
    done = (epoch - settings.warmup) / (settings.epochs - settings.warmup)
    return settings.learning_rate * (1 + math.cos(math.pi * done)) / 2
