"""Bits of a core's synapses, list by list.

What arrives over one input axon is stored in lists: blocks of up to ``list_block`` entries behind a header, each list
rounded up to whole words. A chip reads some of three kinds:

- ``sparse``: one list per axon; an entry holds weight and target index, zeros are left out.
- ``dense``: one list per axon and row of targets that it reaches; entries hold the weights of all channels of adjacent
  targets, zeros too, and no index.
- ``run_length``: one list per axon and target position; an entry holds a weight and the number of zeros before it, in
  r bits; a longer run takes entries of weight zero. The best r from 1 to 6 is taken.
"""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from spikeport.export.network import Array
from spikeport.hardware_profiles.profile import Encoding

Counts = npt.NDArray[np.int64]
RUN_BITS = range(1, 7)
WEIGHT_BITS = 8
"""Bits of a real weight, sign included, if not said otherwise."""


def list_bits(encoding: Encoding, entries: Counts, entry: int) -> Counts:
    """Return the bits of lists with so many ``entries`` of ``entry`` bits each; an empty list takes none."""
    entries = np.asarray(entries, np.int64)
    block, word, header = (int(c.value) for c in (encoding.list_block, encoding.word, encoding.list_header))
    full, rest = np.divmod(np.arange(entries.max(initial=0) + 1), block)
    whole = -(-(header + block * entry) // word) * word
    part = -(-(header + rest * entry) // word) * word
    bits: Counts = np.where(rest > 0, full * whole + part, full * whole)
    return np.asarray(bits[entries])


def weight_bits(weight: Array, encoding: Encoding | None = None) -> int:
    """Return the bits that the largest of integer weights needs, with its sign, as it is stored.

    Where an ``encoding`` has lists of one sign, weights of one sign save the bits that say it.
    """
    least, most = int(weight.min(initial=0)), int(weight.max(initial=0))
    if encoding is not None and encoding.one_sign is not None and least * most == 0:
        mixed = 1 + max(most, -least).bit_length()
        return stored_bits(max(mixed - int(encoding.one_sign.value), 1))
    return stored_bits(1 + max(most.bit_length(), (-least - 1).bit_length() if least < 0 else 0, 1))


def stored_bits(bits: int) -> int:
    """Return the bits in which a weight of ``bits`` lies: 8 instead of 7, which Loihi has not."""
    return 8 if bits == 7 else bits


def delay_bits(encoding: Encoding, waits: int) -> int:
    """Return the bits beside every weight of a projection whose spikes wait; none where the chip says nothing of it."""
    most = encoding.delay_bits
    return 0 if most is None else min(waits.bit_length(), int(most.value))


class Runs:
    """Entries that run-length lists of a weight (out, ...) take, for any parts of the output channels."""

    def __init__(self, weight: Array) -> None:
        used = weight != 0
        places = np.where(used, np.arange(len(used)).reshape(-1, *[1] * (used.ndim - 1)), -1)
        before = np.maximum.accumulate(np.concatenate([np.full_like(places[:1], -1), places[:-1]]))
        self.used, self.gaps = used, places - before - 1
        self.before = before

    @cached_property
    def _following(self) -> Counts:
        """The first non-zero channel from each one on, or the number of channels."""
        size = len(self.used)
        own = np.where(self.used, np.arange(size).reshape(-1, *[1] * (self.used.ndim - 1)), size)
        return np.minimum.accumulate(own[::-1])[::-1]

    def entries(self, edges: Counts) -> Iterator[tuple[int, Counts]]:
        """Yield r and the entries (parts, ...) of the parts between ``edges``."""
        starts, ends = edges[:-1], edges[1:]
        first = self._following[starts]
        shape = (-1, *[1] * (first.ndim - 1))
        inside = first < ends.reshape(shape)
        lead = first - starts.reshape(shape)
        stored = np.take_along_axis(self.gaps, np.minimum(first, len(self.used) - 1), axis=0)
        for bits in RUN_BITS:
            longest = 2**bits
            each = np.where(self.used, 1 + self.gaps // longest, 0)
            total = np.add.reduceat(each[: edges[-1]], starts, axis=0)
            yield bits, np.where(inside, total - stored // longest + lead // longest, 0)
