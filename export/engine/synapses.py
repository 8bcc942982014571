"""Synapses as the compiled kernels take them, and the choice among the kernels by what they cost.

Every projection is a convolution here: dense synapses from (C, H, W) are one H x W kernel per target, at stride (H, W).
Neurons of a population lie on a grid of channels and positions; a flat population has one position.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from export.network import Array, Convolution, IntegerNetwork, IntegerProjection, Pair, Shape, Source

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """Channels, height and width of a population."""

    channels: int
    height: int
    width: int

    @classmethod
    def of(cls, shape: Shape) -> "Grid":
        """Return the grid of a shape; all but (C, H, W) are flat."""
        return cls(*shape) if len(shape) == 3 else cls(math.prod(shape), 1, 1)

    @property
    def positions(self) -> int:
        """Number of positions."""
        return self.height * self.width

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self.channels * self.positions


@dataclass(frozen=True)
class Frame:
    """A population's positions with a border: of its sums, where merged lists add; of its spikes, where planes read."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Connection:
    """One projection as a convolution."""

    projection: IntegerProjection
    source: Grid
    result: Grid
    target: Grid
    kernel: Convolution
    levels: int

    @property
    def weight(self) -> Array:
        """(Targets, channels / groups, taps down, taps across), not yet shifted by the exponent."""
        return self.kernel.weight

    @property
    def direct(self) -> bool:
        """Whether results are the target's neurons position by position, not only in C order."""
        return self.result == self.target

    @property
    def nonzero(self) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """Target channel, source channel, row, column and weight of every kernel entry that is not zero."""
        target, part, down, across = np.nonzero(self.weight)
        size, groups = self.weight.shape[1], self.kernel.groups
        channel = target // (len(self.weight) // groups) * size + part
        weight = self.weight[target, part, down, across].astype(np.int64) << self.projection.exponent
        return target, channel, down, across, weight

    def meetings(self, axis: int) -> list[tuple[Ints, Ints]]:
        """Return per tap of an axis the source coordinates that it joins, and the target's they are joined with."""
        taps = self.weight.shape[axis + 2]
        size = (self.source.height, self.source.width)[axis]
        results = np.arange((self.result.height, self.result.width)[axis])
        stride, padding, dilation = (v[axis] for v in (self.kernel.stride, self.kernel.padding, self.kernel.dilation))
        sources = [results * stride + tap * dilation - padding for tap in range(taps)]
        return [(s[(s >= 0) & (s < size)], results[(s >= 0) & (s < size)]) for s in sources]

    @cached_property
    def pairs(self) -> list[tuple[Ints, Ints]]:
        """Return per tap (rows first) the source positions and the result positions that it joins."""
        return [
            (
                (rows[0][:, None] * self.source.width + columns[0]).ravel(),
                (rows[1][:, None] * self.result.width + columns[1]).ravel(),
            )
            for rows in self.meetings(0)
            for columns in self.meetings(1)
        ]

    @cached_property
    def per_row(self) -> Ints:
        """Return how many non-zero weights leave a source channel over a tap, (taps, channels)."""
        _, channel, down, across, _ = self.nonzero
        taps = down * self.weight.shape[3] + across
        size = self.weight.shape[2] * self.weight.shape[3]
        counts = np.bincount(taps * self.source.channels + channel, minlength=size * self.source.channels)
        return counts.reshape(size, self.source.channels)

    @cached_property
    def degrees(self) -> Ints:
        """Return the number of non-zero synapses out of every source neuron, (C, H, W), by walking over all taps."""
        found = np.zeros((self.source.positions, self.source.channels), np.int64)
        for (sources, _), counts in zip(self.pairs, self.per_row, strict=True):
            found[sources] += counts
        return found.T.reshape(self.source.channels, self.source.height, self.source.width)


def connect(network: IntegerNetwork, projection: IntegerProjection) -> Connection:
    """Return a projection as a convolution."""
    source, target = (network.population(name) for name in (projection.source, projection.target))
    grid, synapses = Grid.of(source.shape), projection.synapses
    if isinstance(synapses, Convolution):
        kernel = synapses
    else:
        shape = (len(synapses.weight), grid.channels, grid.height, grid.width)
        kernel = Convolution(weight=synapses.weight.reshape(shape), stride=(grid.height, grid.width))
    return Connection(
        projection=projection,
        source=grid,
        result=Grid.of(kernel.output_shape((grid.channels, grid.height, grid.width))),
        target=Grid.of(target.shape),
        kernel=kernel,
        levels=source.neuron.levels if isinstance(source.neuron, Source) else 1,
    )


def pooled(connection: Connection) -> tuple[Connection, Pair]:
    """Return an equal connection from the sums over windows, where the kernel is constant over windows, and their size.

    Folding average pooling into a convolution repeats every weight; summing spikes first adds each once.
    """
    size = _windows(connection)
    if size == (1, 1):
        return connection, size
    kernel, source = connection.kernel, connection.source
    smaller = Convolution(
        weight=kernel.weight[:, :, :: size[0], :: size[1]],
        stride=(kernel.stride[0] // size[0], kernel.stride[1] // size[1]),
        padding=(kernel.padding[0] // size[0], kernel.padding[1] // size[1]),
        groups=kernel.groups,
    )
    return replace(
        connection,
        source=Grid(source.channels, source.height // size[0], source.width // size[1]),
        kernel=smaller,
        levels=connection.levels * size[0] * size[1],
    ), size


def _windows(connection: Connection) -> Pair:
    """Return the largest windows, up to the stride, over which all weights are equal and nothing is cut at a border."""
    kernel, source, weight = connection.kernel, connection.source, connection.weight
    found = []
    for axis, side in ((0, source.height), (1, source.width)):
        best = 1
        for size in range(2, kernel.stride[axis] + 1):
            whole = (kernel.stride[axis], kernel.padding[axis], weight.shape[axis + 2], side)
            if any(number % size for number in whole) or kernel.dilation[axis] != 1:
                continue
            lines = np.moveaxis(weight, axis + 2, 0)
            if all(np.array_equal(lines[::size], lines[other::size]) for other in range(1, size)):
                best = size
        found.append(best)
    return found[0], found[1]


@dataclass(eq=False)
class Planes:
    """A connection for `kernels.add_planes`; ``columns`` is the width of a padded line, common to a population."""

    connection: Connection
    pool: Pair
    rows: Ints
    line: Ints
    shift: Ints
    weights: Array
    least: Pair
    phases: int
    height: int
    columns: int
    _offsets: dict[tuple[int, int], Ints] = field(default_factory=dict)

    @property
    def frame(self) -> Frame | None:
        """Where what arrives lies in the buffer, if it lies there as it is sent: neither strided nor delayed."""
        if self.phases > 1 or self.connection.projection.delay:
            return None
        return Frame(-self.least[0], -self.least[1], self.height, self.columns)

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        tables = (self.rows, self.line, self.shift, self.weights, *self._offsets.values())
        return sum(table.nbytes for table in tables)

    def offsets(self, lanes: int, samples: int) -> Ints:
        """Return where the lanes of every entry begin in a buffer whose columns have ``lanes`` lanes."""
        key = (lanes, samples)
        if key not in self._offsets:
            found = self.line * (lanes * self.columns) + self.shift * samples
            self._offsets[key] = found.astype(np.int32) if found.max(initial=0) < 2**31 else found
        return self._offsets[key]


def span(connection: Connection, axis: int) -> tuple[Ints, Ints, int, int]:
    """Return per tap of an axis its phase and its whole strides, the least of these and how far they reach."""
    stride = connection.kernel.stride[axis]
    reach = np.arange(connection.weight.shape[axis + 2]) * connection.kernel.dilation[axis]
    whole, phase = np.divmod(reach - connection.kernel.padding[axis], stride)
    return phase, whole, int(whole.min()), int(whole.max() - whole.min())


def to_planes(connection: Connection, pool: Pair, columns: int, dtype: npt.DTypeLike) -> Planes:
    """Return the entries of every target channel; ``columns`` holds the widest line of the population."""
    target, channel, down, across, weight = connection.nonzero
    phase_y, whole_y, least_y, reach_y = span(connection, 0)
    phase_x, whole_x, least_x, _ = span(connection, 1)
    stride = connection.kernel.stride
    phases, height = stride[0] * stride[1], connection.result.height + reach_y
    phase = phase_y[down] * stride[1] + phase_x[across]
    return Planes(
        connection=connection,
        pool=pool,
        rows=np.searchsorted(target, np.arange(connection.result.channels + 1)),
        line=(channel * phases + phase) * height + whole_y[down] - least_y,
        shift=whole_x[across] - least_x,
        weights=weight.astype(dtype),
        least=(least_y, least_x),
        phases=phases,
        height=height,
        columns=columns,
    )


@dataclass(frozen=True, eq=False)
class Events:
    """A connection for `kernels.add_rows` (``whole``) or `kernels.add_lists`."""

    connection: Connection
    pairs: Ints
    positions: Ints
    targets: Ints
    whole: Array | None
    rows: Ints
    index: Ints
    weights: Array

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        tables = (self.pairs, self.positions, self.targets, self.rows, self.index, self.weights)
        return sum(table.nbytes for table in tables) + (0 if self.whole is None else self.whole.nbytes)


def to_events(connection: Connection, frame: Frame, dtype: npt.DTypeLike, way: str) -> Events:
    """Return the synapses as whole ``rows``, as ``lists`` per tap, or ``merged``, one list a channel over all taps."""
    if way == "merged":
        return _merged(connection, frame, dtype)
    size, joined = connection.source.channels, connection.pairs
    across_positions, along_channels = _places(connection, frame)
    empty = np.zeros(0, np.int64)
    common = {
        "connection": connection,
        "pairs": np.cumsum([0, *(len(sources) for sources, _ in joined)]),
        "positions": np.concatenate([sources for sources, _ in joined]),
        "targets": across_positions[np.concatenate([results for _, results in joined])],
    }
    if way == "rows":
        exponent = connection.projection.exponent
        table = np.ascontiguousarray(connection.weight.transpose(2, 3, 1, 0), np.int8 if exponent == 0 else dtype)
        table = table.reshape(len(joined), size, -1) << exponent
        return Events(**common, whole=table, rows=empty, index=empty, weights=empty)
    target, channel, down, across, weight = connection.nonzero
    row = (down * connection.weight.shape[3] + across) * size + channel
    order = np.argsort(row, kind="stable")
    return Events(
        **common,
        whole=None,
        rows=np.cumsum([0, *np.bincount(row, minlength=len(joined) * size)]),
        index=along_channels[target[order]].astype(np.int32),
        weights=weight[order].astype(dtype),
    )


def _merged(connection: Connection, frame: Frame, dtype: npt.DTypeLike) -> Events:
    """Return one list per phase and source channel; what falls outside the target lands in the frame's border."""
    source, size = connection.source, connection.target.channels
    target, channel, down, across, weight = connection.nonzero
    phase_y, whole_y, *_ = span(connection, 0)
    phase_x, whole_x, *_ = span(connection, 1)
    stride = connection.kernel.stride
    row = (phase_y[down] * stride[1] + phase_x[across]) * source.channels + channel
    index = target - (whole_y[down] * frame.width + whole_x[across]) * size
    order = np.lexsort((index, row))
    y, x = np.divmod(np.arange(source.positions), source.width)
    phase = y % stride[0] * stride[1] + x % stride[1]
    positions = np.argsort(phase, kind="stable")
    places = ((y // stride[0] + frame.top) * frame.width + x // stride[1] + frame.left) * size
    phases = stride[0] * stride[1]
    return Events(
        connection=connection,
        pairs=np.cumsum([0, *np.bincount(phase, minlength=phases)]),
        positions=positions,
        targets=places[positions],
        whole=None,
        rows=np.cumsum([0, *np.bincount(row, minlength=phases * source.channels)]),
        index=index[order].astype(np.int32),
        weights=weight[order].astype(dtype),
    )


def _places(connection: Connection, frame: Frame) -> tuple[Ints, Ints]:
    """Return what a result's position and its channel add to the target's number in a lane, positions first."""
    result, target = connection.result, connection.target
    if connection.direct:
        y, x = np.divmod(np.arange(result.positions), result.width)
        return ((y + frame.top) * frame.width + x + frame.left) * target.channels, np.arange(result.channels)
    if target.positions == 1:
        return np.arange(result.positions), np.arange(result.channels) * result.positions
    numbers = np.arange(target.neurons).reshape(target.channels, target.positions)
    place = np.empty(target.neurons, np.int64)
    place[numbers.T.ravel()] = np.arange(target.neurons)
    return np.zeros(1, np.int64), place


def frame_of(grid: Grid, merged: Sequence[Connection]) -> Frame:
    """Return the frame of a population that hears ``merged`` connections."""
    edges = np.zeros((2, 2), np.int64)
    for connection in merged:
        for axis, side in enumerate((connection.source.height, connection.source.width)):
            _, _, least, reach = span(connection, axis)
            last = (side - 1) // connection.kernel.stride[axis] - least
            results = (connection.result.height, connection.result.width)[axis]
            edges[axis] = np.maximum(edges[axis], (least + reach, last - (results - 1)))
    (top, bottom), (left, right) = edges.tolist()
    return Frame(top, left, grid.height + top + bottom, grid.width + left + right)


PLANE_ENTRY, PLANE_LANE, PLANE_LANE_WIDE, PLANE_COPY, PLANE_LINE = 2.0, 0.0095, 0.017, 0.3, 10.0
ROW_SPIKE, ROW_WEIGHT, ROW_WEIGHT_WIDE = 2.3, 0.009, 0.0145
LIST_SPIKE, LIST_WEIGHT, LIST_SOURCE = 8.0, 1.0, 0.4
MERGED_SPIKE, CROP = 12.0, 0.5
TURN = 1.5
"""Nanoseconds, measured by benchmarks/simulator.py: per non-zero weight, lane of one, padded lane, line of a
copy; per spike and tap, weight of a row (16 bit, wider); per spike and tap, listed weight, neuron searched for spikes;
per spike of merged lists, neuron cut out of its frame; neuron turned around."""


def plane_cost(
    connections: Sequence[tuple[Connection, Pair]], steps: int, samples: int, *, wide: bool, copied: bool
) -> float:
    """Return nanoseconds per lane that `add_planes` takes for all projections into a population.

    ``copied``: spikes are copied into a buffer with a border, as others hear them too or steps run one by one.
    """
    total, lane = 0.0, PLANE_LANE_WIDE if wide else PLANE_LANE
    columns = width_of(connections)
    for connection, _ in connections:
        stride, (*_, reach_y) = connection.kernel.stride, span(connection, 0)
        lines = connection.source.channels * stride[0] * stride[1] * (connection.result.height + reach_y)
        entries = np.count_nonzero(connection.weight)
        total += entries * (PLANE_ENTRY / (steps * samples) + connection.result.height * columns * lane)
        if copied or stride != (1, 1) or connection.projection.delay:
            total += lines * (columns * PLANE_COPY + PLANE_LINE / samples)
    return total


def width_of(connections: Sequence[tuple[Connection, Pair]]) -> int:
    """Return the widest padded line of the projections into a population."""
    return max(connection.result.width + span(connection, 1)[3] for connection, _ in connections)


def event_cost(connection: Connection, rate: float, way: str, *, wide: bool) -> float:
    """Return nanoseconds per lane that `add_rows` or `add_lists` takes."""
    source, each = connection.source, connection.per_row.sum(axis=1)
    if way == "merged":
        weights = rate * source.positions * float(each.sum())
        return rate * source.neurons * MERGED_SPIKE + weights * LIST_WEIGHT + connection.target.neurons * CROP
    pairs = np.array([len(sources) for sources, _ in connection.pairs])
    spikes = rate * source.channels * float(pairs.sum())
    if way == "rows":
        return spikes * (ROW_SPIKE + (ROW_WEIGHT_WIDE if wide else ROW_WEIGHT) * len(connection.weight))
    return spikes * LIST_SPIKE + rate * float(pairs @ each) * LIST_WEIGHT


def can_be_whole(connection: Connection) -> bool:
    """Return whether `add_rows` can say it: spikes, one group, targets side by side."""
    return connection.levels == 1 and connection.kernel.groups == 1 and connection.direct
