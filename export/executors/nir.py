"""The exported NIR file, read back with `nir.read` and run in its own float numbers.

Its potentials are the integers times a power of two; they are divided out again, so that a comparison with the
reference is one of integers.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from spikeport.export.executors import floating
from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.formats import nir
from spikeport.export.network import Array, IntegerNetwork
from spikeport.export.nir_import.graph import read
from spikeport.export.passes.fold_normalization import fold_normalization
from spikeport.export.real_numbers import unit_of
from spikeport.export.scratch import scratch
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Step

NETWORKS = (IntegerNetwork,)
BATCH = 100


def steps(network: IntegerNetwork, stimulus: Stimulus, *, batch: int = BATCH) -> Iterator[Step]:
    """Write ``network`` to NIR, read it back and yield every step of every batch of at most ``batch`` samples."""
    with scratch("spikeport-nir-") as folder:
        path = folder / "network.nir"
        nir.write(network, path, unproven=True)
        restored = fold_normalization(read(path, trusted=True)[0])
    units = {p.name: math.ldexp(unit_of(p.neuron), -ACTIVATION_SHIFT) for p in network.silent}
    for step in floating.steps(restored, stimulus, batch=batch):
        yield replace(step, potentials={name: _integers(step.potentials[name] / unit) for name, unit in units.items()})


def _integers(potential: Array) -> Array:
    """Return the potential as int64 where it is whole, else as it is, so that a difference shows."""
    whole = potential.astype(np.int64)
    return whole if np.array_equal(whole, potential) else potential
