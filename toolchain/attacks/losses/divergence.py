"""Kullback-Leibler divergence between the outputs of attacked and clean images."""

from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional

from spikeport.toolchain.attacks.losses.loss import AttackLoss

Direction = Literal["attacked||clean", "clean||attacked"]
"""``D_KL(first || second) = sum_c p_first (log p_first - log p_second)``."""


class Divergence(AttackLoss, frozen=True, kw_only=True, tag="divergence"):
    """``D_KL(softmax(f(x~)) || softmax(f(x)))``, or of the other direction; labels play no part.

    Source: 'attacked||clean' as in Schmolli et al., Eq. 8; 'clean||attacked' as in Zhang et al., ICML 2019 (TRADES).
    """

    needs_clean: ClassVar[bool] = True
    direction: Direction = "attacked||clean"

    def __call__(self, logits: Tensor, labels: Tensor, clean: Tensor | None = None) -> Tensor:
        del labels
        assert clean is not None
        return divergence(logits, clean, self.direction)


def divergence(attacked: Tensor, clean: Tensor, direction: Direction) -> Tensor:
    """Return the Kullback-Leibler divergence (N,) of the logits (N, classes), in nats."""
    logs = {"attacked": functional.log_softmax(attacked.float(), 1), "clean": functional.log_softmax(clean.float(), 1)}
    first, second = (logs[name] for name in direction.split("||"))
    return functional.kl_div(second, first, reduction="none", log_target=True).sum(1)
