"""Synapses as the compiled kernels take them: entries of planes, whole rows of weights, lists of weights."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from spikeport.export.geometry import Geometry, Grid, Ints, span
from spikeport.export.network import Array, Pair

CHUNK = 2**17
"""Weights whose places are worked out at a time; these take some 75 bytes each, tables 1 to 6."""


@dataclass(frozen=True)
class Frame:
    """A population's positions with a border: of its sums, where merged lists add; of its spikes, where planes read."""

    top: int
    left: int
    height: int
    width: int


@dataclass(eq=False)
class Planes:
    """A geometry for `kernels.add_planes`; ``columns`` is the width of a padded line, common to a population.

    Entry e of a target is weight ``weights[e]`` from place ``index[e]``, a source channel and a tap; per place,
    ``line`` and ``shift`` say which line of the buffer is read, and from which column on.
    """

    geometry: Geometry
    pool: Pair
    rows: Ints
    index: Array
    weights: Array
    line: Ints
    shift: Ints
    least: Pair
    phases: int
    height: int
    columns: int
    _starts: dict[tuple[int, int], Ints] = field(default_factory=dict)

    @property
    def frame(self) -> Frame | None:
        """Where what arrives lies in the buffer, if it lies there as it is sent: neither strided nor delayed."""
        if self.phases > 1 or self.geometry.projection.delay:
            return None
        return Frame(-self.least[0], -self.least[1], self.height, self.columns)

    def starts(self, lanes: int, samples: int) -> Ints:
        """Return where the lanes of every place begin in a buffer whose columns have ``lanes`` lanes."""
        key = (lanes, samples)
        if key not in self._starts:
            starts = self.line * (lanes * self.columns) + self.shift * samples
            self._starts[key] = starts.astype(np.int32) if starts.max(initial=0) < 2**31 else starts
        return self._starts[key]


def to_planes(geometry: Geometry, pool: Pair, columns: int, dtype: npt.DTypeLike) -> Planes:
    """Return the entries of every target channel; ``columns`` holds the widest line of the population.

    Weights keep their 8 bits where the projection has no exponent, and have the sums' ``dtype`` where it has one.
    """
    phase_y, whole_y, least_y, reach_y = span(geometry, 0)
    phase_x, whole_x, least_x, _ = span(geometry, 1)
    stride, taps = geometry.kernel.stride, geometry.by_group.shape[-1]
    phases, height = stride[0] * stride[1], geometry.result.height + reach_y
    phase = (phase_y[:, None] * stride[1] + phase_x).ravel()
    row, column = (whole_y - least_y).repeat(len(whole_x)), np.tile(whole_x - least_x, len(whole_y))
    channels = np.arange(geometry.source.channels)[:, None]
    index, weights, per_target = _entries(geometry)
    if exponent := geometry.exponent:
        weights = weights.astype(dtype) << exponent
    return Planes(
        geometry=geometry,
        pool=pool,
        rows=np.cumsum([0, *per_target]),
        index=index,
        weights=weights,
        line=((channels * phases + phase) * height + row).ravel(),
        shift=np.broadcast_to(column, (len(channels), taps)).ravel(),
        least=(least_y, least_x),
        phases=phases,
        height=height,
        columns=columns,
    )


def _entries(geometry: Geometry) -> tuple[Array, Array, Ints]:
    """Return place (channel, tap) and weight of every weight that is not zero, by target, and how many a target has."""
    groups, targets, channels, taps = geometry.by_group.shape
    flat, each = geometry.weight.reshape(groups * targets, -1), channels * taps
    index = np.empty(np.count_nonzero(flat), np.uint16 if groups * each <= 2**16 else np.uint32)
    weights, counts, done = np.empty(len(index), flat.dtype), np.empty(len(flat), np.int64), 0
    step = max(1, CHUNK // each)
    for first in range(0, len(flat), step):
        part = flat[first : first + step]
        row, place = np.nonzero(part)
        here = slice(done, done + len(row))
        index[here] = (first + row) // targets * each + place
        weights[here] = part[row, place]
        counts[first : first + step] = np.bincount(row, minlength=len(part))
        done = here.stop
    return index, weights, counts


@dataclass(frozen=True, eq=False)
class Events:
    """A geometry for `kernels.add_rows` (``whole``) or `kernels.add_lists`."""

    geometry: Geometry
    pairs: Ints
    positions: Ints
    targets: Ints
    whole: Array | None
    rows: Ints
    index: Ints
    weights: Array
    factor: int
    """What the weights of the lists are multiplied with; whole rows are already."""


def to_events(geometry: Geometry, frame: Frame, dtype: npt.DTypeLike, way: str) -> Events:
    """Return the synapses as whole ``rows``, as ``lists`` per tap, or ``merged``, one list a channel over all taps."""
    if way == "merged":
        return _merged(geometry, frame)
    size, joined = geometry.source.channels, geometry.pairs
    across_positions, along_channels = _places(geometry, frame)
    empty = np.zeros(0, np.int64)
    common = {
        "geometry": geometry,
        "factor": 1 << geometry.exponent,
        "pairs": np.cumsum([0, *(len(sources) for sources, _ in joined)]),
        "positions": np.concatenate([sources for sources, _ in joined]),
        "targets": across_positions[np.concatenate([results for _, results in joined])],
    }
    if way == "rows":
        exponent = geometry.exponent
        narrow = np.int16 if exponent <= 8 or np.dtype(dtype) == np.int16 else np.int32
        kind = narrow if exponent else geometry.weight.dtype
        table = np.array(geometry.weight.transpose(2, 3, 1, 0), kind, order="C")
        table = table.reshape(len(joined), size, -1)
        table <<= exponent
        return Events(**common, whole=table, rows=empty, index=empty, weights=empty)
    lists = _Lists(geometry, np.uint16 if along_channels.max() < 2**16 else np.int32)
    each = max(1, CHUNK // (size * geometry.by_group.shape[1]))
    for first in range(0, len(joined), each):
        for _, _, target, weight in _blocks(geometry, np.arange(first, min(first + each, len(joined)))):
            lists.add(along_channels[target], weight)
    return Events(
        **common,
        whole=None,
        rows=np.cumsum([0, *geometry.per_row.ravel()]),
        index=lists.index,
        weights=lists.weights,
    )


class _Lists:
    """Lists of weights, filled from block to block."""

    def __init__(self, geometry: Geometry, index: npt.DTypeLike) -> None:
        size = int(np.count_nonzero(geometry.weight))
        self.index, self.weights = np.empty(size, index), np.empty(size, geometry.weight.dtype)
        self.done = 0

    def add(self, index: Ints, weight: Array) -> None:
        """Append a block's entries."""
        here = slice(self.done, self.done + len(index))
        self.index[here], self.weights[here] = index, weight
        self.done = here.stop


def _blocks(geometry: Geometry, taps: Ints) -> Iterator[tuple[Ints, Ints, Ints, Array]]:
    """Yield tap, source channel, target channel and weight of what is not zero, for some taps.

    A block holds at most about `CHUNK` weights: some source channels, ascending from block to block, of one group, or
    all of several. Within a block entries ascend by tap, channel and target.
    """
    groups, targets, size, _ = geometry.by_group.shape
    several, some = max(1, CHUNK // (targets * size * len(taps))), max(1, CHUNK // (targets * len(taps)))
    for first in range(0, groups, several):
        for begin in range(0, size, some):
            part = geometry.by_group[first : first + several, :, begin : begin + some, taps].transpose(3, 0, 2, 1)
            tap, group, channel, target = np.nonzero(part)
            weight = part[tap, group, channel, target]
            group += first
            yield taps[tap], group * size + channel + begin, group * targets + target, weight


def _merged(geometry: Geometry, frame: Frame) -> Events:
    """Return one list per phase and source channel; what falls outside the target lands in the frame's border."""
    source, size = geometry.source, geometry.target.channels
    phase_y, whole_y, *_ = span(geometry, 0)
    phase_x, whole_x, *_ = span(geometry, 1)
    stride = geometry.kernel.stride
    of_tap = (phase_y[:, None] * stride[1] + phase_x).ravel()
    back = (whole_y[:, None] * frame.width + whole_x).ravel() * size
    lists, phases = _Lists(geometry, np.int32), stride[0] * stride[1]
    counts = np.zeros((phases, source.channels), np.int64)
    for phase in np.unique(of_tap):
        (taps,) = np.nonzero(of_tap == phase)
        counts[phase] = geometry.per_row[taps].sum(axis=0)
        for tap, channel, target, weight in _blocks(geometry, taps):
            index = target - back[tap]
            order = np.lexsort((index, channel))
            lists.add(index[order], weight[order])
    y, x = np.divmod(np.arange(source.positions), source.width)
    of_position = y % stride[0] * stride[1] + x % stride[1]
    positions = np.argsort(of_position, kind="stable")
    places = ((y // stride[0] + frame.top) * frame.width + x // stride[1] + frame.left) * size
    return Events(
        geometry=geometry,
        pairs=np.cumsum([0, *np.bincount(of_position, minlength=phases)]),
        positions=positions,
        targets=places[positions],
        whole=None,
        rows=np.cumsum([0, *counts.ravel()]),
        index=lists.index,
        weights=lists.weights,
        factor=1 << geometry.exponent,
    )


def with_ones(item: Planes | Events) -> Planes | Events:
    """Return the same table with every weight that is not zero one, so that sums are numbers of accumulates."""
    ones = (item.weights != 0).astype(item.weights.dtype)
    if isinstance(item, Planes):
        return replace(item, weights=ones)
    whole = None if item.whole is None else (item.whole != 0).astype(item.whole.dtype)
    return replace(item, weights=ones, whole=whole, factor=1)


def _places(geometry: Geometry, frame: Frame) -> tuple[Ints, Ints]:
    """Return what a result's position and its channel add to the target's number in a lane, positions first."""
    result, target = geometry.result, geometry.target
    if geometry.direct:
        y, x = np.divmod(np.arange(result.positions), result.width)
        return ((y + frame.top) * frame.width + x + frame.left) * target.channels, np.arange(result.channels)
    if target.positions == 1:
        return np.arange(result.positions), np.arange(result.channels) * result.positions
    numbers = np.arange(target.neurons).reshape(target.channels, target.positions)
    place = np.empty(target.neurons, np.int64)
    place[numbers.T.ravel()] = np.arange(target.neurons)
    return np.zeros(1, np.int64), place


def frame_of(grid: Grid, merged: Sequence[Geometry]) -> Frame:
    """Return the frame of a population whose ``merged`` geometries add into it."""
    edges = np.zeros((2, 2), np.int64)
    for geometry in merged:
        for axis, side in enumerate((geometry.source.height, geometry.source.width)):
            _, _, least, reach = span(geometry, axis)
            last = (side - 1) // geometry.kernel.stride[axis] - least
            results = (geometry.result.height, geometry.result.width)[axis]
            edges[axis] = np.maximum(edges[axis], (least + reach, last - (results - 1)))
    (top, bottom), (left, right) = edges.tolist()
    return Frame(top, left, grid.height + top + bottom, grid.width + left + right)
