"""The fewest parts of the channels of a patch that fit a core each.

Where axons bind, each part is as long as its axons allow, which gives the fewest parts that there can be: whatever
fits, a part of it fits too. Where memory or registers bind, the parts are nearly equal.
"""

import itertools
import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spikeport.export.network import Pair
from spikeport.hardware_profiles.encoding import Counts
from spikeport.hardware_profiles.placement.block_use import BlockUse, PatchUse, channel_sums
from spikeport.hardware_profiles.placement.cuts import Cut, Edges, equal, pieces
from spikeport.hardware_profiles.placement.loops import count_parts
from spikeport.hardware_profiles.placement.runs import MOST_SYNAPSES, Runs
from spikeport.hardware_profiles.profile import Limits


@dataclass(frozen=True)
class Area:
    """Rows and columns of a population in parts."""

    rows: Edges
    columns: Edges

    @cached_property
    def patches(self) -> list[tuple[Pair, Pair]]:
        """Rows and columns of every patch, row by row."""
        return [(rows, columns) for _, rows, columns in Cut.even((), self.rows, self.columns).patches]


class Parting:
    """The patches of one population on one chip, with what is known of them; ``blocks`` counts what they use."""

    def __init__(self, blocks: BlockUse, population: str, limits: Limits) -> None:
        self.blocks, self.population, self.limits = blocks, population, limits
        self.incoming, self.channels = blocks.incoming[population], blocks.grids[population].channels
        self.memory_of: dict[object, int] = {}
        self.keys: dict[tuple[Pair, Pair], object] = {}
        self.ends_of: dict[object, Counts] = {}
        self.use_of: dict[object, PatchUse] = {}
        self.fewest: dict[object, Edges | None] = {}
        """The parts by inputs alone, as far as they were asked for."""
        self._memory = 8 * limits.synaptic_memory.value
        registers = any(kinds is not None for kinds in blocks.kinds[population].values())
        shared = (blocks.parts_of[f.projection.source] for f in self.incoming if blocks.shares(f))
        self.alike = not registers and not any(np.ptp(parts) for parts in shared)
        self.runs = self._runs() if limits.input_axons is not None else None

    def _runs(self) -> Runs | None:
        if sum(int(np.count_nonzero(fan_out.weight)) for fan_out in self.incoming) > MOST_SYNAPSES or not self.incoming:
            return None
        parts = self.blocks.parts_of
        lists = [(f, parts[f.projection.source] if self.blocks.shares(f) else None) for f in self.incoming]
        return Runs(self.channels, lists)

    def key(self, rows: Pair, columns: Pair) -> object:
        """Return what is the same for patches that use the same."""
        if (rows, columns) not in self.keys:
            place = () if self.alike else (rows, columns)
            alike = (fan_out.patch((), rows, columns).key for fan_out in self.incoming)
            self.keys[rows, columns] = (place, *alike)
        return self.keys[rows, columns]

    def ends(self, rows: Pair, columns: Pair) -> Counts:
        """Return where the longest part ends that begins at each channel, by its neurons and input axons."""
        key = self.key(rows, columns)
        if key not in self.ends_of:
            most = int(self.limits.neurons.value) // ((rows[1] - rows[0]) * (columns[1] - columns[0]))
            ends = np.minimum(np.arange(self.channels) + most, self.channels)
            if self.runs is not None and self.limits.input_axons is not None:
                ends = np.minimum(ends, self.runs.ends(rows, columns, int(self.limits.input_axons.value)))
            self.ends_of[key] = ends
        return self.ends_of[key]

    def least(self, area: Area, outputs: Counts) -> int | None:
        """Return a number of blocks that an area takes at least, with so many output axons; None if none fit."""
        keys = [self.key(*patch) for patch in area.patches]
        found = dict(zip(keys, area.patches, strict=True))
        inner = area.patches[len(keys) // 2]
        for key, patch in ((self.key(*inner), inner), *found.items()):
            if self.fewest.get(key, ()) is None or (self.ends(*patch) == np.arange(self.channels)).any():
                return None
        ends = np.stack([self.ends_of[key] for key in found])
        order = {key: number for number, key in enumerate(found)}
        alike = np.array([order[key] for key in keys])
        sums, taken = _output_sums(outputs, area)
        counts = count_parts(ends, alike, sums, self._outputs_left(taken))
        known = np.array([self._known(key, patch) for key, patch in found.items()])
        return int(np.maximum(counts, known[alike]).sum()) if counts.all() else None

    def _known(self, key: object, patch: tuple[Pair, Pair]) -> int:
        """Return how many parts a patch takes by its inputs, or at least by its memory where that is not known."""
        edges = self.fewest.get(key)
        if edges is not None:
            return len(edges) - 1
        if key not in self.memory_of:
            self.memory_of[key] = math.ceil(self.blocks.least_bits(self.population, *patch) / self._memory)
        return self.memory_of[key]

    def refine(self, area: Area) -> None:
        """Find the parts of an area's patches by their inputs, so that `least` knows them."""
        for patch in area.patches:
            self._fewest(patch)

    def _outputs_left(self, taken: Counts) -> Counts:
        """Return the output axons that channels may take where their positions have ``taken`` some."""
        most = self.limits.output_axons
        return np.full_like(taken, 2**62) if most is None else int(most.value) - taken

    def cut(self, area: Area, outputs: Counts, most: int) -> Cut | None:
        """Return the cut of an area into few blocks that fit, or None where there is none of at most ``most``."""
        sums, taken = _output_sums(outputs, area)
        left, size, parts = self._outputs_left(taken), 0, []
        for number, patch in enumerate(area.patches):
            edges = self._parts(patch, sums[:, number], int(left[number]))
            size += 0 if edges is None else len(edges) - 1
            if edges is None or size > most:
                return None
            parts.append(edges)
        return Cut(tuple(parts), area.rows, area.columns)

    def _parts(self, patch: tuple[Pair, Pair], sums: Counts, left: int) -> Edges | None:
        """Return the edges of the parts of a patch, or None."""
        ends = self.ends(*patch)
        within = np.minimum(ends, np.searchsorted(sums, sums[:-1] + left, side="right") - 1)
        fewest = self._fewest(patch)
        if fewest is None or all(within[a] >= b for a, b in itertools.pairwise(fewest)):
            return fewest
        return self._fitting(patch, within, len(fewest) - 1)

    def _fewest(self, patch: tuple[Pair, Pair]) -> Edges | None:
        key = self.key(*patch)
        if key not in self.fewest:
            self.fewest[key] = self._fitting(patch, self.ends(*patch), 1)
        return self.fewest[key]

    def _fitting(self, patch: tuple[Pair, Pair], ends: Counts, least: int) -> Edges | None:
        """Return parts no longer than ``ends`` that break no rule."""
        edges = longest(ends)
        if edges is None or (len(edges) > least and self.fits(patch, edges)):
            return edges
        found = [each for each in pieces(self.channels) if each >= max(least, len(edges) - 1)]
        number = bisect_left(found, int((len(edges) - 1) * self._fullness(patch, edges)))
        number = min(number, len(found) - 1)
        while number < len(found) and not self._good(patch, ends, found[number]):
            number += 1
        while number > 0 and number < len(found) and self._good(patch, ends, found[number - 1]):
            number -= 1
        return equal(self.channels, found[number]) if number < len(found) else None

    def _good(self, patch: tuple[Pair, Pair], ends: Counts, parts: int) -> bool:
        """Return whether equal parts end no later than ``ends`` and fit."""
        edges = equal(self.channels, parts)
        return all(ends[a] >= b for a, b in itertools.pairwise(edges)) and self.fits(patch, edges)

    def _fullness(self, patch: tuple[Pair, Pair], edges: Edges) -> float:
        """Return what the fullest block uses of what there is."""
        uses = self.use(patch, edges).uses
        limits = {name: getattr(self.limits, name, None) for name in uses}
        return max(float(uses[name].max() / max(limit.value, 1)) for name, limit in limits.items() if limit is not None)

    def fits(self, patch: tuple[Pair, Pair], edges: Edges) -> bool:
        """Return whether the inputs of a patch's blocks fit."""
        uses = self.use(patch, edges).uses
        limits = {name: getattr(self.limits, name, None) for name in uses}
        return all(limit is None or int(uses[name].max()) <= int(limit.value) for name, limit in limits.items())

    def use(self, patch: tuple[Pair, Pair], edges: Edges) -> PatchUse:
        """Return what the blocks of a patch use; those of patches that are alike are counted once."""
        key = (edges, self.key(*patch))
        if key not in self.use_of:
            self.use_of[key] = self.blocks.patch_use(self.population, edges, *patch)
        return self.use_of[key]


def longest(ends: Counts) -> Edges | None:
    """Return the edges of the fewest parts that end no later than ``ends``; None where a channel is too much."""
    edges = [0]
    while edges[-1] < len(ends):
        if ends[edges[-1]] <= edges[-1]:
            return None
        edges.append(int(ends[edges[-1]]))
    return tuple(edges)


def _output_sums(outputs: Counts, area: Area) -> tuple[Counts, Counts]:
    """Return the output axons of the channels before each, (channels + 1, patches), and those of the positions."""
    sums = channel_sums(outputs, area.rows, area.columns)
    total = np.zeros_like(sums)
    np.cumsum(sums[:-1], axis=0, out=total[1:])
    return total, sums[-1]
