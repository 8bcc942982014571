"""Square attack: random squares of pixels, by the scores alone."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.attack import Adversarial, Attack, Scores, ball, checked
from spikeport.toolchain.attacks.best import chosen
from spikeport.toolchain.attacks.gradients.trained import Trained
from spikeport.toolchain.attacks.inputs import check_input, check_labels, check_mode
from spikeport.toolchain.attacks.losses.margin import Margin
from spikeport.toolchain.attacks.noise import draws_of, uniform
from spikeport.toolchain.attacks.pgd import Count
from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.nn.draws import drawing, is_random, rows_of

Move = Callable[[Tensor], Tensor]
"""From rows of a batch to what is added to their images."""
SCHEDULE = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Queries, of 10,000, behind which the share of pixels halves."""
AT_ONCE = 64
"""Queries whose random numbers are drawn together."""


class Square(Attack, frozen=True, kw_only=True, tag="square"):
    """Adds ``+-2 eps`` to random squares of pixels, and keeps what does not lower the objective; no gradient.

        x_0 = clip(x +- eps) in stripes of one column;   z = clip_eps(x_k +- 2 eps in a square, a sign per channel)
        x_{k+1} = z where z is classified wrongly or L(z) >= L(x_k), else x_k

    The square's side is ``max(1, round(sqrt(p H W)))``; ``p`` starts as ``area`` and halves behind 10, 50, 200, 500,
    1000, 2000, 4000, 6000 and 8000 queries, which ``rescale`` scales to a budget of ``queries`` in place of 10,000.
    ``objective``: the margin of the strongest wrong class where nothing is said. Squares are drawn per image. An image
    is left alone once it is classified wrongly: that is ``argmax``, so that a score that the label shares with a class
    behind it is no success. The query of the clean image is not counted.

    Any callable from images to scores will do. Whole numbers are compared exactly; a step that leaves the objective as
    it is is taken, since scores of whole numbers often stay the same for many steps.

    Source: Andriushchenko et al., ECCV 2020, Algorithms 1 and 2, for l-infinity. The code of AutoAttack shares a square
    among the images of a batch, and takes no step that changes nothing, which floating point hardly has. Its squares
    never reach the last row and column, nor do those of ``border = false``. Every query of a network that draws random
    numbers is another draw, and one wrong answer does not end an image's search.
    """

    NEEDS_GRADIENT: ClassVar[bool] = False

    queries: Count = 5000
    area: Annotated[float, Meta(gt=0, le=1)] = 0.8
    rescale: bool = True
    border: bool = True

    def __post_init__(self) -> None:
        if self.gradient != Trained():
            raise AttackError(f"the attack 'square' uses no gradient, found {tag_of(self.gradient)!r}; leave it out")

    def perturb(
        self, model: Scores, images: Tensor, labels: Tensor, *, epsilon: float, generator: torch.Generator
    ) -> Tensor:
        return self(model, images, labels, epsilon=epsilon, generator=generator).images

    @torch.no_grad()
    def __call__(
        self, model: Scores, images: Tensor, labels: Tensor, *, epsilon: float, generator: torch.Generator
    ) -> Adversarial:
        """Return the images, which of them are classified wrongly, and how many queries each took."""
        check_input(images, labels, epsilon)
        check_mode(model)
        if images.ndim < 4:
            raise AttackError(f"found images {tuple(images.shape)}; the attack 'square' needs (N, C, H, W)")
        with drawing(model, lambda: draws_of(generator, len(images))):
            return self._searched(model, images, labels, epsilon, generator)

    def _searched(
        self, model: Scores, images: Tensor, labels: Tensor, epsilon: float, generator: torch.Generator
    ) -> Adversarial:
        x, clean = images.detach().clone(), asked(model, images, labels)
        wrong, queries = clean.argmax(1) != labels, torch.zeros_like(labels, dtype=torch.int64)
        objective: Tensor | None = None
        for move in self._moves(images, epsilon, generator) if epsilon else ():
            rows = (wrong.new_ones(len(wrong)) if is_random(model) else ~wrong).nonzero()[:, 0]
            if not len(rows):
                break
            z = ball(x[rows] + move(rows), images[rows], epsilon)
            with rows_of(model, rows):
                scores = asked(model, z, labels[rows])
            reached = (self.objective or Margin())(scores, labels[rows], clean[rows])
            missed = scores.argmax(1) != labels[rows]
            objective = reached.new_zeros(len(images)) if objective is None else objective
            certain = missed & (not is_random(model))
            taken = certain | (reached >= objective[rows]) | (queries[rows] == 0)
            x = x.index_copy(0, rows, chosen(taken, z, x[rows]))
            objective = objective.index_copy(0, rows, torch.where(taken, reached, objective[rows]))
            wrong = wrong.index_copy(0, rows, missed)
            queries[rows] += 1
        return Adversarial(images=checked(x, images, epsilon, tag_of(self)), success=wrong, queries=queries)

    def _moves(self, images: Tensor, epsilon: float, generator: torch.Generator) -> Iterator[Move]:
        """Yield, for one query after the other, what it adds to some of the images: stripes, then squares."""
        shape, grid = images.shape, images.flatten(1, -3)
        channels, height, width = grid.shape[1:]
        stripes = _sign(uniform(grid[:, :, :1], generator)).expand_as(grid)
        yield lambda rows: epsilon * stripes[rows].view(-1, *shape[1:])
        for first in range(1, self.queries, AT_ONCE):
            drawn = uniform(images.new_empty(len(images), min(AT_ONCE, self.queries - first), 2 + channels), generator)
            for number, numbers in enumerate(drawn.unbind(1), first):
                yield partial(_square, numbers, self._side(number - 1, height, width), epsilon, shape, int(self.border))

    def _side(self, query: int, height: int, width: int) -> int:
        """Return the side of the square of a query, counted from 0 behind the stripes."""
        scaled = int(query / self.queries * 10_000) if self.rescale else query
        share = self.area / 2 ** sum(scaled > end for end in SCHEDULE)
        return min(max(round(math.sqrt(share * height * width)), 1), height, width)


def asked(model: Scores, images: Tensor, labels: Tensor) -> Tensor:
    """Return the scores (N, classes) of images, whole numbers in 64 bits; `AttackError` where they are no numbers."""
    scores = torch.as_tensor(model(images)).to(images.device)
    check_labels(labels, scores)
    if not scores.is_floating_point():
        return scores.long()
    if bool(scores.isnan().any()):
        raise AttackError("attack 'square': the network's scores are NaN")
    return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores


def _square(numbers: Tensor, side: int, epsilon: float, shape: torch.Size, border: int, rows: Tensor) -> Tensor:
    """Return (rows, ...) as in ``shape``: +-2 eps, a sign per channel, in a square at a random place, 0 elsewhere.

    ``numbers`` (N, 2 + C) in [-1, 1) are the place of its upper left corner, and the signs.
    """
    numbers = numbers[rows]
    down, right = (
        _inside(number, side, length, border) for number, length in zip(numbers[:, :2].T, shape[-2:], strict=True)
    )
    square = (down[:, :, None] & right[:, None, :])[:, None]
    return (2 * epsilon * square * _sign(numbers[:, 2:])[:, :, None, None]).view(-1, *shape[1:])


def _inside(number: Tensor, side: int, length: int, border: int) -> Tensor:
    """Return (N, length): which rows or columns a square covers that starts at a random one."""
    places = max(length - side + border, 1)
    start = ((number + 1) / 2 * places).floor().clamp(max=places - 1)[:, None]
    at = torch.arange(length, device=number.device)
    return (at >= start) & (at < start + side)


def _sign(numbers: Tensor) -> Tensor:
    """Return 1 for numbers from 0 on, and -1 below."""
    return torch.where(numbers >= 0, 1.0, -1.0).to(numbers)
