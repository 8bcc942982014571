"""What random encoders draw from: a generator for every image of a batch, so that no image's numbers depend on others.

A network draws anew in every forward pass. Whoever measures it names the images (`numbered`), and gets the numbers that
the deployed network gets for them; an attack sees other ones (`drawing`), since an attacker does not know them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from spikeport.export.errors import AttackError
from spikeport.export.stimulus.coding import generators_of

Array = np.ndarray[Any, Any]
_NAMES: ContextVar[Sequence[int] | None] = ContextVar("numbers of the images of a part", default=None)


class Draws:
    """Generators of the images of a batch; `of` says which of them the next forward passes hold."""

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self.generators = tuple(generators)
        self._rows: tuple[int, ...] | None = None

    @classmethod
    def fresh(cls, count: int) -> "Draws":
        """Return generators that nobody named, seeded by PyTorch's own."""
        return cls(generators_of(int(torch.randint(2**62, (1,))), range(count)))

    @contextmanager
    def of(self, rows: Tensor) -> Iterator[None]:
        """Let forward passes inside the block hold the images ``rows``, indices or a mask, of the batch alone."""
        before = self._rows
        chosen = rows.nonzero()[:, 0] if rows.dtype == torch.bool else rows
        self._rows = tuple(chosen.tolist())
        try:
            yield
        finally:
            self._rows = before

    def chosen(self, count: int) -> list[np.random.Generator]:
        """Return the generators of the images of a forward pass, of which there are ``count``."""
        rows = range(len(self.generators)) if self._rows is None else self._rows
        if len(rows) != count:
            raise AttackError(f"a network with a random encoder is given {count} images; {len(rows)} were named")
        return [self.generators[row] for row in rows]

    def drawn(self, count: int, draw: Callable[[np.random.Generator], Array]) -> Tensor:
        """Return (T, N, ...): what ``draw`` (T, ...) takes from the generator of each of the ``count`` images."""
        made = [draw(each) for each in self.chosen(count)] or [draw(np.random.default_rng(0))]
        return torch.from_numpy(np.stack(made, 1)[:, :count])


@runtime_checkable
class Random(Protocol):
    """A network that may draw random numbers."""

    @property
    def is_random(self) -> bool:
        """Whether two forward passes of the same images differ."""

    def drawing(self, draws: Draws) -> AbstractContextManager[None]:
        """Let forward passes inside the block draw from ``draws``."""

    def numbered(self, numbers: Iterable[int]) -> AbstractContextManager[None]:
        """Let images inside the block have these numbers, which are seeds of what is drawn, as after deployment."""


def is_random(model: object) -> bool:
    """Return whether a network, or anything else that gives scores, is known to draw random numbers."""
    return isinstance(model, Random) and model.is_random


def numbered(model: object, numbers: Iterable[int]) -> AbstractContextManager[None]:
    """Name the images of the block to a network that draws random numbers, by their place in the whole set."""
    if not (isinstance(model, Random) and model.is_random):
        return nullcontext()
    names = _NAMES.get()
    return model.numbered(numbers if names is None else [names[number] for number in numbers])


@contextmanager
def part_of_the_set(rows: Sequence[int]) -> Iterator[None]:
    """Let the images that are numbered from 0 on inside the block be the images ``rows`` of the whole set."""
    token = _NAMES.set(rows)
    try:
        yield
    finally:
        _NAMES.reset(token)


def drawing(model: object, draws: Callable[[], Draws]) -> AbstractContextManager[None]:
    """Let a network that draws random numbers take them from ``draws()`` inside the block."""
    return model.drawing(draws()) if isinstance(model, Random) and model.is_random else nullcontext()


def rows_of(model: object, rows: Tensor | None) -> AbstractContextManager[None]:
    """Say which images of the batch that is attacked forward passes inside the block hold; None: all."""
    draws = getattr(model, "generator", None)
    return draws.of(rows) if isinstance(draws, Draws) and rows is not None else nullcontext()
