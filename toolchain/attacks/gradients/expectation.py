"""Mean over several draws of a network that is random."""

from contextlib import AbstractContextManager
from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor, nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.gradients.gradient import Gradient, PerImage
from spikeport.toolchain.attacks.gradients.trained import Trained
from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.draws import is_random


class Expectation(Gradient, frozen=True, kw_only=True, tag="expectation"):
    """``1/draws sum_i grad_x L(f_i(x))``: the mean of another gradient ``of`` the network, whose draws ``f_i`` differ.

    With the attack `pgd` it is EOT-PGD, with `apgd` APGD with EOT. The network draws its own random numbers (noise,
    random encoders); a network of ours that draws none is refused, as every draw would be the same.

    Source: Athalye et al., ICML 2018 (expectation over transformation).
    """

    of: Gradient = Trained()
    draws: Annotated[int, Meta(ge=1, le=100_000)] = 10

    @property
    def own_forward(self) -> bool:
        return self.of.own_forward

    def applied(self, model: nn.Module) -> AbstractContextManager[None]:
        if isinstance(model, Backbone) and not is_random(model):
            raise AttackError(
                "the gradient 'expectation' (EOT) averages over what a network draws, and this network draws nothing: "
                f'use gradient = {{ kind = "{tag_of(self.of)}" }}, or a random encoder, as poisson or rsc'
            )
        return self.of.applied(model)

    def __call__(self, model: nn.Module, images: Tensor, loss: PerImage) -> tuple[Tensor, Tensor]:
        """Return the means over the draws of the gradient, and of the loss (N,)."""
        gradient, losses = torch.zeros_like(images), images.new_zeros(len(images))
        for _ in range(self.draws):
            drawn, reached = self.of(model, images, loss)
            gradient, losses = gradient + drawn, losses + reached
        return gradient / self.draws, losses / self.draws


def one_draw(attacks: str) -> str:
    """Return what a reader has to know of ``attacks`` on a network that draws random numbers."""
    return (
        f"the network's encoder draws random numbers, and {attacks} follows the gradient of one draw at a time, which "
        "may point elsewhere in the next; the robust accuracy is too high where the gradient of the mean breaks more: "
        'use gradient = { kind = "expectation" } (EOT)'
    )
