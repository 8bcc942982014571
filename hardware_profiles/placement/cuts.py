"""A population cut into blocks, one core each.

Rows and columns are parted, and the channels of every part of rows and columns (a patch) on their own: patches at a
border are reached from fewer sources, so more of their channels fit a core.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import lru_cache

import numpy as np

from spikeport.export.geometry import Grid
from spikeport.export.network import Pair
from spikeport.hardware_profiles.encoding import Counts

Edges = tuple[int, ...]
"""A part begins at one edge and ends before the next."""


@dataclass(frozen=True)
class Cut:
    """Edges of the parts of rows and of columns, and of channels for every patch, row by row."""

    channels: tuple[Edges, ...]
    rows: Edges
    columns: Edges

    @classmethod
    def even(cls, channels: Edges, rows: Edges, columns: Edges) -> "Cut":
        """Return the cut with the same parts of channels in every patch."""
        return cls((channels,) * ((len(rows) - 1) * (len(columns) - 1)), rows, columns)

    @classmethod
    def whole(cls, grid: Grid) -> "Cut":
        """Return the cut into one block."""
        return cls.even(*((0, side) for side in astuple(grid)))

    @classmethod
    def finest(cls, grid: Grid) -> "Cut":
        """Return the cut into blocks of one neuron."""
        return cls.even(*(tuple(range(side + 1)) for side in astuple(grid)))

    @property
    def size(self) -> int:
        """Number of blocks."""
        return sum(len(edges) - 1 for edges in self.channels)

    @property
    def patches(self) -> Iterator[tuple[Edges, Pair, Pair]]:
        """Yield the edges of the channels of every patch, its rows and its columns, row by row."""
        parts = itertools.product(itertools.pairwise(self.rows), itertools.pairwise(self.columns))
        for edges, (rows, columns) in zip(self.channels, parts, strict=True):
            yield edges, rows, columns

    @property
    def blocks(self) -> Iterator[tuple[Pair, Pair, Pair]]:
        """Yield channels, rows and columns of every block, patch by patch: the order in which blocks are kept."""
        for edges, rows, columns in self.patches:
            for channels in itertools.pairwise(edges):
                yield channels, rows, columns

    @property
    def firsts(self) -> Counts:
        """The number of the first block of every patch, and the number of blocks."""
        return np.cumsum([0, *(len(edges) - 1 for edges in self.channels)])


@lru_cache(maxsize=64)
def areas_of(height: int, width: int, neurons: int) -> list[tuple[Edges, Edges]]:
    """Return the rows and columns parted into nearly equal patches of at most so many positions, few patches first."""
    keys = [
        (rows * columns, abs(rows - columns), rows, columns)
        for rows, columns in itertools.product(pieces(height), pieces(width))
        if math.ceil(height / rows) * math.ceil(width / columns) <= neurons
    ]
    return [(equal(height, rows), equal(width, columns)) for _, _, rows, columns in sorted(keys)]


@lru_cache(maxsize=64)
def pieces(side: int) -> list[int]:
    """Return the numbers of parts that give parts of different size."""
    return sorted({math.ceil(side / size) for size in range(1, side + 1)})


def equal(side: int, parts: int) -> Edges:
    """Return the edges of nearly equal parts."""
    return tuple(side * part // parts for part in range(parts + 1))
