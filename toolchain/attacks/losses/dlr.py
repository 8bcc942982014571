"""Difference of logits ratio."""

from torch import Tensor

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.attacks.losses.margin import margin

TINY = 1e-12


class Dlr(AttackLoss, frozen=True, kw_only=True, tag="dlr"):
    """``-(z_y - max_{i != y} z_i) / (z_pi1 - z_pi3)``; ``pi`` sorts the logits ``z`` downwards.

    It does not change where logits are scaled or shifted, so that large logits, whose cross-entropy has no gradient
    left in single precision, are attacked as small ones are. It needs three classes or more.

    Source: Croce and Hein, ICML 2020 (AutoAttack), Eq. 6; 1e-12 is added to the denominator as in its code.
    """

    def __call__(self, logits: Tensor, labels: Tensor, clean: Tensor | None = None) -> Tensor:
        del clean
        ranked = ordered(logits, 3, "dlr")
        return margin(logits.float(), labels) / (ranked[:, 0] - ranked[:, 2] + TINY)


def ordered(logits: Tensor, most: int, name: str) -> Tensor:
    """Return the ``most`` largest logits per image, the largest first; `AttackError` where there are fewer classes."""
    if logits.shape[1] < most:
        raise AttackError(
            f"the loss {name!r} needs {most} classes, and the network has {logits.shape[1]}; use the loss 'margin'"
        )
    return logits.float().topk(most, dim=1).values
