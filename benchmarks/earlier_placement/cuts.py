"""A population cut into blocks, one core each: parts of channels times parts of rows times parts of columns."""

import math
from dataclasses import astuple, dataclass
from functools import lru_cache

from spikeport.export.geometry import Grid
from spikeport.export.network import Pair


@dataclass(frozen=True)
class Cut:
    """Edges of the parts of channels, rows and columns: a part begins at one edge and ends before the next."""

    channels: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @classmethod
    def whole(cls, grid: Grid) -> "Cut":
        """Return the cut into one block."""
        return cls(*((0, side) for side in astuple(grid)))

    @classmethod
    def finest(cls, grid: Grid) -> "Cut":
        """Return the cut into blocks of one neuron."""
        return cls(*(tuple(range(side + 1)) for side in astuple(grid)))

    @property
    def size(self) -> int:
        """Number of blocks."""
        return math.prod(self.shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Parts of rows, columns and channels, the order in which blocks are kept."""
        return len(self.rows) - 1, len(self.columns) - 1, len(self.channels) - 1

    def block(self, row: int, column: int, part: int) -> tuple[Pair, Pair, Pair]:
        """Return a block's channels, rows and columns, each from one to before another."""
        return (
            (self.channels[part], self.channels[part + 1]),
            (self.rows[row], self.rows[row + 1]),
            (self.columns[column], self.columns[column + 1]),
        )

    def inner(self) -> "Cut":
        """Return the cut with only a block from the middle, which no border makes smaller."""
        return Cut(*self.block((len(self.rows) - 1) // 2, (len(self.columns) - 1) // 2, 0))


@lru_cache(maxsize=64)
def cuts_of(grid: Grid, neurons: int) -> list[Cut]:
    """Return the cuts into nearly equal blocks of at most so many neurons, fewest cores first, whole channels first."""
    keys = []
    for channels in _pieces(grid.channels):
        for rows in _pieces(grid.height):
            for columns in _pieces(grid.width):
                largest = math.ceil(grid.channels / channels) * math.ceil(grid.height / rows)
                if largest * math.ceil(grid.width / columns) <= neurons:
                    keys.append((channels * rows * columns, channels, abs(rows - columns), rows, columns))
    return [
        Cut(_edges(grid.channels, channels), _edges(grid.height, rows), _edges(grid.width, columns))
        for _, channels, _, rows, columns in sorted(keys)
    ]


def _pieces(side: int) -> list[int]:
    """Return the numbers of parts that give parts of different size."""
    return sorted({math.ceil(side / size) for size in range(1, side + 1)})


def _edges(side: int, parts: int) -> tuple[int, ...]:
    return tuple(side * part // parts for part in range(parts + 1))
