"""How many synapses lead from every source neuron into a block of target neurons, without writing synapses out.

Over a convolution, the synapses from source (c, y, x) into a block are::

    n[c, y, x] = sum over k, l of  m[c, k, l] Ry[k, y] Rx[l, x]

with m the non-zero weights of the block's channels, and R one where source y reaches a target row of the block over
tap k. Blocks whose R are equal share the result: inner blocks, and those at each border.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from earlier_placement.cuts import Cut
from spikeport.export.geometry import AnyProjection, Geometry, Grid, geometry_of, pooled
from spikeport.export.network import Array, Convolution, IntegerProjection, Network
from spikeport.hardware_profiles.encoding import WEIGHT_BITS, Counts, Runs, stored_bits
from spikeport.hardware_profiles.encoding import weight_bits as bits_of


@dataclass(frozen=True, eq=False)
class Span:
    """The source positions along one axis that reach a part of the targets: ``first`` and R (taps, positions)."""

    first: int
    reaches: Array

    @property
    def last(self) -> int:
        """One beyond the last source position."""
        return self.first + int(self.reaches.shape[1])


@dataclass(frozen=True, eq=False)
class Patch:
    """The blocks of one part of rows and one of columns: all their channel parts are reached from the same positions.

    ``key`` is the same for equal R.
    """

    row: int
    column: int
    rows: Span
    columns: Span
    key: tuple[object, object]


class BlockFanOut:
    """One projection's synapses, counted into blocks of its target.

    ``pool`` are the sizes of windows over which the kernel repeats its weights; ``bits`` the bits of a weight: as many
    as the largest integer needs, and ``weight_bits`` where weights are real numbers.
    """

    def __init__(self, network: Network, projection: AnyProjection, weight_bits: int = WEIGHT_BITS) -> None:
        source, target = (network.population(name) for name in (projection.source, projection.target))
        self.projection, self.source, self.target = projection, Grid.of(source.shape), Grid.of(target.shape)
        self.geometry = geometry_of(network, projection)
        self.kernel = self._kernel(source.shape, target.shape)
        exact = isinstance(projection, IntegerProjection)
        self.bits = bits_of(projection.synapses.weight) if exact else stored_bits(weight_bits)
        self.pool = pooled(self.geometry)[1]

    def _kernel(self, source: tuple[int, ...], target: tuple[int, ...]) -> Convolution | None:
        """Return the kernel where neurons of the target are its results one by one."""
        synapses = self.projection.synapses
        if isinstance(synapses, Convolution) and len(target) == 3 and synapses.output_shape(source) == target:
            return synapses
        return None

    @cached_property
    def shares(self) -> bool:
        """Whether several target positions use one kernel."""
        return self.kernel is not None and self.target.positions > 1

    @cached_property
    def weight(self) -> Array:
        """(Targets, source channels, taps down, taps across); without a kernel (channels, rows, columns, sources)."""
        if self.kernel is None:
            shape = (self.target.channels, self.target.height, self.target.width, self.source.neurons)
            synapses = self.projection.synapses
            return (_unrolled(self.geometry) if isinstance(synapses, Convolution) else synapses.weight).reshape(shape)
        weight = self.kernel.weight
        if self.kernel.groups == 1:
            return weight
        full = np.zeros((len(weight), self.source.channels, *weight.shape[2:]), weight.dtype)
        outputs, inputs = len(weight) // self.kernel.groups, weight.shape[1]
        for group in range(self.kernel.groups):
            rows = slice(group * outputs, (group + 1) * outputs)
            full[rows, group * inputs : (group + 1) * inputs] = weight[rows]
        return full

    @cached_property
    def synapses(self) -> int:
        """Non-zero synapses of the whole projection."""
        return sum(int(counts.sum()) for _, counts in self.blocks(Cut.whole(self.target)))

    @cached_property
    def reached_weights(self) -> int:
        """Non-zero weights of the kernel that some source position reaches a target over."""
        (patch,) = self.patches(Cut.whole(self.target))
        taps = [span.reaches.any(axis=1) for span in (patch.rows, patch.columns)]
        return int(np.count_nonzero(self.weight[:, :, taps[0]][..., taps[1]]))

    @cached_property
    def _nonzero(self) -> Array:
        return np.asarray(self.weight != 0, np.float32)

    @cached_property
    def runs(self) -> Runs:
        """Run-length lists over the target's channels."""
        return Runs(self.weight)

    def parts(self, cut: Cut) -> Array:
        """Return m of the channel parts, (parts, source channels, taps, taps); the cut may be of some channels only."""
        first, last = cut.channels[0], cut.channels[-1]
        starts = np.array(cut.channels[:-1]) - first
        return np.asarray(np.add.reduceat(self._nonzero[first:last], starts, axis=0))

    def patches(self, cut: Cut) -> Iterator[Patch]:
        """Yield the patches of a cut, row by row."""
        rows, columns = self._spans(cut.rows, 0), self._spans(cut.columns, 1)
        for row, down in enumerate(rows):
            for column, across in enumerate(columns):
                key = (down.reaches.tobytes(), across.reaches.tobytes()) if self.kernel is not None else (row, column)
                yield Patch(row, column, down, across, key)

    def _spans(self, edges: tuple[int, ...], axis: int) -> list[Span]:
        if self.kernel is None:
            ones = np.ones((1, self.source.neurons if axis else 1), np.float32)
            return [Span(0, ones) for _ in edges[1:]]
        side = (self.source.height, self.source.width)[axis]
        return [_span(self.kernel, axis, side, begin, end) for begin, end in itertools.pairwise(edges)]

    def counts(self, cut: Cut, patch: Patch, parts: Array) -> Counts:
        """Return n, (channel parts, source channels, rows, columns), of the blocks of a patch."""
        if self.kernel is not None:
            return sum_taps(parts, patch)
        rows = slice(cut.rows[patch.row], cut.rows[patch.row + 1])
        columns = slice(cut.columns[patch.column], cut.columns[patch.column + 1])
        counts = parts[:, rows, columns].sum(axis=(1, 2))
        shape = (len(parts), self.source.channels, self.source.height, self.source.width)
        return np.asarray(counts, np.int64).reshape(shape)

    def sources(self, patch: Patch) -> tuple[slice, slice]:
        """Return the source rows and columns that `counts` covers."""
        if self.kernel is None:
            return slice(0, self.source.height), slice(0, self.source.width)
        return slice(patch.rows.first, patch.rows.last), slice(patch.columns.first, patch.columns.last)

    def blocks(self, cut: Cut) -> Iterator[tuple[Patch, Counts]]:
        """Yield the patches of a cut with their counts; those of equal R are counted once."""
        parts, known = self.parts(cut), {}
        for patch in self.patches(cut):
            if patch.key not in known:
                known[patch.key] = self.counts(cut, patch, parts)
            yield patch, known[patch.key]


def _span(kernel: Convolution, axis: int, side: int, begin: int, end: int) -> Span:
    """Return the positions of a source of ``side`` that reach the targets from ``begin`` to before ``end``."""
    taps = np.arange(kernel.weight.shape[axis + 2]) * kernel.dilation[axis] - kernel.padding[axis]
    sources = np.arange(begin, end)[:, None] * kernel.stride[axis] + taps
    valid = (sources >= 0) & (sources < side)
    first = int(sources[valid].min()) if valid.any() else 0
    last = int(sources[valid].max()) + 1 if valid.any() else 0
    reaches = np.zeros((len(taps), last - first), np.float32)
    tap = np.broadcast_to(np.arange(len(taps)), sources.shape)
    reaches[tap[valid], sources[valid] - first] = 1
    return Span(first, reaches)


def _unrolled(geometry: Geometry) -> Array:
    """Return 1 for every synapse of a convolution whose results lie flat in the target, (results, sources)."""
    source, result = geometry.source, geometry.result
    full = np.zeros((result.channels, result.positions, source.channels, source.positions), np.int8)
    size, each = geometry.weight.shape[1], len(geometry.weight) // geometry.kernel.groups
    for number, (sources, results) in enumerate(geometry.pairs):
        target, part = np.nonzero(geometry.weight[(..., *divmod(number, geometry.weight.shape[3]))])
        channel = target // each * size + part
        full[target[:, None], results, channel[:, None], sources] = 1
    return full


def sum_taps(parts: Array, patch: Patch) -> Counts:
    """Return values per tap (parts, channels, taps, taps) summed into the source positions of a patch."""
    sums = np.matmul(patch.rows.reaches.T, np.matmul(parts, patch.columns.reaches))
    return np.asarray(np.rint(sums), np.int64)
