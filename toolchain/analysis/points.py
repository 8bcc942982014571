"""A point of a sweep: robust accuracy with its standard error."""

import math
from dataclasses import dataclass

from spikeport.hardware_profiles.result import Result


@dataclass(frozen=True, kw_only=True)
class Point(Result):
    """Robust accuracy ``robust`` with ``value`` iterations or pixel levels, and its standard error."""

    value: float
    robust: float
    error: float


def point(value: float, robust: float, images: int) -> Point:
    """Return a robust accuracy with its standard error."""
    return Point(value=value, robust=robust, error=error_of(robust, images))


def error_of(share: float, images: int) -> float:
    """Return the standard error ``sqrt(p (1 - p) / N)`` of a share p of N images."""
    return math.sqrt(share * (1 - share) / images)
