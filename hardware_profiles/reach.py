"""How many synapses lead from every source neuron into a block of target neurons, without writing synapses out.

A population is cut into blocks: parts of its channels times parts of its rows times parts of its columns. Over a
convolution, the synapses from source (c, y, x) into a block are::

    n[c, y, x] = sum over k, l of  m[c, k, l] Ry[k, y] Rx[l, x]

with m the non-zero weights of the block's channels, and R one where source y meets a target row of the block over
tap k. Blocks whose R are alike share the result: inner blocks, and those at each border.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spikeport.export.geometry import Grid, geometry_of, pooled
from spikeport.export.network import Array, Convolution, IntegerNetwork, IntegerProjection, Pair
from spikeport.hardware_profiles.encoding import Counts, Runs, weight_bits
from spikeport.hardware_profiles.unrolled import matrix


@dataclass(frozen=True)
class Cut:
    """Edges of the parts of channels, rows and columns: a part begins at one edge and ends before the next."""

    channels: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]

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


@dataclass(frozen=True, eq=False)
class Span:
    """The source positions along one axis from which a part of the targets is reached: ``first`` and R (taps, n)."""

    first: int
    meets: Array

    @property
    def last(self) -> int:
        """One beyond the last source position."""
        return self.first + int(self.meets.shape[1])


@dataclass(frozen=True, eq=False)
class Window:
    """Blocks at one place: their channel parts share the source positions; ``alike`` is the same for equal R."""

    row: int
    column: int
    rows: Span
    columns: Span
    alike: tuple[bytes, bytes]


class Reach:
    """One projection's synapses, counted into blocks of its target."""

    def __init__(self, network: IntegerNetwork, projection: IntegerProjection) -> None:
        source, target = (network.population(name) for name in (projection.source, projection.target))
        self.projection, self.source, self.target = projection, Grid.of(source.shape), Grid.of(target.shape)
        self.kernel = self._kernel(source.shape, target.shape)
        self.bits = weight_bits(projection.synapses.weight)
        self.window = pooled(geometry_of(network, projection))[1]

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
            return self._written_out()
        weight = self.kernel.weight
        if self.kernel.groups == 1:
            return weight
        full = np.zeros((len(weight), self.source.channels, *weight.shape[2:]), weight.dtype)
        outputs, inputs = len(weight) // self.kernel.groups, weight.shape[1]
        for group in range(self.kernel.groups):
            rows = slice(group * outputs, (group + 1) * outputs)
            full[rows, group * inputs : (group + 1) * inputs] = weight[rows]
        return full

    def _written_out(self) -> Array:
        synapses, target = self.projection.synapses, self.target
        shape = (target.channels, target.height, target.width, self.source.neurons)
        if not isinstance(synapses, Convolution):
            return synapses.weight.reshape(shape)
        full = np.zeros((target.neurons, self.source.neurons), np.int8)
        source = (self.source.channels, self.source.height, self.source.width)
        full[matrix(synapses, source, synapses.output_shape(source))] = 1
        return full.reshape(shape)

    @cached_property
    def synapses(self) -> int:
        """Non-zero synapses of the whole projection."""
        whole = Cut((0, self.target.channels), (0, self.target.height), (0, self.target.width))
        return sum(int(counts.sum()) for _, counts in self.blocks(whole))

    @cached_property
    def used(self) -> int:
        """Non-zero weights of the kernel that some source position meets."""
        (window,) = self.windows(Cut((0, self.target.channels), (0, self.target.height), (0, self.target.width)))
        met = [span.meets.any(axis=1) for span in (window.rows, window.columns)]
        return int(np.count_nonzero(self.weight[:, :, met[0]][..., met[1]]))

    @cached_property
    def _used(self) -> Array:
        return np.asarray(self.weight != 0, np.float32)

    @cached_property
    def runs(self) -> Runs:
        """Run-length lists over the target's channels."""
        return Runs(self.weight)

    def parts(self, cut: Cut) -> Array:
        """Return m of the channel parts, (parts, source channels, taps, taps); the cut may be of some channels only."""
        first, last = cut.channels[0], cut.channels[-1]
        starts = np.array(cut.channels[:-1]) - first
        return np.asarray(np.add.reduceat(self._used[first:last], starts, axis=0))

    def windows(self, cut: Cut) -> Iterator[Window]:
        """Yield the places of a cut, row by row."""
        rows, columns = self._spans(cut.rows, 0), self._spans(cut.columns, 1)
        for row, down in enumerate(rows):
            for column, across in enumerate(columns):
                alike = (down.meets.tobytes(), across.meets.tobytes())
                yield Window(row, column, down, across, alike)

    def _spans(self, edges: tuple[int, ...], axis: int) -> list[Span]:
        if self.kernel is None:
            ones = np.ones((1, self.source.neurons if axis else 1), np.float32)
            return [Span(0, ones) for _ in edges[1:]]
        kernel, side = self.kernel, (self.source.height, self.source.width)[axis]
        spans = []
        for begin, end in itertools.pairwise(edges):
            taps = np.arange(kernel.weight.shape[axis + 2]) * kernel.dilation[axis] - kernel.padding[axis]
            met = np.arange(begin, end)[:, None] * kernel.stride[axis] + taps
            valid = (met >= 0) & (met < side)
            first = int(met[valid].min()) if valid.any() else 0
            last = int(met[valid].max()) + 1 if valid.any() else 0
            meets = np.zeros((len(taps), last - first), np.float32)
            tap = np.broadcast_to(np.arange(len(taps)), met.shape)
            meets[tap[valid], met[valid] - first] = 1
            spans.append(Span(first, meets))
        return spans

    def counts(self, cut: Cut, window: Window, parts: Array) -> Counts:
        """Return n, (channel parts, source channels, rows, columns), of the blocks at a place."""
        if self.kernel is None:
            rows = slice(cut.rows[window.row], cut.rows[window.row + 1])
            columns = slice(cut.columns[window.column], cut.columns[window.column + 1])
            found = parts[:, rows, columns].sum(axis=(1, 2))
            shape = (len(parts), self.source.channels, self.source.height, self.source.width)
            return np.asarray(found, np.int64).reshape(shape)
        return spread(parts, window)

    def sources(self, window: Window) -> tuple[slice, slice]:
        """Return the source rows and columns that `counts` covers."""
        if self.kernel is None:
            return slice(0, self.source.height), slice(0, self.source.width)
        return slice(window.rows.first, window.rows.last), slice(window.columns.first, window.columns.last)

    def blocks(self, cut: Cut) -> Iterator[tuple[Window, Counts]]:
        """Yield the places of a cut with their counts; those alike are counted once."""
        parts, known = self.parts(cut), {}
        for window in self.windows(cut):
            key = window.alike if self.kernel is not None else (window.row, window.column)
            if key not in known:
                known[key] = self.counts(cut, window, parts)
            yield window, known[key]


def spread(parts: Array, window: Window) -> Counts:
    """Return values per tap (parts, channels, taps, taps) summed into the source positions of a place."""
    found = np.matmul(window.rows.meets.T, np.matmul(parts, window.columns.meets))
    return np.asarray(np.rint(found), np.int64)
