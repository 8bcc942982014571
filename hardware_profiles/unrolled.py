"""Synapses written out: which source neurons reach which target neurons."""

import numpy as np

from spikeport.export.network import Array, Convolution, Shape, Synapses


def matrix(synapses: Synapses, source: Shape, target: Shape) -> tuple[Array, Array]:
    """Return the flat target and source index of every non-zero synapse."""
    if not isinstance(synapses, Convolution):
        rows, columns = np.nonzero(synapses.weight)
        return rows, columns
    outputs, inputs, *taps = np.nonzero(synapses.weight)
    per_group = synapses.weight.shape[0] // synapses.groups
    channels = outputs // per_group * synapses.weight.shape[1] + inputs
    y_out, y_in, y_ok = _axis(synapses, 0, taps[0], source[1], target[1])
    x_out, x_in, x_ok = _axis(synapses, 1, taps[1], source[2], target[2])
    valid = y_ok[:, :, None] & x_ok[:, None, :]
    rows = (outputs[:, None, None] * target[1] + y_out[:, :, None]) * target[2] + x_out[:, None, :]
    columns = (channels[:, None, None] * source[1] + y_in[:, :, None]) * source[2] + x_in[:, None, :]
    return np.broadcast_to(rows, valid.shape)[valid], np.broadcast_to(columns, valid.shape)[valid]


def _axis(synapses: Convolution, axis: int, taps: Array, source: int, target: int) -> tuple[Array, Array, Array]:
    """Return output and input positions of every tap along one axis, and which lie inside the source."""
    out = np.arange(target)[None]
    inside = out * synapses.stride[axis] + taps[:, None] * synapses.dilation[axis] - synapses.padding[axis]
    return np.broadcast_to(out, inside.shape), inside, (inside >= 0) & (inside < source)
