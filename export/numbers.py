"""Numbers of files and options: one reader that checks kind, shape, finiteness and range.

``value`` is what a file's parser gives: None where it is missing, a Python number, text or list, or a numpy array.
Every function names the value by ``name``, says what it found and what it expected, and raises ``error``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeport.export.errors import FormatError, SpikeportError

EXACT = 2**53
"""Whole numbers up to here are exact as float64."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The least and the largest value that a number may have."""

    least: float
    most: float

    def __str__(self) -> str:
        return f"{_plain(self.least)} to {_plain(self.most)}"

    def holds(self, least: float, most: float) -> bool:
        """Return whether all numbers from ``least`` to ``most`` lie inside; never where one is NaN."""
        return bool(self.least <= least and most <= self.most)


STEPS = Range(least=1, most=100_000)
SEEDS = Range(least=0, most=2**63 - 1)
DELAY = Range(least=0, most=100_000)
SHARE = Range(least=0, most=1)
LEVELS = Range(least=1, most=2**24 - 1)
SIDE = Range(least=1, most=2**16)
"""Strides, dilations, and the sides of kernels and windows."""
PADDING = Range(least=0, most=2**16)
GROUPS = Range(least=1, most=2**20)
MOST_SPIKES = Range(least=1, most=2**20)
NEURONS = Range(least=1, most=2**24)
"""Neurons of a population, and sides of its shape: 64 maps of 512 x 512."""
ALL_NEURONS = Range(least=1, most=2**25)
"""Neurons of a network; VGG-16 for images of 224 x 224 has 13.5 million, twice that with its streams."""
REAL = Range(least=-1e30, most=1e30)
"""Weights, biases and potentials: products and sums of a few stay finite."""
POSITIVE = Range(least=1e-30, most=1e30)
"""Thresholds, time constants, lengths of a step and units: quotients stay finite."""


def whole(value: Any, name: str, within: Range, *, error: type[SpikeportError] = FormatError) -> int:
    """Return one whole number, also where it stands in an array of one."""
    return wholes(value, name, within, sizes=(1,), error=error)[0]


def wholes(
    value: Any, name: str, within: Range, *, sizes: tuple[int, ...], error: type[SpikeportError] = FormatError
) -> tuple[int, ...]:
    """Return a vector of whole numbers whose length is one of ``sizes``."""
    array = _numbers(value)
    *first, last = (_COUNTS.get(size, f"{size:,}") for size in sizes)
    count = f"{', '.join(first)} or {last}" if first else last
    expected = f"{count} whole number{'s' * (sizes != (1,))}"
    if array is None or array.ndim > 1 or array.size not in sizes or not _are_whole(array):
        raise error(f"{name} is {described(value)}; expected {expected} from {within}")
    numbers = tuple(int(each) for each in array.ravel().tolist())
    if not within.holds(min(numbers), max(numbers)):
        raise error(f"{name} is {described(value)}; expected {expected} from {within}")
    return numbers


def real(value: Any, name: str, within: Range = REAL, *, error: type[SpikeportError] = FormatError) -> float:
    """Return one real number."""
    array = reals(value, name, within, error=error)
    if array.size != 1:
        raise error(f"{name} is {described(value)}; expected one number")
    return float(array.flat[0])


def reals(
    value: Any, name: str, within: Range = REAL, *, infinite: bool = False, error: type[SpikeportError] = FormatError
) -> npt.NDArray[np.float64]:
    """Return an array of real numbers as float64, not empty; ``infinite``: positive infinity is a value, too."""
    array = _numbers(value)
    if array is None or not array.size:
        raise error(f"{name} is {described(value)}; expected numbers")
    array = np.asarray(array, np.float64)
    check_within(array, name, within, infinite=infinite, error=error)
    return array


def check_within(
    array: npt.NDArray[Any],
    name: str,
    within: Range,
    *,
    infinite: bool = False,
    error: type[SpikeportError] = FormatError,
) -> None:
    """Raise where a number of ``array`` is not finite or lies outside the range; an empty array passes."""
    checked = array[~np.isposinf(array)] if infinite else array
    if not checked.size:
        return
    least, most = checked.min(), checked.max()
    if not np.isfinite(least) or not np.isfinite(most):
        raise error(f"{name} holds numbers that are not finite; expected numbers from {within}")
    if not within.holds(float(least), float(most)):
        span = f"is {least:g}" if least == most else f"spans {least:g} to {most:g}"
        raise error(f"{name} {span}; expected numbers from {within}")


def flag(value: Any, name: str, *, error: type[SpikeportError] = FormatError) -> bool:
    """Return a truth value."""
    array = np.asarray(value) if isinstance(value, bool | np.bool_ | np.ndarray) else None
    if array is None or array.dtype.kind != "b" or array.size != 1:
        raise error(f"{name} is {described(value)}; expected true or false")
    return bool(array.flat[0])


def described(value: Any) -> str:
    """Return what was found, for a message."""
    if isinstance(value, np.generic):
        value = value.item()
    kinds: tuple[tuple[type | UnionType, Callable[[Any], str]], ...] = (
        (NoneType, lambda _: "missing"),
        (str, lambda text: f"the text {_short(repr(text))}"),
        (bool, lambda truth: f"the truth value {str(truth).lower()}"),
        (int | float, lambda number: _short(_plain(number))),
        (np.ndarray, _described_array),
        (list | tuple, lambda _: "a list"),
    )
    return next((words(value) for kind, words in kinds if isinstance(value, kind)), "a group")


_COUNTS = {1: "one", 2: "two", 3: "three", 4: "four"}


def _numbers(value: Any) -> npt.NDArray[Any] | None:
    """Return integers or reals as an array; None for whatever else."""
    if isinstance(value, bool | np.bool_ | str | bytes) or not isinstance(value, int | float | np.number | np.ndarray):
        return None
    array = np.asarray(value)
    return array if array.dtype.kind in "iuf" else None


def _are_whole(array: npt.NDArray[Any]) -> bool:
    if array.dtype.kind in "iu":
        return True
    return bool(np.all(np.isfinite(array)) and np.all(np.abs(array) <= EXACT) and np.all(array == np.rint(array)))


def _described_array(value: npt.NDArray[Any]) -> str:
    if value.size == 1 and value.dtype.kind in "biuf":
        return described(value.reshape(-1)[0].item())
    if not value.size:
        return f"an empty array of shape {value.shape}"
    if value.ndim <= 1 and value.size <= 4:
        return _short(str(value.tolist()))
    return f"an array of {value.dtype} of shape {_short(str(value.shape))}"


def _plain(value: float) -> str:
    if isinstance(value, int) and abs(value) >= 10**19:
        return f"a number of {value.bit_length()} bits"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
