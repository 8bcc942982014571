"""Synapses of different delays as one projection per delay: in each, the weights of all other delays are zero.

Loihi, Lava, ONNX and the executors know one delay per projection. Delays that differ between sources, targets or
synapses are exact this way: every weight stands in one projection, and a target adds up what all of them bring.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from spikeport.export.errors import NetworkError
from spikeport.export.network import Array, Dense, Shape, Synapses


def delays_of_weights(synapses: Synapses, sources: Array, targets: Array) -> Array:
    """Return the delay of each weight: that of its source plus that of its target, broadcast to the weights' shape.

    ``sources`` and ``targets`` hold one number, or one per neuron, (N,) for `Dense`, (C, H, W) for `Convolution`. A
    kernel is shared over a channel; delays that differ within one raise `NetworkError`.
    """
    if isinstance(synapses, Dense):
        columns, rows = (each.reshape(-1) if each.ndim else each for each in (sources, targets))
        return np.broadcast_to(columns + (rows[:, None] if rows.ndim else rows), synapses.weight.shape)
    outputs, inputs = synapses.weight.shape[:2]
    columns, rows = per_channel(sources), per_channel(targets)
    if columns.ndim:
        group = np.arange(outputs) // (outputs // synapses.groups)
        columns = columns[group[:, None] * inputs + np.arange(inputs)]
    total = columns + (rows[:, None] if rows.ndim else rows)
    return np.broadcast_to(np.broadcast_to(total, (outputs, inputs))[:, :, None, None], synapses.weight.shape)


def by_delay(synapses: Synapses, delays: Array) -> Iterator[tuple[int, Synapses]]:
    """Yield each delay of a weight other than zero with the synapses of that delay; ``delays`` as the weights."""
    weight = synapses.weight
    values = np.unique(delays[weight != 0])
    for value in values if values.size else delays.reshape(-1)[:1]:
        kept = np.where(delays == value, weight, 0).astype(weight.dtype, copy=False)
        yield int(value), replace(synapses, weight=kept)


def count_of_delays(synapses: Synapses, delays: Array) -> int:
    """Return how many projections `by_delay` makes."""
    return max(1, len(np.unique(delays[synapses.weight != 0])))


def per_channel(delays: Array) -> Array:
    """Return one number, or one per channel (C,); `NetworkError` where neurons of a channel differ."""
    if not delays.ndim:
        return delays
    if not same_in_channels(delays):
        raise NetworkError("delays differ between neurons of one channel, over which a convolution shares its weights")
    channels: Array = delays.reshape(len(delays), -1)[:, 0]
    return channels


def same_in_channels(delays: Array) -> bool:
    """Return whether all neurons of a channel have one delay; the first axis are the channels."""
    flat = delays.reshape(len(delays), -1) if delays.ndim else delays.reshape(1, 1)
    return bool(np.all(flat == flat[:, :1]))


def spread(delays: Array, shape: Shape) -> Array:
    """Return one number, one per channel or one per neuron as one per neuron of ``shape``; equal ones as one number."""
    if np.ptp(delays) == 0:
        return np.asarray(delays.flat[0])
    per = shape if delays.size == int(np.prod(shape)) else (shape[0], *(1,) * (len(shape) - 1))
    return np.broadcast_to(delays.reshape(per), shape)
