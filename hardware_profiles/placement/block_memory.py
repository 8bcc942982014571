"""Bits of the lists that blocks store, with the kind of lists that takes least.

A list is stored for every source position, or, where neurons of a core share a kernel, once for all source positions
that reach targets over the same weights (a copy per border class), or once per phase of the stride (``one_copy``).
"""

from dataclasses import dataclass, replace

import numpy as np

from spikeport.export.network import Array
from spikeport.hardware_profiles.encoding import Counts, list_bits
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut, Patch, Span, sum_taps
from spikeport.hardware_profiles.profile import Encoding


@dataclass(frozen=True, eq=False)
class BlockLists:
    """The lists of the blocks of a patch that hold one projection's synapses; ``shares``: kernels are shared.

    ``neurons`` are those of the core of every block, where it holds other blocks too.
    """

    encoding: Encoding
    fan_out: BlockFanOut
    patch: Patch
    parts: Array
    shares: bool
    neurons: Counts | None = None

    @property
    def widths(self) -> Counts:
        """Channels of every block."""
        return np.diff(self.patch.channels)

    def bits(self, counts: Counts) -> Counts:
        """Return the bits of the blocks, (channel parts); ``counts`` are `BlockFanOut.counts`."""
        rows, columns = self.patch.rows, self.patch.columns
        if self.shares:
            rows, columns = _stored(self.encoding, self.fan_out, self.patch)
        stored = replace(self.patch, rows=rows, columns=columns)
        kinds, ways = self.encoding.lists.value, []
        if "sparse" in kinds:
            ways.append(self._sparse_bits(sum_taps(self.parts, stored) if self.shares else counts))
        if "dense" in kinds:
            ways.append(self._dense_bits(stored))
        if "run_length" in kinds:
            ways += self._run_bits(stored)
        return np.asarray(np.min(ways, axis=0), np.int64)

    def _sparse_bits(self, entries: Counts) -> Counts:
        """Return the bits of lists whose entries name a neuron of the core."""
        neurons = self.widths * self.patch.positions if self.neurons is None else self.neurons
        index, bits = index_bits(self.encoding, neurons), np.zeros(len(entries), np.int64)
        for each in np.unique(index):
            chosen = index == each
            lists = self._list_bits(entries[chosen], self.fan_out.bits + int(each))
            bits[chosen] = lists.sum(axis=(1, 2, 3))
        return bits

    def _list_bits(self, entries: Counts, entry: int) -> Counts:
        return list_bits(self.encoding, entries, entry)

    def _dense_bits(self, patch: Patch) -> Counts:
        """Return the bits of lists over the channels of adjacent targets in one row."""
        width, bits, kernel = self.widths, self.fan_out.bits, self.fan_out.kernel
        if kernel is None:
            used = (_inside(patch, self.parts) > 0).any(axis=2)
            across = patch.column_part[1] - patch.column_part[0]
            return np.asarray(used.sum(axis=(1, 2)) * self._list_bits(width * across, bits))
        sets, times = np.unique(patch.columns.reaches, axis=1, return_counts=True)
        if kernel.dilation[1] > 1:
            sets, times = np.eye(len(sets)), patch.columns.reaches.sum(axis=1)
        used = np.matmul(self.parts, sets.astype(np.float32)) > 0
        lists = np.einsum("pkx,k->px", used.sum(axis=1), patch.rows.reaches.sum(axis=1))
        each = self._list_bits(width[:, None] * sets.sum(axis=0).astype(np.int64), bits)
        return np.asarray(np.rint((lists * each) @ times), np.int64)

    def _run_bits(self, patch: Patch) -> list[Counts]:
        """Return the bits of run-length lists over the channels of one target, for every r."""
        ways = []
        for bits, entries in self.fan_out.runs.entries(np.array(patch.channels)):
            each = self._list_bits(entries, self.fan_out.bits + bits)
            if self.fan_out.kernel is None:
                ways.append(_inside(patch, each).sum(axis=(1, 2, 3)))
            else:
                sides = patch.rows.reaches.sum(axis=1), patch.columns.reaches.sum(axis=1)
                ways.append(np.asarray(np.rint(np.einsum("pkl,k,l->p", each.sum(axis=1), *sides)), np.int64))
        return ways


def index_bits(encoding: Encoding, neurons: Counts) -> Counts:
    """Return the bits that say which of a core's ``neurons`` a weight is for."""
    least, most = encoding.index_least, int(encoding.index.value)
    if least is None:
        return np.full_like(neurons, most)
    needed = np.frexp(np.maximum(neurons - 1, 0))[1].astype(np.int64)
    return np.minimum(most, np.maximum(int(least.value), needed))


def _stored(encoding: Encoding, fan_out: BlockFanOut, patch: Patch) -> tuple[Span, Span]:
    """Return one source position of each kind whose lists a block with shared kernels stores."""
    assert encoding.shared is not None
    if encoding.shared.value == "one_copy":
        return _phases(fan_out, 0), _phases(fan_out, 1)
    return _classes(patch.rows, fan_out.pool[0]), _classes(patch.columns, fan_out.pool[1])


def _phases(fan_out: BlockFanOut, axis: int) -> Span:
    """Return one source position for every phase of the stride whose lists differ, each with all its taps."""
    kernel = fan_out.kernel
    assert kernel is not None
    stride, pool = kernel.stride[axis], fan_out.pool[axis]
    taps = np.arange(kernel.weight.shape[axis + 2]) * kernel.dilation[axis] - kernel.padding[axis]
    return Span(0, (taps[:, None] % stride == np.arange(0, stride, pool)).astype(np.float32))


def _classes(span: Span, pool: int) -> Span:
    """Return one source position for each set of weights that some position uses; weights repeat over ``pool`` taps."""
    weights = span.reaches.reshape(len(span.reaches) // pool, pool, span.reaches.shape[1]).max(axis=1)
    _, chosen = np.unique(weights, axis=1, return_index=True)
    return Span(span.first, span.reaches[:, chosen])


def _inside(patch: Patch, values: Array) -> Array:
    """Return what of values (parts, rows, columns, ...) of all targets lies in one patch."""
    return values[:, slice(*patch.row_part), slice(*patch.column_part)]
