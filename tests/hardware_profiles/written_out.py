"""Synapses written out, to check what is counted without: one matrix per projection, (target shape, sources)."""

import numpy as np

from spikeport.export.network import Convolution


def synapses(network, projection):
    """Return 1 for every non-zero synapse, (channels, rows, columns, sources)."""
    source, target = (network.population(name).shape for name in (projection.source, projection.target))
    sides = target if len(target) == 3 else (int(np.prod(target)), 1, 1)
    full = np.zeros((int(np.prod(target)), int(np.prod(source))), np.int64)
    full[matrix(projection.synapses, source, projection.synapses.output_shape(source))] = 1
    return full.reshape(*sides, -1)


def into_core(network, core):
    """Return per projection into a core's population the synapses from every source neuron into the core."""
    block = tuple(slice(*edges) for edges in (core.channels, core.rows, core.columns))
    return {
        number: synapses(network, projection)[block].sum(axis=(0, 1, 2))
        for number, projection in enumerate(network.projections)
        if projection.target == core.population
    }


def matrix(synapses, source, target):
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


def _axis(synapses, axis, taps, source, target):
    """Return output and input positions of every tap along one axis, and which lie inside the source."""
    out = np.arange(target)[None]
    inside = out * synapses.stride[axis] + taps[:, None] * synapses.dilation[axis] - synapses.padding[axis]
    return np.broadcast_to(out, inside.shape), inside, (inside >= 0) & (inside < source)
