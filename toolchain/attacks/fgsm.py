"""Fast gradient sign method."""

import torch
from torch import Tensor

from spikeport.toolchain.attacks.ascent import Ascent
from spikeport.toolchain.attacks.attack import Attack, ball


class Fgsm(Attack, frozen=True, kw_only=True, tag="fgsm"):
    """``x~ = clip(x + eps sign(grad_x L(f(x))))``.

    Source: Goodfellow et al., ICLR 2015; Schmolli et al., section 2.2.
    """

    def search(self, ascend: Ascent, images: Tensor, *, epsilon: float, generator: torch.Generator) -> Tensor:
        del generator
        return ball(images + epsilon * ascend(images)[0].sign(), images, epsilon)
