"""Cross-entropy of the label."""

from torch import Tensor
from torch.nn import functional

from spikeport.toolchain.attacks.losses.loss import AttackLoss


class CrossEntropy(AttackLoss, frozen=True, kw_only=True, tag="cross_entropy"):
    """``-log softmax(logits)[label]`` (Madry et al., ICLR 2018)."""

    def __call__(self, logits: Tensor, labels: Tensor, clean: Tensor | None = None) -> Tensor:
        del clean
        return functional.cross_entropy(logits.float(), labels, reduction="none")
