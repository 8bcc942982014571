"""The best image per sample that a search has met."""

from typing import Literal, Self

import torch
from torch import Tensor

Keep = Literal["wrong", "first", "objective"]
"""What is better: an image that is classified wrongly (or the first such), then the larger objective; or that alone."""


class Best:
    """Keeps, per image, what classifies wrongly before what does not, then what has the larger objective.

    With ``keep = "first"`` nothing is better than the first that classifies wrongly; with ``"objective"`` the objective
    alone decides. Equal objectives keep what was met first.
    """

    def __init__(self, images: Tensor, wrong: Tensor, objective: Tensor, keep: Keep) -> None:
        self.images, self.wrong, self.objective, self.keep = images, wrong, objective, keep

    def meet(self, images: Tensor, wrong: Tensor, objective: Tensor) -> Tensor:
        """Take what is better, and return which images (N,) are."""
        better = objective > self.objective
        if self.keep == "wrong":
            better = (wrong & ~self.wrong) | ((wrong == self.wrong) & better)
        if self.keep == "first":
            better = ~self.wrong & (wrong | better)
        self.images = chosen(better, images, self.images)
        self.wrong = torch.where(better, wrong, self.wrong)
        self.objective = torch.where(better, objective, self.objective)
        return better

    def of(self, rows: Tensor) -> Self:
        """Return the best of some images."""
        return type(self)(self.images[rows], self.wrong[rows], self.objective[rows], self.keep)

    def meet_rows(self, rows: Tensor, other: Self) -> None:
        """Take what is better of ``other``, which holds the images ``rows`` alone."""
        part = self.of(rows)
        part.meet(other.images, other.wrong, other.objective)
        self.images = self.images.index_copy(0, rows, part.images)
        self.wrong = self.wrong.index_copy(0, rows, part.wrong)
        self.objective = self.objective.index_copy(0, rows, part.objective)


def chosen(which: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return ``first`` (N, ...) for the images of ``which`` (N,) and ``second`` for the others."""
    return torch.where(which.view(-1, *(1,) * (first.ndim - 1)), first, second)
