"""Synapses written out one by one, to check what the product counts without writing them out."""

from dataclasses import replace

import numpy as np

from spikeport.export.network import Convolution
from spikeport.hardware_profiles.encoding import RUN_BITS, list_bits, weight_bits


def grid_shape(shape):
    """Return (channels, rows, columns) of a population."""
    return shape if len(shape) == 3 else (int(np.prod(shape)), 1, 1)


def block_of(block):
    """Return the slices of a block's neurons."""
    return tuple(slice(*edges) for edges in (block.channels, block.rows, block.columns))


def synapses(network, projection):
    """Return 1 for every non-zero synapse, (channels, rows, columns, sources)."""
    source, target = (network.population(name).shape for name in (projection.source, projection.target))
    full = np.zeros((int(np.prod(target)), int(np.prod(source))), np.int64)
    full[matrix(projection.synapses, source, projection.synapses.output_shape(source))] = 1
    return full.reshape(*grid_shape(target), -1)


def into_core(network, core):
    """Return per projection into a core's populations the synapses from every source neuron into the core."""
    return {
        number: synapses(network, projection)[block_of(block)].sum(axis=(0, 1, 2))
        for block in core.blocks
        for number, projection in enumerate(network.projections)
        if projection.target == block.population
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


def list_bits_of(network, core, kinds, index, encoding):
    """Return the bits of a core's lists, written out: per projection the kind of list that takes least.

    ``index`` are the bits that name a neuron of the core.
    """
    total = 0
    for block in core.blocks:
        for projection in network.projections:
            if projection.target == block.population:
                ways = {"sparse": _sparse, "dense": _dense, "run_length": _run_length}
                total += min(ways[kind](network, projection, block, index, encoding) for kind in kinds)
    return total


def entry_bits(network, projection, encoding):
    """Return the bits of a weight and of the steps that its spikes wait, as many as write the number."""
    most = network.steps + len(network.projections)
    late = {population.name: 0 for population in network.populations}
    for _ in network.populations:
        for each in network.projections:
            late[each.target] = max(late[each.target], late[each.source] + 1 - min(each.delay, most))
    waits = late[projection.target] - late[projection.source] - 1 + min(projection.delay, most)
    bits = 0 if waits == 0 or encoding.delay_bits is None else len(f"{waits:b}")
    return weight_bits(projection.synapses.weight, encoding) + bits


def _sparse(network, projection, core, index, encoding):
    counts = synapses(network, projection)[block_of(core)].sum(axis=(0, 1, 2))
    return int(list_bits(encoding, counts, entry_bits(network, projection, encoding) + index).sum())


def _dense(network, projection, core, _index, encoding):
    """A list per source and row of targets, or per target where dilation parts them; zeros are stored."""
    ones = replace(projection, synapses=replace(projection.synapses, weight=np.ones_like(projection.synapses.weight)))
    used, reached = (synapses(network, each)[block_of(core)] for each in (projection, ones))
    apart = isinstance(projection.synapses, Convolution) and projection.synapses.dilation[1] > 1
    bits, total = entry_bits(network, projection, encoding), 0
    for source in range(used.shape[3]):
        for row in range(used.shape[1]):
            lists = range(used.shape[2]) if apart else [slice(None)]
            for columns in lists:
                if used[:, row, columns, source].any():
                    adjacent = np.any(reached[:, row, columns, source], axis=0).sum()
                    total += int(list_bits(encoding, np.array(len(used) * adjacent), bits))
    return total


def _run_length(network, projection, core, _index, encoding):
    used = synapses(network, projection)[block_of(core)].reshape(
        -1, np.prod(_sides(core)), _sources(projection, network)
    )
    bits = entry_bits(network, projection, encoding)
    totals = []
    for run in RUN_BITS:
        entries = [run_entries(column, run) for column in used.reshape(len(used), -1).T]
        totals.append(int(list_bits(encoding, np.array(entries), bits + run).sum()))
    return min(totals)


def _sides(core):
    return [end - begin for begin, end in (core.rows, core.columns)]


def _sources(projection, network):
    return int(np.prod(network.population(projection.source).shape))


def run_entries(column, bits):
    """Count the entries of a run-length list one by one."""
    entries, zeros = 0, 0
    for weight in column:
        if weight == 0:
            zeros += 1
            continue
        entries += zeros // 2**bits + 1
        zeros = 0
    return entries
