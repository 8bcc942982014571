"""Random-step FGSM."""

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

from spikeport.toolchain.attacks.ascent import Ascent
from spikeport.toolchain.attacks.attack import Attack, ball
from spikeport.toolchain.attacks.noise import normal


class Rfgsm(Attack, frozen=True, kw_only=True, tag="rfgsm"):
    """A random step of ``alpha`` (in units of epsilon), then a gradient step of the rest.

        x' = clip(x + alpha eps sign(N(0, I)));   x~ = clip_eps(x' + (1 - alpha) eps sign(grad L(f(x'))))

    Source: Tramer et al., ICLR 2018; alpha = 1/2 as in the training scripts of Ozdenizci and Legenstein, TMLR 2024.
    """

    alpha: Annotated[float, Meta(ge=0, le=1)] = 0.5

    def search(self, ascend: Ascent, images: Tensor, *, epsilon: float, generator: torch.Generator) -> Tensor:
        started = ball(images + self.alpha * epsilon * normal(images, generator).sign(), images, epsilon)
        return ball(started + (1 - self.alpha) * epsilon * ascend(started)[0].sign(), images, epsilon)
