"""Compiled loops that find how many channels in a row a core takes."""

from typing import Any

import numpy as np

from spikeport.export.compiled import compiled


@compiled
def axon_ends(
    starts: Any, sources: Any, rows: Any, columns: Any, down: Any, across: Any, shapes: Any, takes: Any, most: int
) -> Any:
    """Return for every channel where the longest run of channels ends that takes at most ``most`` input axons.

    Synapse n of channel c (``starts[c]`` to before ``starts[c + 1]``) leads from source channel ``sources[n]`` over tap
    ``rows[n]`` down and ``columns[n]`` across. ``down`` and ``across`` hold per tap the first source position that it
    reaches a block from, how many there are, and how far apart; ``shapes`` holds per tap down the source's first place,
    its height and its width there. Every place ``takes`` some axons of a core that it reaches.

    The run moves over the channels: each is added once and taken away once. It stops at a channel c that alone takes
    too many, with ``ends[c] == c``.
    """
    channels = len(starts) - 1
    ends, used = starts[:-1].copy(), np.zeros(len(takes), np.int32)
    axons, first = 0, 0
    for last in range(channels + 1):
        if last < channels:
            axons += _count(starts, sources, rows, columns, down, across, shapes, takes, used, last, 1)
        while first <= last and first < channels and (axons > most or last == channels):
            ends[first] = last
            if first == last:
                return ends
            axons -= _count(starts, sources, rows, columns, down, across, shapes, takes, used, first, -1)
            first += 1
    return ends


@compiled
def _count(
    starts: Any,
    sources: Any,
    rows: Any,
    columns: Any,
    down: Any,
    across: Any,
    shapes: Any,
    takes: Any,
    used: Any,
    channel: int,
    one: int,
) -> int:
    """Add (one = 1) or take away (-1) the synapses of a channel; return the axons that it alone takes."""
    axons = 0
    for synapse in range(starts[channel], starts[channel + 1]):
        tap, over = rows[synapse], columns[synapse]
        height, width = shapes[tap, 1], shapes[tap, 2]
        for n in range(down[tap, 1]):
            line = shapes[tap, 0] + (sources[synapse] * height + down[tap, 0] + n * down[tap, 2]) * width
            place = line + across[over, 0]
            for _ in range(across[over, 1]):
                before = used[place]
                used[place] = before + one
                if before == 0 or before + one == 0:
                    axons += takes[place]
                place += across[over, 2]
    return axons


@compiled
def count_parts(ends: Any, alike: Any, sums: Any, most: Any) -> Any:
    """Return into how few parts the channels of every patch go, or 0 where a channel is too much.

    A part of patch p ends at ``ends[alike[p]]`` of its first channel at most, and what its channels add to
    ``sums[:, p]`` (channels + 1, from the first channel on) is at most ``most[p]``.
    """
    counts = np.zeros(len(alike), np.int64)
    channels = sums.shape[0] - 1
    for patch in range(len(alike)):
        first, parts, longest = 0, 0, ends[alike[patch]]
        while first < channels:
            low, high = first, longest[first]
            while low < high:
                middle = (low + high + 1) // 2
                if sums[middle, patch] - sums[first, patch] <= most[patch]:
                    low = middle
                else:
                    high = middle - 1
            if low == first:
                parts = 0
                break
            first, parts = low, parts + 1
        counts[patch] = parts
    return counts


@compiled
def swap(flow: Any, hops: Any, places: Any, most: int) -> None:
    """Swap the two ``places`` that shorten messages most, until none does or ``most`` swaps are made.

    ``flow`` are the messages between two cores, ``hops`` those between two places. With way[i, p] the hops of all
    messages of i if it lay at p, a swap of i and j changes all hops by::

        way[i, p_j] + way[j, p_i] - way[i, p_i] - way[j, p_j] + 2 flow[i, j] hops[p_i, p_j]
    """
    way = _ways(flow, hops, places)
    for _ in range(most):
        one, other = _best(flow, hops, places, way)
        if one == other:
            return
        at, to = places[one], places[other]
        for i in range(len(places)):
            more = flow[i, one] - flow[i, other]
            if more:
                for place in range(len(hops)):
                    way[i, place] += more * (hops[to, place] - hops[at, place])
        places[one], places[other] = to, at


@compiled
def _ways(flow: Any, hops: Any, places: Any) -> Any:
    """Return the hops of all messages of every core if it lay at every place."""
    cores = len(places)
    way = np.zeros((cores, len(hops)))
    for i in range(cores):
        for j in range(cores):
            if flow[i, j]:
                for place in range(len(hops)):
                    way[i, place] += flow[i, j] * hops[places[j], place]
    return way


@compiled
def _best(flow: Any, hops: Any, places: Any, way: Any) -> Any:
    """Return the two cores whose swap shortens messages most; the same core twice where none does."""
    best, one, other = -0.5, 0, 0
    for i in range(len(places)):
        at = places[i]
        for j in range(i):
            to = places[j]
            change = way[i, to] + way[j, at] - way[i, at] - way[j, to] + 2 * flow[i, j] * hops[at, to]
            if change < best:
                best, one, other = change, i, j
    return one, other
