"""Mean over several draws of a network that is random."""

from contextlib import AbstractContextManager
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

from spikeport.toolchain.attacks.gradients.gradient import Gradient, PerImage
from spikeport.toolchain.attacks.gradients.trained import Trained


class Expectation(Gradient, frozen=True, kw_only=True, tag="expectation"):
    """``1/draws sum_i grad_x L(f_i(x))``: the mean of another gradient ``of`` the network, whose draws ``f_i`` differ.

    With the attack `pgd` it is EOT-PGD, with `apgd` APGD with EOT. The network draws its own random numbers (noise,
    random encoders); one without any gives the same gradient in every draw, at ``draws`` times the cost.

    Source: Athalye et al., ICML 2018 (expectation over transformation).
    """

    of: Gradient = Trained()
    draws: Annotated[int, Meta(ge=1, le=100_000)] = 10

    @property
    def own_forward(self) -> bool:
        return self.of.own_forward

    def applied(self, model: nn.Module) -> AbstractContextManager[None]:
        return self.of.applied(model)

    def __call__(self, model: nn.Module, images: Tensor, loss: PerImage) -> tuple[Tensor, Tensor]:
        """Return the means over the draws of the gradient, and of the loss (N,)."""
        gradient, losses = torch.zeros_like(images), images.new_zeros(len(images))
        for _ in range(self.draws):
            drawn, reached = self.of(model, images, loss)
            gradient, losses = gradient + drawn, losses + reached
        return gradient / self.draws, losses / self.draws
