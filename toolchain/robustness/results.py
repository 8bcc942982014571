"""What a worst case found: per member, per image, and in all, with standard errors."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from spikeport.hardware_profiles.result import Result, plain

Array = np.ndarray[Any, Any]


def standard_error(share: float, images: int) -> float:
    """Return ``sqrt(p (1 - p) / n)`` of a share of ``images``."""
    return math.sqrt(share * (1 - share) / images)


@dataclass(frozen=True, kw_only=True)
class MemberResult(Result):
    """One member: ``tried`` images, of which it ``broken`` some; images given to the model in ``queries`` passes.

    ``robust`` is the accuracy under this member alone, where it was tried on every image that is classified rightly
    without an attack; else None. ``attack`` are its settings as a recipe writes them.
    """

    derived: ClassVar = ("strength",)

    name: str
    attack: dict[str, Any]
    tried: int
    broken: int
    queries: int
    seconds: float
    robust: float | None
    robust_error: float | None

    @property
    def strength(self) -> float | None:
        """Share of the tried images that it broke; None where it was tried on none."""
        return self.broken / self.tried if self.tried else None


@dataclass(frozen=True, kw_only=True)
class WorstCase(Result):
    """An image is robust where it is classified rightly and every member fails on it.

    ``clean`` and ``robust`` are shares of ``images``, with their standard errors. ``members`` are in the order that
    they were given in, ``order`` are their names by strength as it was in the end. ``levels``: attacked images are
    multiples of 1/levels. ``every_member``: all were tried on all images, broken or not.

    Per image, not part of `to_dict`: ``right`` (N,) without an attack; ``tried`` and ``success`` (members, N);
    ``worst`` (N, ...), the first image that broke it, else the one with the largest ``margin`` (N,), which is the
    largest score of another class minus the label's. Images that are wrong without an attack are their own worst.
    """

    images: int
    epsilon: float
    seed: int
    batch_size: int
    levels: int | None
    every_member: bool
    clean: float
    clean_error: float
    robust: float
    robust_error: float
    order: tuple[str, ...]
    members: tuple[MemberResult, ...]
    right: Tensor = field(repr=False)
    tried: Tensor = field(repr=False)
    success: Tensor = field(repr=False)
    worst: Tensor = field(repr=False)
    margin: Tensor = field(repr=False)

    @property
    def standing(self) -> Tensor:
        """Which images (N,) are robust."""
        return self.right & ~self.success.any(0)

    @property
    def queries(self) -> int:
        """Images that the model was given by all members."""
        return sum(member.queries for member in self.members)

    @property
    def seconds(self) -> float:
        """Seconds of all members, added up over processes."""
        return sum(member.seconds for member in self.members)

    def to_dict(self) -> dict[str, Any]:
        names = (*(name for name in vars(self) if not isinstance(getattr(self, name), Tensor)), "queries", "seconds")
        return {name: plain(getattr(self, name)) for name in names}


def share(chosen: Array) -> float:
    """Return the share of a mask that is set."""
    return float(np.mean(chosen)) if len(chosen) else math.nan


def broken_in(tried: Array, success: Array) -> Array:
    """Return how many images each member broke, of those that it was tried on."""
    return np.asarray(np.count_nonzero(tried & success, axis=1))
