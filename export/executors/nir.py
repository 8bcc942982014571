"""The exported NIR file, read back and run in its own float numbers.

The potentials of an integer network are its integers times a power of two; they are divided out again, so that a
comparison with the reference is one of integers.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from spikeport.export.executors import floating
from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.formats import nir, nir_float
from spikeport.export.network import Array, FloatNetwork, IntegerNetwork, Network
from spikeport.export.nir_import.graph import read
from spikeport.export.passes.fold_normalization import fold_normalization
from spikeport.export.real_numbers import unit_of
from spikeport.export.scratch import scratch
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Step

NETWORKS = (FloatNetwork, IntegerNetwork)
BATCH = 100


def steps(network: Network, stimulus: Stimulus, *, batch: int = BATCH) -> Iterator[Step]:
    """Write ``network`` to NIR, read it back and yield every step of every batch of at most ``batch`` samples."""
    restored = _restored(network)
    if isinstance(network, FloatNetwork):
        names = {population.name for population in network.silent}
        for step in floating.steps(restored, stimulus, batch=batch):
            yield replace(step, potentials={name: step.potentials[name] for name in names})
        return
    units = {p.name: math.ldexp(unit_of(p.neuron), -ACTIVATION_SHIFT) for p in network.silent}
    for step in floating.steps(restored, stimulus, batch=batch):
        yield replace(step, potentials={name: _integers(step.potentials[name] / unit) for name, unit in units.items()})


def check(network: Network) -> None:
    """Raise what keeps ``network`` from being a NIR file that holds the same network."""
    _restored(network)


def _restored(network: Network) -> FloatNetwork:
    with scratch("spikeport-nir-") as folder:
        path = folder / "network.nir"
        if isinstance(network, FloatNetwork):
            nir_float.write(network, path)
            return nir_float.read_back(path)
        nir.write(network, path, unproven=True)
        return fold_normalization(read(path, trusted=True)[0])


def _integers(potential: Array) -> Array:
    """Return the potential as int64 where it is whole, else as it is, so that a difference shows."""
    whole = potential.astype(np.int64)
    return whole if np.array_equal(whole, potential) else potential
