"""Random numbers of attacks: drawn by one generator in one order, whatever computes with them."""

from collections.abc import Callable

import torch
from torch import Tensor


class Rows(torch.Generator):
    """A generator of the rows from ``first`` on of a batch of ``total`` images.

    What is drawn for these rows equals what one process draws for them in the whole batch, so that a batch in parts
    (gradient accumulation, several processes) is attacked as the whole one is.
    """

    first: int
    total: int


def rows(seed: int, first: int, total: int) -> Rows:
    """Return a generator on the CPU for a part of a batch."""
    generator = Rows()
    generator.manual_seed(seed)
    generator.first, generator.total = first, total
    return generator


def uniform(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return numbers in [-1, 1) of the shape of ``images``."""
    return _drawn(images, generator, lambda room: room.uniform_(-1, 1, generator=generator))


def normal(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return normally distributed numbers of the shape of ``images``."""
    return _drawn(images, generator, lambda room: room.normal_(generator=generator))


def _drawn(images: Tensor, generator: torch.Generator, fill: Callable[[Tensor], Tensor]) -> Tensor:
    """Draw on the generator's device in single precision, for the whole batch, and return the rows of ``images``."""
    first, total = 0, len(images)
    if isinstance(generator, Rows):
        first, total = generator.first, generator.total
    room = torch.empty((total, *images.shape[1:]), device=generator.device)
    return fill(room)[first : first + len(images)].to(images)
