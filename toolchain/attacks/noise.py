"""Random numbers of attacks: drawn by one generator in one order, whatever computes with them."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from spikeport.export.stimulus.coding import generators_of
from spikeport.toolchain.nn.draws import Draws

OF_THE_NETWORK = 1
"""Last of the seeds of what a random network draws, so that these numbers are not those of the attack."""


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


class EachImage(torch.Generator):
    """A generator for every image of a batch: what is drawn for an image depends on its own seed alone."""

    images: tuple[torch.Generator, ...]


def each_image(seeds: Iterable[int]) -> EachImage:
    """Return a generator on the CPU for a batch whose images have these seeds."""
    generator = EachImage()
    generator.images = tuple(torch.Generator().manual_seed(seed) for seed in seeds)
    return generator


def uniform(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return numbers in [-1, 1) of the shape of ``images``."""
    return _drawn(images, generator, lambda room, source: room.uniform_(-1, 1, generator=source))


def normal(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return normally distributed numbers of the shape of ``images``."""
    return _drawn(images, generator, lambda room, source: room.normal_(generator=source))


def _drawn(images: Tensor, generator: torch.Generator, fill: Callable[[Tensor, torch.Generator], Tensor]) -> Tensor:
    """Draw on the generator's device in single precision, for the whole batch, and return the rows of ``images``."""
    if isinstance(generator, EachImage):
        room = torch.empty(images.shape)
        for row, source in zip(room, generator.images, strict=True):
            fill(row, source)
        return room.to(images)
    first, total = 0, len(images)
    if isinstance(generator, Rows):
        first, total = generator.first, generator.total
    room = torch.empty((total, *images.shape[1:]), device=generator.device)
    return fill(room, generator)[first : first + len(images)].to(images)


def draws_of(generator: torch.Generator, count: int) -> Draws:
    """Return what a random network draws from while it is attacked, per image, apart from the attack's own numbers."""
    if isinstance(generator, EachImage):
        seeds = [each.initial_seed() for each in generator.images]
        return Draws([found for seed in seeds for found in generators_of(seed, [OF_THE_NETWORK])])
    if isinstance(generator, Rows):
        return Draws(generators_of(generator.initial_seed(), range(generator.first, generator.first + count)))
    base = torch.randint(2**62, (1,), generator=generator, device=generator.device)
    return Draws(generators_of(int(base), range(count)))
