"""A projection as a convolution over grids: which neurons its synapses join, for the engine and for placement alike.

Every projection is a convolution here: dense synapses from (C, H, W) are one H x W kernel per target, at stride (H, W).
Neurons of a population lie on a grid of channels and positions; a flat population has one position.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from spikeport.export.network import (
    Array,
    Convolution,
    FloatProjection,
    IntegerProjection,
    Network,
    Pair,
    Shape,
    Source,
    Synapses,
)

Ints = npt.NDArray[np.int64]
AnyProjection = FloatProjection | IntegerProjection


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


@dataclass(frozen=True, eq=False)
class Geometry:
    """One projection as a convolution."""

    projection: AnyProjection
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
    def exponent(self) -> int:
        """Binary exponent of the weights; float weights have none."""
        return self.projection.exponent if isinstance(self.projection, IntegerProjection) else 0

    @property
    def direct(self) -> bool:
        """Whether results are the target's neurons position by position, not only in C order."""
        return self.result == self.target

    @property
    def by_group(self) -> Array:
        """A view of the weights as (groups, targets of a group, source channels of a group, taps)."""
        groups, (targets, channels, *_) = self.kernel.groups, self.weight.shape
        return self.weight.reshape(groups, targets // groups, channels, -1)

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
        counts = np.stack([np.count_nonzero(weight, axis=0) for weight in self.by_group])
        return counts.reshape(self.source.channels, -1).T

    @cached_property
    def degrees(self) -> Ints:
        """Return the number of non-zero synapses out of every source neuron, (C, H, W), by walking over all taps."""
        degrees = np.zeros((self.source.positions, self.source.channels), np.int64)
        for (sources, _), counts in zip(self.pairs, self.per_row, strict=True):
            degrees[sources] += counts
        return degrees.T.reshape(self.source.channels, self.source.height, self.source.width)


def geometry_of(network: Network, projection: AnyProjection) -> Geometry:
    """Return a projection as a convolution; `NetworkError` where the synapses of a float one are not folded."""
    source, target = (network.population(name) for name in (projection.source, projection.target))
    grid, synapses = Grid.of(source.shape), projection.synapses
    if isinstance(synapses, Convolution):
        kernel = synapses
    else:
        shape = (len(synapses.weight), grid.channels, grid.height, grid.width)
        kernel = Convolution(weight=synapses.weight.reshape(shape), stride=(grid.height, grid.width))
    return Geometry(
        projection=projection,
        source=grid,
        result=Grid.of(kernel.output_shape((grid.channels, grid.height, grid.width))),
        target=Grid.of(target.shape),
        kernel=kernel,
        levels=source.neuron.levels if isinstance(source.neuron, Source) else 1,
    )


def pooled(geometry: Geometry) -> tuple[Geometry, Pair]:
    """Return an equal geometry from the sums over windows, where the kernel is constant over windows, and their size.

    Folding average pooling into a convolution repeats every weight; summing spikes first adds each once.
    """
    size = _windows(geometry)
    if size == (1, 1):
        return geometry, size
    kernel, source = geometry.kernel, geometry.source
    smaller = Convolution(
        weight=kernel.weight[:, :, :: size[0], :: size[1]],
        stride=(-(-kernel.stride[0] // size[0]), -(-kernel.stride[1] // size[1])),
        padding=(kernel.padding[0] // size[0], kernel.padding[1] // size[1]),
        groups=kernel.groups,
    )
    return replace(
        geometry,
        source=Grid(source.channels, source.height // size[0], source.width // size[1]),
        kernel=smaller,
        levels=geometry.levels * size[0] * size[1],
    ), size


def _windows(geometry: Geometry) -> Pair:
    """Return the largest windows, up to the stride, over which all weights are equal and nothing is cut at a border.

    A single output may be any number of positions from the next, so its windows may be as large as the source.
    """
    kernel, source, result, weight = geometry.kernel, geometry.source, geometry.result, geometry.weight
    sizes = []
    for axis, side, outputs in ((0, source.height, result.height), (1, source.width, result.width)):
        best, stride = 1, kernel.stride[axis] if outputs > 1 else side
        for size in range(2, stride + 1):
            whole = (stride, kernel.padding[axis], weight.shape[axis + 2], side)
            if any(number % size for number in whole) or kernel.dilation[axis] != 1:
                continue
            lines = np.moveaxis(weight, axis + 2, 0)
            if all(np.array_equal(lines[::size], lines[other::size]) for other in range(1, size)):
                best = size
        sizes.append(best)
    return sizes[0], sizes[1]


def span(geometry: Geometry, axis: int) -> tuple[Ints, Ints, int, int]:
    """Return per tap of an axis its phase and its whole strides, the least of these and how far they reach."""
    stride = geometry.kernel.stride[axis]
    reach = np.arange(geometry.weight.shape[axis + 2]) * geometry.kernel.dilation[axis]
    whole, phase = np.divmod(reach - geometry.kernel.padding[axis], stride)
    return phase, whole, int(whole.min()), int(whole.max() - whole.min())


def fan_out(synapses: Synapses, source: Shape, target: Shape) -> Ints:
    """Return psi of Eq. 12, the number of non-zero synapses out of every source neuron, shape ``source``.

    ``target`` is the shape of the synapses' output. A tap that falls outside the target is no synapse. Computed from
    shapes axis by axis and not with `Geometry.degrees`, which walks over the taps: each checks the other.
    """
    if not isinstance(synapses, Convolution):
        return np.asarray(np.count_nonzero(synapses.weight, axis=0), np.int64).reshape(source)
    taps = _taps_per_input(synapses)
    reached = [_reached(synapses, axis, source[axis + 1], target[axis + 1]) for axis in (0, 1)]
    counts: Ints = np.einsum("ckl,ky,lx->cyx", taps, *reached)
    return counts


def _taps_per_input(synapses: Convolution) -> Ints:
    """Count non-zero weights per (input channel, row, column) over the output channels that read it."""
    used = (synapses.weight != 0).astype(np.int64)
    groups = used.reshape(synapses.groups, -1, *used.shape[1:])
    return np.asarray(groups.sum(axis=1), np.int64).reshape(-1, *used.shape[2:])


def _reached(synapses: Convolution, axis: int, source: int, target: int) -> Ints:
    """Return 1 where a source position reaches an output position over a tap, (taps, source)."""
    taps = np.arange(synapses.weight.shape[axis + 2])[:, None] * synapses.dilation[axis]
    offset = np.arange(source)[None] + synapses.padding[axis] - taps
    output, rest = np.divmod(offset, synapses.stride[axis])
    return np.asarray((rest == 0) & (output >= 0) & (output < target), np.int64)
