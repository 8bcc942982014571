"""What each compiled kernel costs on a projection, in nanoseconds, and which projections it can take."""

from collections.abc import Sequence

import numpy as np

from spikeport.export.geometry import Geometry, span
from spikeport.export.network import Pair

PLANE_ENTRY, PLANE_LANE, PLANE_LANE_WIDE, PLANE_COPY, PLANE_LINE = 2.0, 0.0095, 0.017, 0.3, 10.0
ROW_SPIKE, ROW_WEIGHT, ROW_WEIGHT_WIDE = 2.3, 0.009, 0.0145
LIST_SPIKE, LIST_WEIGHT, LIST_SOURCE = 8.0, 1.0, 0.4
MERGED_SPIKE, CROP = 12.0, 0.5
TURN = 1.5
"""Nanoseconds, measured by benchmarks/simulator.py: per non-zero weight, lane of one, padded lane, line of a
copy; per spike and tap, weight of a row (16 bit, wider); per spike and tap, listed weight, neuron searched for spikes;
per spike of merged lists, neuron cut out of its frame; neuron turned around."""


def plane_cost(
    geometries: Sequence[tuple[Geometry, Pair]], steps: int, samples: int, *, wide: bool, copied: bool
) -> float:
    """Return nanoseconds per lane that `add_planes` takes for all projections into a population.

    ``copied``: spikes are copied into a buffer with a border, as others read them too or steps run one by one.
    """
    total, lane = 0.0, PLANE_LANE_WIDE if wide else PLANE_LANE
    columns = width_of(geometries)
    for geometry, _ in geometries:
        stride, (*_, reach_y) = geometry.kernel.stride, span(geometry, 0)
        lines = geometry.source.channels * stride[0] * stride[1] * (geometry.result.height + reach_y)
        entries = np.count_nonzero(geometry.weight)
        total += entries * (PLANE_ENTRY / (steps * samples) + geometry.result.height * columns * lane)
        if copied or stride != (1, 1) or geometry.projection.delay:
            total += lines * (columns * PLANE_COPY + PLANE_LINE / samples)
    return total


def width_of(geometries: Sequence[tuple[Geometry, Pair]]) -> int:
    """Return the widest padded line of the projections into a population."""
    return max(geometry.result.width + span(geometry, 1)[3] for geometry, _ in geometries)


def event_cost(geometry: Geometry, rate: float, way: str, *, wide: bool) -> float:
    """Return nanoseconds per lane that `add_rows` or `add_lists` takes."""
    source, each = geometry.source, geometry.per_row.sum(axis=1)
    if way == "merged":
        weights = rate * source.positions * float(each.sum())
        return rate * source.neurons * MERGED_SPIKE + weights * LIST_WEIGHT + geometry.target.neurons * CROP
    pairs = np.array([len(sources) for sources, _ in geometry.pairs])
    spikes = rate * source.channels * float(pairs.sum())
    if way == "rows":
        return spikes * (ROW_SPIKE + (ROW_WEIGHT_WIDE if wide else ROW_WEIGHT) * len(geometry.weight))
    return spikes * LIST_SPIKE + rate * float(pairs @ each) * LIST_WEIGHT


def can_be_whole(geometry: Geometry) -> bool:
    """Return whether `add_rows` can say it: spikes, one group, targets side by side."""
    return geometry.levels == 1 and geometry.kernel.groups == 1 and geometry.direct
