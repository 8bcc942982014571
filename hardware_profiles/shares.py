"""Shares with standard errors over images: neurons and steps of one image depend on each other, images do not."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spikeport.export.network import Array
from spikeport.hardware_profiles.result import Result


@dataclass(frozen=True, kw_only=True)
class Mean(Result):
    """A mean over images and its standard error, ``sqrt(sum (x - mean)^2 / (N (N - 1)))``."""

    value: float
    error: float

    def text(self, digits: int = 2) -> str:
        """Return both in per cent."""
        return f"{100 * self.value:.{digits}f} ± {100 * self.error:.{digits}f}"


def mean(values: Array) -> Mean:
    """Return the mean of values (N,), a number an image; the error of one value is 0."""
    found = np.asarray(values, np.float64)
    deviation = float(found.std(ddof=1)) if len(found) > 1 else 0.0
    return Mean(value=float(found.mean()), error=deviation / math.sqrt(len(found)))


def parts(counts: Mapping[str, Array], sizes: Mapping[str, int]) -> tuple[dict[str, Mean], Mean]:
    """Return the share of each part and that of all together: counts (N,) of ``sizes`` each image has."""
    each = {name: mean(found / sizes[name]) for name, found in counts.items()}
    total = sum(counts.values()) / sum(sizes[name] for name in counts)
    return each, mean(np.asarray(total))
