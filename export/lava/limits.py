"""What Lava's processes cannot do; shared by the executor and the writer of job folders.

Lava's Conv wraps its sum modulo 2^24, and Dense holds ``2 W s`` in 32 bit. In a network with a proof of its registers
all sums of weights lie within 2^17. Without a proof, sums beyond 2^23 are refused here, since Lava would give other
numbers without a word; wraps of the current and saturation of the potential are the same in Lava as in the definition.
"""

from dataclasses import replace

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.export.fixed_point import INT8_MAX, STATE_LIMIT
from spikeport.export.linear import synaptic_sum
from spikeport.export.network import Array, Convolution, IntegerNetwork, IntegerProjection, Source

SUM_LIMIT = STATE_LIMIT - 1
"""Largest sum of one projection that Conv and Dense hold."""
TOTAL_LIMIT = 2**25 - 2**17 - 1
"""Largest sum of all projections of a neuron: 64 times it and a current of 2^23 fit into 32 bit."""
LARGEST_KERNEL = 2**26
"""Weights of a kernel whose groups, more than 8 bit hold, are written out as one."""
NAME_LIMIT = 200
"""Longest name of a population: its trace is a file of that name."""


def check(network: IntegerNetwork) -> None:
    """Refuse, with a `FormatError` or `NetworkError`, what Lava processes cannot do."""
    network.depths()
    for projection in network.on_chip:
        _check_geometry(projection)
    for population in network.neurons:
        if len(population.name) > NAME_LIMIT:
            raise FormatError(
                f"population {population.name[:20]}...: its name has {len(population.name)} characters; the file of "
                f"its trace takes at most {NAME_LIMIT}"
            )
        largest = [_check_sum(network, projection) for projection in network.incoming_on_chip(population.name)]
        if sum(largest) > TOTAL_LIMIT:
            raise FormatError(
                f"population {population.name}: the sums of its projections reach {sum(largest):,}; "
                f"Lava's neurons hold up to {TOTAL_LIMIT:,}. Lower the weight exponents"
            )


def _check_geometry(projection: IntegerProjection) -> None:
    synapses = projection.synapses
    if not isinstance(synapses, Convolution):
        return
    largest = max(*synapses.weight.shape[2:], *synapses.stride, *synapses.padding, *synapses.dilation)
    if largest > INT8_MAX:
        raise FormatError(
            f"projection {projection.source} -> {projection.target}: Lava's Conv holds kernel, stride, padding and "
            f"dilation in 8 bit, found {largest}; expected at most {INT8_MAX}"
        )
    written_out = synapses.weight.size * synapses.groups
    if synapses.groups > INT8_MAX and written_out > LARGEST_KERNEL:
        raise FormatError(
            f"projection {projection.source} -> {projection.target}: Lava's Conv holds the number of groups in 8 bit; "
            f"{synapses.groups:,} groups as one take {written_out:,} weights, expected at most {LARGEST_KERNEL:,}"
        )


def _check_sum(network: IntegerNetwork, projection: IntegerProjection) -> int:
    """Return the largest magnitude of a sum of weights and inputs."""
    neuron = network.population(projection.source).neuron
    most = neuron.levels if isinstance(neuron, Source) else 1
    largest = _most_of_a_row(projection) * most << projection.exponent
    if largest > SUM_LIMIT:
        largest = _most_at_a_place(network, projection) * most << projection.exponent
    if largest > SUM_LIMIT:
        raise FormatError(
            f"projection {projection.source} -> {projection.target}: sums of weights and inputs reach {largest:,}; "
            f"Lava holds up to {SUM_LIMIT:,}. Lower the weight exponent ({projection.exponent}) or the source's levels"
        )
    return largest


def _most_of_a_row(projection: IntegerProjection) -> int:
    """Return the largest sum of the positive or of the negative weights of a target; borders are left out."""
    weight = projection.synapses.weight.astype(np.int64).reshape(len(projection.synapses.weight), -1)
    return int(max(np.maximum(weight, 0).sum(1).max(), -np.minimum(weight, 0).sum(1).min()))


def _most_at_a_place(network: IntegerNetwork, projection: IntegerProjection) -> int:
    """Return the same with the borders, where a part of the kernel meets no source neuron."""
    ones: Array = np.ones((1, *network.population(projection.source).shape), np.int64)

    def sums(part: np.ufunc) -> Array:
        weight = part(projection.synapses.weight, 0)
        return synaptic_sum(replace(projection.synapses, weight=weight), ones)

    return int(max(sums(np.maximum).max(), -sums(np.minimum).min()))
