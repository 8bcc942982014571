"""What every loss of an attack is: a frozen object from logits and labels to one number per image."""

from typing import ClassVar

from torch import Tensor

from spikeport.toolchain.choices import Choice


class AttackLoss(Choice, frozen=True, kw_only=True):
    """What an attack raises; where ``needs_clean``, the logits of the clean images are computed once per call."""

    needs_clean: ClassVar[bool] = False

    def __call__(self, logits: Tensor, labels: Tensor, clean: Tensor | None = None) -> Tensor:
        """Return the loss (N,) of ``logits`` (N, classes) with ``labels`` (N,); ``clean`` (N, classes) is constant."""
        raise NotImplementedError
