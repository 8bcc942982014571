"""How many channels in a row fit one core, by their input axons.

For a block of rows and columns, `Runs.ends` says for every channel where the longest run of channels ends that takes no
more input axons than a core has. The synapses of a population lie in one list by target channel, whatever projections
they belong to, because their axons add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spikeport.export.network import Array, Pair
from spikeport.hardware_profiles.encoding import Counts
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut
from spikeport.hardware_profiles.placement.loops import axon_ends

MOST_SYNAPSES = 2**26
"""Weights of a population, zeros not counted, up to which they are listed."""


@dataclass(frozen=True, eq=False)
class _List:
    """The weights of one projection that are not zero, by target channel.

    ``parts`` says how many axons every source position takes for all of its channels; None where every source neuron
    takes one. Without a kernel a tap is a row, or a column, of targets, and every source neuron is a channel.
    """

    fan_out: BlockFanOut
    parts: Counts | None
    channels: Counts
    sources: Array
    rows: Array
    columns: Array

    @classmethod
    def of(cls, fan_out: BlockFanOut, parts: Counts | None) -> "_List":
        """Return the list of a projection."""
        used = fan_out.weight != 0
        if fan_out.kernel is None:
            channels, rows, columns, sources = np.nonzero(used)
        elif parts is not None:
            channels, rows, columns = np.nonzero(used.any(axis=1))
            sources = np.zeros_like(channels)
        else:
            channels, sources, rows, columns = np.nonzero(used)
        small = (each.astype(np.int32) for each in (sources, rows, columns))
        return cls(fan_out, parts, channels, *small)

    def taps(self, rows: Pair, columns: Pair) -> tuple[Array, Array, tuple[int, int, int]]:
        """Return first, number and distance of the source positions of each tap, down and across; and a shape.

        ``rows`` and ``columns`` are a block's. The shape is (channels, rows, columns) of the sources that reach it.
        """
        target, source, kernel = self.fan_out.target, self.fan_out.source, self.fan_out.kernel
        if kernel is None:
            return _inside(target.height, rows), _inside(target.width, columns), (source.neurons, 1, 1)
        down, across = (self.fan_out.span(part, axis).reaches for axis, part in enumerate((rows, columns)))
        shape = (source.channels if self.parts is None else 1, down.shape[1], across.shape[1])
        return _positions(down, kernel.stride[0]), _positions(across, kernel.stride[1]), shape

    def takes(self, rows: Pair, columns: Pair, places: int) -> Counts:
        """Return how many axons every place of `taps` takes."""
        if self.parts is None:
            return np.ones(places, np.int64)
        return self.parts[self.fan_out.sources(self.fan_out.patch((), rows, columns))].reshape(-1)


class Runs:
    """The runs of channels of one population; ``lists`` are its projections, each with the axons of its positions."""

    def __init__(self, channels: int, lists: Sequence[tuple[BlockFanOut, Counts | None]]) -> None:
        self.lists = [_List.of(fan_out, parts) for fan_out, parts in lists]
        joined = np.concatenate([each.channels for each in self.lists])
        order = np.argsort(joined, kind="stable") if len(self.lists) > 1 else slice(None)
        self.starts = np.searchsorted(joined[order], np.arange(channels + 1)).astype(np.int64)
        self.sources = np.concatenate([each.sources for each in self.lists])[order]
        self.rows, self.columns = (self._numbered(axis)[order] for axis in ("rows", "columns"))

    def _numbered(self, axis: str) -> Array:
        """Return taps numbered over all projections."""
        first, parts = 0, []
        for each in self.lists:
            parts.append(getattr(each, axis) + np.int32(first))
            first += _taps(each.fan_out, axis)
        return np.concatenate(parts)

    def ends(self, rows: Pair, columns: Pair, most: int) -> Counts:
        """Return where the runs end that ``most`` axons reach, for a block of rows and columns."""
        down, across, shapes, takes, places = [], [], [], [], 0
        for each in self.lists:
            taps, over, (channels, height, width) = each.taps(rows, columns)
            down.append(taps)
            across.append(over)
            shapes += [(places, height, width)] * len(taps)
            places += channels * height * width
            takes.append(each.takes(rows, columns, channels * height * width))
        ends: Counts = axon_ends(
            *(self.starts, self.sources, self.rows, self.columns),
            *(np.concatenate(down), np.concatenate(across), np.array(shapes, np.int64)),
            *(np.concatenate(takes), most),
        )
        return ends


def _taps(fan_out: BlockFanOut, axis: str) -> int:
    if fan_out.kernel is None:
        return fan_out.target.height if axis == "rows" else fan_out.target.width
    return int(fan_out.kernel.weight.shape[2 if axis == "rows" else 3])


def _inside(side: int, part: Pair) -> Array:
    """Return for every row, or column, of targets one source position if it lies in a part, else none."""
    places = np.arange(side)
    return np.stack([np.zeros(side), (part[0] <= places) & (places < part[1]), np.ones(side)], axis=1).astype(np.int64)


def _positions(reaches: Array, stride: int) -> Array:
    """Return first, number and distance of the positions that every tap reaches."""
    first = reaches.argmax(axis=1) if reaches.size else np.zeros(len(reaches))
    return np.stack([first, reaches.sum(axis=1), np.full(len(reaches), stride)], axis=1).astype(np.int64)
