"""Synapses written out, to check what is counted without: one matrix per projection, (target shape, sources)."""

import numpy as np

from spikeport.hardware_profiles.unrolled import matrix


def synapses(network, projection):
    """Return 1 for every non-zero synapse, (channels, rows, columns, sources)."""
    source, target = (network.population(name).shape for name in (projection.source, projection.target))
    sides = target if len(target) == 3 else (int(np.prod(target)), 1, 1)
    full = np.zeros((int(np.prod(target)), int(np.prod(source))), np.int64)
    full[matrix(projection.synapses, source, projection.synapses.output_shape(source))] = 1
    return full.reshape(*sides, -1)


def heard(network, core):
    """Return per projection into a core's population the synapses from every source neuron into the core."""
    block = tuple(slice(*edges) for edges in (core.channels, core.rows, core.columns))
    return {
        number: synapses(network, projection)[block].sum(axis=(0, 1, 2))
        for number, projection in enumerate(network.projections)
        if projection.target == core.population
    }
