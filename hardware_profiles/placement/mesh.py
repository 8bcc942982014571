"""The mesh of tiles that the cores of a chip lie on.

Cores are numbered chip by chip; four in a row are a tile, and tiles are laid row by row, eight to a row, as on Loihi. A
message takes as many hops as its tiles lie apart, first along one side, then along the other.
"""

from dataclasses import dataclass

import numpy as np

from spikeport.hardware_profiles.encoding import Counts

CORES_PER_TILE = 4
TILES_PER_ROW = 8


@dataclass(frozen=True)
class Mesh:
    """The mesh of chips with so many cores each."""

    cores_per_chip: int

    def places(self, numbers: Counts) -> tuple[Counts, Counts, Counts]:
        """Return chip, row and column of the tiles of cores."""
        chip, core = np.divmod(numbers, self.cores_per_chip)
        return chip, *np.divmod(core // CORES_PER_TILE, TILES_PER_ROW)

    def free(self, cores: int) -> Counts:
        """Return the numbers of the cores to take for so many: all of the chips that are needed, or part of one.

        Of one chip that is not filled, as many tiles as are needed are taken, in a rectangle with short sides.
        """
        chips = -(-cores // self.cores_per_chip)
        numbers = np.arange(chips * self.cores_per_chip)
        if chips > 1:
            return numbers
        _, row, column = self.places(numbers)
        fitting = []
        for height in range(1, int(row.max()) + 2):
            for width in range(1, int(column.max()) + 2):
                inside = numbers[(row < height) & (column < width)]
                if len(inside) >= cores:
                    fitting.append((height + width, len(inside), height, inside))
        inside = min(fitting, key=lambda each: each[:3])[3]
        return inside[: -(-cores // CORES_PER_TILE) * CORES_PER_TILE]
