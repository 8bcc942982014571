"""What every pruner is: a frozen object that decides which synapses stay."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from spikeport.toolchain.choices import Choice
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.layers import Synapses

Penalty = Callable[[int], Tensor]
"""A term added to the loss, a scalar, by the epoch from 0 on."""


class Learn(Protocol):
    """Trains ``parameters`` on the stage's objective plus ``penalty(epoch)``, and returns what was measured.

    Only epochs after which ``accept()`` holds may become the best, whose values the parameters have at the end. The
    parameters may be the model's, or the pruner's own.
    """

    def __call__(
        self,
        parameters: Sequence[nn.Parameter],
        *,
        penalty: Penalty | None = None,
        accept: Callable[[], bool] | None = None,
    ) -> Mapping[str, Any]: ...


class Pruner(Choice, frozen=True, kw_only=True):
    """A rule that keeps a share of the weights of every synaptic layer."""

    def masks(self, model: Backbone, sparsity: float, learn: Learn, *, generator: torch.Generator) -> dict[str, Tensor]:
        """Return a 0/1 mask per synaptic layer, by the names of `Backbone.synapses`; the model may be changed.

        ``generator`` (on the CPU) is for pruners that draw.
        """
        raise NotImplementedError

    @property
    def learns(self) -> bool:
        """Whether it calls ``learn``."""
        return False


def kept(synapses: Synapses, sparsity: float) -> int:
    """Return how many weights a layer keeps under uniform ``sparsity``; at least one."""
    return max(1, round((1 - sparsity) * synapses.weight.numel()))
