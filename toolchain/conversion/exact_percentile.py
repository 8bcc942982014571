"""The value of a given rank among more values than fit into memory, exactly.

A float's bits, with the order of negative numbers turned round, order as the floats do. Histograms of 16 bits at a time
find the value of the rank: two passes over the values in float32, four in float64.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from spikeport.export.errors import TrainingError
from spikeport.toolchain.nn.loop import Normal
from spikeport.toolchain.nn.threads import on_threads

prange: Any = numba.prange
DIGIT, SINGLE = 16, 32


def rank_of(count: int, percent: float) -> int:
    """Return the rank, from 1, of the ``percent``-th percentile among ``count`` values (Algorithm 1's nearest rank)."""
    return max(1, round(count * percent / 100))


def value_of_rank(parts: Callable[[], Iterable[Tensor]], normal: Normal, rank: int) -> float:
    """Return the ``rank``-th smallest of ``scale x + shift`` over all ``parts`` (steps, N, C, ...).

    ``parts`` is called once a pass. `TrainingError` where the value is not finite.
    """
    prefix, bits, done = 0, 0, 0
    while done == 0 or done < bits:
        counts = np.zeros((torch.get_num_threads(), 2**DIGIT), np.int64)
        for part in parts():
            bits = 8 * part.element_size()
            keys: Any = np.empty(0, np.uint32 if bits == SINGLE else np.uint64)
            affine = (normal.scale.numpy(), normal.shift.numpy())
            _count(_rows(part, normal), *affine, prefix, done, keys, counts)
        total = counts.sum(0).cumsum()
        digit = int(np.searchsorted(total, rank))
        rank -= int(total[digit - 1]) if digit else 0
        prefix, done = prefix << DIGIT | digit, done + DIGIT
    value = _value(prefix, bits)
    if not np.isfinite(value):
        raise TrainingError(
            f"a percentile of the currents is {value}; the network's weights or batch norm are not finite"
        )
    return value


def _rows(part: Tensor, normal: Normal) -> Any:
    channels = part.shape[2] if part.ndim > 3 else normal.scale.numel()
    return part.numpy().reshape(len(part), part.shape[1] * channels, -1)


def _value(key: int, bits: int) -> float:
    sign = 1 << (bits - 1)
    raw = key ^ sign if key & sign else key ^ (2**bits - 1)
    kind, number = (np.uint32, np.float32) if bits == SINGLE else (np.uint64, np.float64)
    return float(np.array(raw, kind).view(number))


@on_threads
def _count(current: Any, scale: Any, shift: Any, prefix: int, done: int, kind: Any, counts: Any) -> None:
    """Add to ``counts`` (blocks, 65,536) the next 16 bits of the keys whose first ``done`` bits are ``prefix``.

    ``kind`` has the type of a key: unsigned, as wide as a value.
    """
    steps, rows, size = current.shape
    blocks = len(counts)
    wide, start = np.uint64(current.itemsize * 8), np.uint64(prefix)
    one, top, given = np.uint64(1), wide - np.uint64(1), np.uint64(done)
    whole = ~np.uint64(0) >> (np.uint64(64) - wide)
    for block in prange(blocks):
        room = np.empty(size, current.dtype)
        keys = room.view(kind.dtype)
        for row in range(block * rows // blocks, (block + 1) * rows // blocks):
            a, b = scale[row % scale.size], shift[row % scale.size]
            for step in range(steps):
                values = current[step, row]
                for i in range(size):
                    room[i] = a * values[i] + b
                for i in range(size):
                    key = np.uint64(keys[i])
                    key ^= whole if key >> top else one << top
                    if done == 0 or key >> (wide - given) == start:
                        counts[block, (key >> (wide - given - np.uint64(DIGIT))) & np.uint64(2**DIGIT - 1)] += 1
