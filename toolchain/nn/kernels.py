"""Loops over layers of neurons on the CPU, compiled: moments, spikes, potentials, gradients.

Arrays are (steps, rows, values): a row is a channel of a sample, so row ``r`` belongs to channel ``r % channels``; for
gradients of small maps it is a sample with all of its channels. A held current has one step. Every row is computed
alone, so results do not depend on ``blocks``, the parts that run at once.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from spikeport.export.compiled import compiled, digest
from spikeport.toolchain.nn.noise import compiled_gaussian
from spikeport.toolchain.nn.threads import on_threads

Array = Any
Slope = Callable[..., float]
prange: Any = numba.prange
TILE, APART = 256, 272
"""Values of a step that are taken at once, and their distance in memory from the next ones."""


@on_threads
def moments(current: Array, channels: int, blocks: int, sums: Array, squares: Array) -> None:
    """Write sums and sums of squares (steps, channels) in float64; a step's do not depend on the other steps."""
    steps, rows, size = current.shape
    for block in prange(blocks):
        first, second = np.zeros(size), np.zeros(size)
        for pair in range(block * steps * channels // blocks, (block + 1) * steps * channels // blocks):
            step, channel = pair // channels, pair % channels
            first[:] = 0
            second[:] = 0
            for row in range(channel, rows, channels):
                values = current[step, row]
                for i in range(size):
                    value = np.float64(values[i])
                    first[i] += value
                    second[i] += value * value
            sums[step, channel] = first.sum()
            squares[step, channel] = second.sum()


@on_threads
def fire(
    current: Array,
    scale: Array,
    shift: Array,
    threshold: float,
    tau: float,
    hard: bool,
    grid: tuple[int, int],
    noise: tuple[float, Array] | None,
    near: tuple[float, Array] | None,
    blocks: int,
    rest: Array,
    spikes: Array,
    counts: Array,
) -> None:
    """Write spikes, averaged over windows of ``pool`` x ``pool`` of a map ``width`` wide, and their counts.

    ``grid`` is (pool, width); ``rest`` (rows, values) are the potentials before the first step and after the last one.
    ``noise`` is its deviation and the keys of the steps; ``near`` a margin, and by how much the potentials of each row
    are nearer to the threshold, which is written. None of them is compiled where it is None.
    """
    steps, rows, _ = spikes.shape
    size, held = current.shape[2], current.shape[0] == 1
    pool, _ = grid
    zero, one = current.dtype.type(0), current.dtype.type(1)
    for block in prange(blocks):
        fired, room = np.zeros(size, np.uint8), np.zeros((2, size), current.dtype)
        limit, close = room[0], room[1]
        for row in range(block * rows // blocks, (block + 1) * rows // blocks):
            a, b, potential = scale[row % scale.size], shift[row % scale.size], rest[row]
            for step in range(steps):
                arriving = current[0 if held else step, row]
                out, count = spikes[step, row], counts[step, row]
                if noise is not None:
                    disturb(
                        threshold, noise[0], noise[1][step, 0], noise[1][step, 1], np.uint32(row * size), size, limit
                    )
                for i in range(size):
                    p = tau * potential[i] + (a * arriving[i] + b)
                    spike = p >= (threshold if noise is None else limit[i])
                    if near is not None:
                        close[i] += max(zero, near[0] - abs(p - threshold))
                    potential[i] = (zero if hard else p - threshold) if spike else p
                    fired[i] = spike
                if pool == 1:
                    for i in range(size):
                        out[i] = one if fired[i] else zero
                        count[i] = fired[i]
                else:
                    averages(fired, grid, out, count)
            if near is not None:
                near[1][row] = taken(close)


@compiled
def disturb(threshold: float, sigma: float, first: Any, second: Any, begin: Any, count: int, limit: Array) -> None:
    """Write the threshold with the noise of ``count`` neurons from ``begin`` on, in the step of the two keys.

    Keys and ``begin`` are unsigned numbers of 32 bits as they come: wider ones here would halve the speed.
    """
    kind = limit.dtype.type
    for i in range(count):
        limit[i] = threshold + sigma * kind(compiled_gaussian(np.uint32(begin + np.uint32(i)), first, second))


@compiled
def taken(values: Array) -> float:
    """Return the sum of values in float64, and leave zeros."""
    found = np.float64(0)
    for i in range(values.size):
        found += values[i]
    values[:] = 0
    return found


@compiled
def averages(fired: Array, grid: tuple[int, int], out: Array, count: Array) -> None:
    """Write how many fired in each window, and their share of it."""
    pool, width = grid
    across, down = width // pool, fired.size // width // pool
    area = out.dtype.type(pool * pool)
    for y in range(down):
        total, shares = count[y * across : (y + 1) * across], out[y * across : (y + 1) * across]
        if pool == 2:  # the window that most networks have; with its size known, many are computed at once
            upper, lower = fired[2 * y * width :], fired[(2 * y + 1) * width :]
            for x in range(across):
                here = upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1]
                total[x] = here
                shares[x] = out.dtype.type(here) / area
        else:
            for x in range(across):
                here = 0
                for j in range(pool):
                    start = (y * pool + j) * width + x * pool
                    for i in range(start, start + pool):
                        here += fired[i]
                total[x] = here
                shares[x] = out.dtype.type(here) / area


@compiled
def recall(
    values: Array,
    a: Array,
    b: Array,
    threshold: float,
    limit: Array,
    tau: float,
    hard: bool,
    count: int,
    rest: Array,
    before: Array,
    fired: Array,
) -> None:
    """Advance the potentials ``rest`` by a step; write what they were before the reset, and who reached ``limit``."""
    zero = values.dtype.type(0)
    for i in range(count):
        p = tau * rest[i] + (a[i] * values[i] + b[i])
        spike = p >= limit[i]
        rest[i] = (zero if hard else p - threshold) if spike else p
        before[i] = p
        fired[i] = spike


@compiled
def add_by_channel(room: Array, span: int, sums: Array) -> None:
    """Add (4, values) up for each channel of ``span`` values, and to ``sums`` (channels, 4)."""
    for channel in range(len(sums)):
        shift = scaled = threshold = leak = np.float64(0)
        for i in range(channel * span, (channel + 1) * span):
            shift += room[0, i]
            scaled += room[1, i]
            threshold += room[2, i]
            leak += room[3, i]
        for part, amount in enumerate((shift, scaled, threshold, leak)):
            sums[channel, part] += amount


@compiled
def spread(source: Array, share: float, grid: tuple[int, int], count: int, given: Array) -> None:
    """Give every spike of a window its share of the window's gradient; rows and columns left out get none."""
    pool, width = grid
    across = width // pool
    given[:count] = 0
    for y in range(count // (pool * width)):
        if pool == 2:
            upper, lower = given[2 * y * width :], given[(2 * y + 1) * width :]
            for x in range(across):
                each = source[y * across + x] * share
                upper[2 * x] = upper[2 * x + 1] = lower[2 * x] = lower[2 * x + 1] = each
        else:
            for j in range(pool):
                place = given[(y * pool + j) * width :]
                for x in range(across):
                    for i in range(pool):
                        place[x * pool + i] = source[y * across + x] * share


def backward(slope: Slope) -> Any:
    """Return the loop that goes back through time with ``slope(distance, *parameters)`` as the surrogate gradient.

    The code is kept on disk by what ``slope`` says, as by what is said here.
    """
    key = digest(slope)

    @on_threads
    def gradients(
        current: Array,
        normal: tuple[Array, Array, Array, Array, Array],
        map_size: int,
        threshold: float,
        tau: float,
        hard: bool,
        grid: tuple[int, int],
        parameters: tuple[float, ...],
        noise: tuple[float, Array] | None,
        near: tuple[float, float, float] | None,
        blocks: int,
        arriving: Array,
        leaving: Array,
        sums: Array,
    ) -> None:
        """Recompute the potentials of a tile of a row, then go back; the reset is differentiated as well.

        A row has maps of ``map_size`` values, a channel each; ``normal`` is mean, inverse, what gradients are
        multiplied by, scale and shift of every channel. ``noise`` is its deviation and the keys of the steps,
        ``near`` a margin, the gradient of the penalty by a potential within it, and 1 / V_th. ``arriving`` are the
        gradients of the (pooled) spikes, ``leaving`` those of the current, ``sums`` (rows, channels of a row, 4) those
        of shift, scale of the normalised current, threshold and tau.
        """
        key  # noqa: B018 - part of the key under which the code is kept
        steps, rows, _ = arriving.shape
        size, held, (pool, width) = current.shape[2], current.shape[0] == 1, grid
        zero, one = current.dtype.type(0), current.dtype.type(1)
        share, across = one / current.dtype.type(pool * pool), width // pool
        unit = map_size if map_size < size else pool * width if pool > 1 else 1
        tile = min(size, TILE // unit * unit)
        for block in prange(blocks):
            room = np.zeros((14 + steps, APART), current.dtype)
            fired = np.zeros((steps, APART), np.uint8)
            limit = room[13]
            limit[:] = threshold
            shifts, scales, thresholds, leaks = room[0], room[1], room[2], room[3]
            later, given, leaves, total = room[4], room[5], room[6], room[7]
            m, k, f, a, b = room[8], room[9], room[10], room[11], room[12]
            for row in range(block * rows // blocks, (block + 1) * rows // blocks):
                for start in range(0, size, tile):
                    count = min(tile, size - start)
                    span = min(map_size, count)
                    first = start // map_size
                    for part in range(count // span):
                        channel = (row * sums.shape[1] + first + part) % len(normal[0])
                        for which in range(5):
                            room[8 + which, part * span : (part + 1) * span] = normal[which][channel]
                    room[:5, :count] = zero
                    total[:count] = zero
                    for step in range(steps):
                        values = current[0 if held else step, row, start:]
                        if noise is not None:
                            place = np.uint32(row * size + start)
                            disturb(threshold, noise[0], noise[1][step, 0], noise[1][step, 1], place, count, limit)
                        recall(values, a, b, threshold, limit, tau, hard, count, later, room[14 + step], fired[step])
                    later[:count] = zero
                    for step in range(steps - 1, -1, -1):
                        values, g = current[0 if held else step, row, start:], arriving[step, row]
                        now, before = room[14 + step], room[14 + max(step - 1, 0)]
                        spikes, earlier = fired[step], fired[max(step - 1, 0)]
                        known = one if step else zero
                        if pool == 1:
                            given[:count] = g[start : start + count]
                        else:
                            spread(g[start // (pool * width) * across :], share, grid, count, given)
                        for i in range(count):
                            p, left, last = now[i], before[i], later[i]
                            falls = p if hard else threshold
                            wanted = (given[i] - last * falls) * slope(p - threshold, *parameters)
                            kept = zero if spikes[i] else last
                            back = wanted + (kept if hard else last)
                            left = (zero if hard else left - threshold) if earlier[i] else left
                            if near is not None:
                                push = near[1] if p < threshold else -near[1]
                                push = push if abs(p - threshold) < near[0] else zero
                                back += push
                                thresholds[i] -= push * p * near[2]
                            shifts[i] += back
                            scales[i] += back * ((values[i] - m[i]) * k[i])
                            thresholds[i] -= wanted + (zero if hard else last - kept)
                            leaks[i] += back * left * known
                            later[i] = tau * back
                            leaves[i] = f[i] * back
                        if held:
                            for i in range(count):
                                total[i] += leaves[i]
                        else:
                            leaving[step, row, start : start + count] = leaves[:count]
                    if held:
                        leaving[0, row, start : start + count] = total[:count]
                    add_by_channel(room, span, sums[row, first : first + count // span])

    return gradients


@on_threads
def centre(
    current: Array, mean: Array, inverse: Array, scale: Array, shares: Array, blocks: int, leaving: Array
) -> None:
    """Turn gradients of the normalised current into those of the current: batch norm with batch statistics, in place.

    ``shares`` (2, channels) are the means of the gradient, and of the gradient times the normalised current.
    """
    steps, rows, size = current.shape
    for block in prange(blocks):
        for row in range(block * rows // blocks, (block + 1) * rows // blocks):
            channel = row % mean.size
            m, k, f = mean[channel], inverse[channel], scale[channel]
            g, x = shares[0, channel], shares[1, channel]
            for step in range(steps):
                values, out = current[step, row], leaving[step, row]
                for i in range(size):
                    out[i] = f * (out[i] - g - (values[i] - m) * k * x)
