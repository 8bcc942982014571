"""What every pruner is: a frozen object that decides which synapses stay."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from spikeport.toolchain.choices import Choice
from spikeport.toolchain.nn.backbone import Backbone

Penalty = Callable[[int], Tensor]
"""A term added to the loss, by the epoch from 0 on."""
Learn = Callable[..., Mapping[str, Any]]
"""``learn(parameters, penalty=None, accept=None)`` trains the parameters on the stage's objective plus the penalty;
 only epochs for which ``accept()`` holds may become the best. It returns what was measured."""


class Pruner(Choice, frozen=True, kw_only=True):
    """A rule that keeps a share of the weights of every synaptic layer."""

    def masks(self, model: Backbone, sparsity: float, learn: Learn) -> dict[str, Tensor]:
        """Return a 0/1 mask per synaptic layer, by the names of `Backbone.synapses`."""
        raise NotImplementedError

    def parameters(self, model: Backbone) -> list[nn.Parameter]:
        """Return what is learned; nothing by itself."""
        del model
        return []
