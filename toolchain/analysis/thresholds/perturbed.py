"""Images that are moved inside of an epsilon ball, at random or by an attack, and the spikes that flip for it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from spikeport.toolchain.attacks.attack import ball
from spikeport.toolchain.attacks.noise import each_image, uniform
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.data.dataset import LEVEL
from spikeport.toolchain.evaluation import rounded_inside
from spikeport.toolchain.nn.draws import numbered
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.training.digests import derived

UNIFORM, SIGN, PGD = "uniform", "sign", "pgd"
KINDS = (UNIFORM, SIGN, PGD)
"""Every pixel uniform in the ball; every pixel at one of its ends, at random; projected gradient descent."""


def moved(
    model: SNN,
    images: Tensor,
    labels: Tensor,
    *,
    kind: str,
    epsilon: float,
    steps: int,
    numbers: Sequence[int],
    seed: int,
    levels: int | None,
) -> Tensor:
    """Return images (N, ...) moved by at most ``epsilon`` pixel levels, clipped to [0, 1].

    Random numbers follow from ``seed``, the kind and an image's number in the whole set, so that they do not depend on
    the batch; PGD starts where the member 'pgd' of a worst case does, and goes on to its last step. ``levels``: pixels
    are multiples of 1/levels inside of the ball.
    """
    real = epsilon * LEVEL
    generator = each_image([derived(seed, "attack", kind, number) for number in numbers])
    if kind == PGD:
        found = Pgd(steps=steps).perturb(model, images, labels, epsilon=real, generator=generator)
    else:
        drawn = uniform(images, generator)
        found = ball(images + real * (drawn if kind == UNIFORM else drawn.sign()), images, real)
    return found if levels is None else rounded_inside(found, images, real, levels)


@torch.no_grad()
def spikes(model: SNN, images: Tensor, numbers: Sequence[int]) -> dict[str, Tensor]:
    """Return the spikes (T, N, ...) of every population; an encoder that draws gives images what their numbers get."""
    with numbered(model, numbers):
        return {name: sent > 0 for name, sent in model.spikes(images).items()}


def flips(before: dict[str, Tensor], after: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return in how many neurons and steps of each image (N,) the spike is another, by population."""
    return {name: (sent != after[name]).transpose(0, 1).flatten(1).sum(1).cpu() for name, sent in before.items()}
