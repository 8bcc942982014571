"""How many more images one attack breaks than another on the same images, with its interval."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from torch import Tensor

from spikeport.hardware_profiles.result import Result

LEVEL = 0.01
"""The probability with which chance alone puts an excess above ``low``, or a true one above ``high``."""


@dataclass(frozen=True, kw_only=True)
class Excess(Result):
    """The share of ``images`` that the first attack breaks in excess of the second, on the same images.

    With b images that the first alone breaks (``first_alone``), c that the second alone breaks (``second_alone``), and
    n images:

        share = (b - c) / n,   error = sqrt(b + c - (b - c)^2 / n) / n
        low, high = (b - c) / m -+ z sqrt(b + c + 2 - (b - c)^2 / m) / m,   m = n + 2

    ``error`` is the standard error of a paired difference; ``low`` and ``high`` are its adjusted Wald interval, each
    end passed with probability `LEVEL` (z = 2.33). Where the largest of several ``pairs`` is looked at, ``low`` is
    passed with `LEVEL` / ``pairs`` (Bonferroni). With c = 0, one pair lies above 0 from b = 7 on, as the exact sign
    test has it.

    Source: Bonett and Price, Journal of Educational and Behavioral Statistics 37, 2012; McNemar, Psychometrika 1947.
    """

    first_alone: int
    second_alone: int
    images: int
    pairs: int = 1

    derived = ("share", "error", "low", "high")

    @property
    def share(self) -> float:
        """The difference of both attacks, as a share of the images."""
        return (self.first_alone - self.second_alone) / self.images

    @property
    def error(self) -> float:
        """The standard error of `share`."""
        return _deviation(self.first_alone, self.second_alone, self.images)

    @property
    def low(self) -> float:
        """What the true difference is above, unless by a chance of `LEVEL`."""
        return max(self._adjusted() - self._width(self.pairs), -1.0)

    @property
    def high(self) -> float:
        """What the true difference is below, unless by a chance of `LEVEL`."""
        return min(self._adjusted() + self._width(), 1.0)

    def enough(self, smallest: float, largest: float) -> float:
        """Return with about how many images `low` would be above 0, or `high` below ``largest``.

        The shares of images that one attack alone breaks are taken to stay as they are. ``smallest``: from this excess
        on, being above 0 decides as well.
        """
        margins = [largest - self.share] + ([self.share] if self.share >= smallest else [])
        return min((self._width(self.pairs) / margin) ** 2 for margin in margins if margin > 0) * self.images

    def _width(self, pairs: int = 1) -> float:
        z = NormalDist().inv_cdf(1 - LEVEL / pairs)
        return z * _deviation(self.first_alone + 1, self.second_alone + 1, self.images + 2)

    def _adjusted(self) -> float:
        return (self.first_alone - self.second_alone) / (self.images + 2)


def excess(first: Tensor, second: Tensor, *, pairs: int = 1) -> Excess:
    """Return how many more images ``first`` breaks than ``second``, truth values (N,) per image.

    ``pairs``: so many comparisons are made of which the largest counts (Bonferroni's correction).
    """
    return Excess(
        first_alone=int((first & ~second).sum()),
        second_alone=int((second & ~first).sum()),
        images=len(first),
        pairs=pairs,
    )


def _deviation(first: int, second: int, images: int) -> float:
    """Return the standard error of the difference of two paired shares."""
    return math.sqrt(max(first + second - (first - second) ** 2 / images, 0.0)) / images
