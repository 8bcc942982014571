"""Difference of logits ratio towards one wrong class."""

from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.losses.dlr import TINY, ordered
from spikeport.toolchain.attacks.losses.loss import AttackLoss


class TargetedDlr(AttackLoss, frozen=True, kw_only=True, tag="targeted_dlr"):
    """``-(z_y - z_t) / (z_pi1 - (z_pi3 + z_pi4) / 2)``; ``t`` is the wrong class with the ``rank``-th clean logit.

    ``pi`` sorts the logits ``z`` downwards, so four classes or more. The attack `apgd` tries several ranks.

    Source: Croce and Hein, ICML 2020 (AutoAttack), Eq. 7; 1e-12 is added to the denominator as in its code.
    """

    needs_clean: ClassVar[bool] = True
    rank: Annotated[int, Meta(ge=1, le=100_000)] = 1

    def __call__(self, logits: Tensor, labels: Tensor, clean: Tensor | None = None) -> Tensor:
        assert clean is not None
        ranked, values, chosen = ordered(logits, 4, "targeted_dlr"), logits.float(), labels[:, None]
        distance = values.gather(1, self._target(clean, labels)) - values.gather(1, chosen)
        return distance[:, 0] / (ranked[:, 0] - (ranked[:, 2] + ranked[:, 3]) / 2 + TINY)

    def _target(self, clean: Tensor, labels: Tensor) -> Tensor:
        """Return the target class (N, 1)."""
        if self.rank >= clean.shape[1]:
            raise AttackError(f"targeted_dlr: rank {self.rank}; the network has {clean.shape[1] - 1} wrong classes")
        others = clean.scatter(1, labels[:, None], -torch.inf)
        return others.argsort(1, descending=True)[:, self.rank - 1, None]
