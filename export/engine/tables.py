"""Synapses as the compiled kernels take them: entries of planes, whole rows of weights, lists of weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spikeport.export.geometry import Geometry, Grid, Ints, span
from spikeport.export.network import Array, Pair


@dataclass(frozen=True)
class Frame:
    """A population's positions with a border: of its sums, where merged lists add; of its spikes, where planes read."""

    top: int
    left: int
    height: int
    width: int


@dataclass(eq=False)
class Planes:
    """A geometry for `kernels.add_planes`; ``columns`` is the width of a padded line, common to a population."""

    geometry: Geometry
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
        if self.phases > 1 or self.geometry.projection.delay:
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


def to_planes(geometry: Geometry, pool: Pair, columns: int, dtype: npt.DTypeLike) -> Planes:
    """Return the entries of every target channel; ``columns`` holds the widest line of the population."""
    target, channel, down, across, weight = geometry.nonzero
    phase_y, whole_y, least_y, reach_y = span(geometry, 0)
    phase_x, whole_x, least_x, _ = span(geometry, 1)
    stride = geometry.kernel.stride
    phases, height = stride[0] * stride[1], geometry.result.height + reach_y
    phase = phase_y[down] * stride[1] + phase_x[across]
    return Planes(
        geometry=geometry,
        pool=pool,
        rows=np.searchsorted(target, np.arange(geometry.result.channels + 1)),
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
    """A geometry for `kernels.add_rows` (``whole``) or `kernels.add_lists`."""

    geometry: Geometry
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


def to_events(geometry: Geometry, frame: Frame, dtype: npt.DTypeLike, way: str) -> Events:
    """Return the synapses as whole ``rows``, as ``lists`` per tap, or ``merged``, one list a channel over all taps."""
    if way == "merged":
        return _merged(geometry, frame, dtype)
    size, joined = geometry.source.channels, geometry.pairs
    across_positions, along_channels = _places(geometry, frame)
    empty = np.zeros(0, np.int64)
    common = {
        "geometry": geometry,
        "pairs": np.cumsum([0, *(len(sources) for sources, _ in joined)]),
        "positions": np.concatenate([sources for sources, _ in joined]),
        "targets": across_positions[np.concatenate([results for _, results in joined])],
    }
    if way == "rows":
        exponent = geometry.projection.exponent
        table = np.ascontiguousarray(geometry.weight.transpose(2, 3, 1, 0), np.int8 if exponent == 0 else dtype)
        table = table.reshape(len(joined), size, -1) << exponent
        return Events(**common, whole=table, rows=empty, index=empty, weights=empty)
    target, channel, down, across, weight = geometry.nonzero
    row = (down * geometry.weight.shape[3] + across) * size + channel
    order = np.argsort(row, kind="stable")
    return Events(
        **common,
        whole=None,
        rows=np.cumsum([0, *np.bincount(row, minlength=len(joined) * size)]),
        index=along_channels[target[order]].astype(np.int32),
        weights=weight[order].astype(dtype),
    )


def _merged(geometry: Geometry, frame: Frame, dtype: npt.DTypeLike) -> Events:
    """Return one list per phase and source channel; what falls outside the target lands in the frame's border."""
    source, size = geometry.source, geometry.target.channels
    target, channel, down, across, weight = geometry.nonzero
    phase_y, whole_y, *_ = span(geometry, 0)
    phase_x, whole_x, *_ = span(geometry, 1)
    stride = geometry.kernel.stride
    row = (phase_y[down] * stride[1] + phase_x[across]) * source.channels + channel
    index = target - (whole_y[down] * frame.width + whole_x[across]) * size
    order = np.lexsort((index, row))
    y, x = np.divmod(np.arange(source.positions), source.width)
    phase = y % stride[0] * stride[1] + x % stride[1]
    positions = np.argsort(phase, kind="stable")
    places = ((y // stride[0] + frame.top) * frame.width + x // stride[1] + frame.left) * size
    phases = stride[0] * stride[1]
    return Events(
        geometry=geometry,
        pairs=np.cumsum([0, *np.bincount(phase, minlength=phases)]),
        positions=positions,
        targets=places[positions],
        whole=None,
        rows=np.cumsum([0, *np.bincount(row, minlength=phases * source.channels)]),
        index=index[order].astype(np.int32),
        weights=weight[order].astype(dtype),
    )


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
    """Return the frame of a population that hears ``merged`` geometries."""
    edges = np.zeros((2, 2), np.int64)
    for geometry in merged:
        for axis, side in enumerate((geometry.source.height, geometry.source.width)):
            _, _, least, reach = span(geometry, axis)
            last = (side - 1) // geometry.kernel.stride[axis] - least
            results = (geometry.result.height, geometry.result.width)[axis]
            edges[axis] = np.maximum(edges[axis], (least + reach, last - (results - 1)))
    (top, bottom), (left, right) = edges.tolist()
    return Frame(top, left, grid.height + top + bottom, grid.width + left + right)
