"""What a run in the fast executor will take, before it starts.

`rough` knows sizes alone: time within a factor of 3 on an idle core of the 2020s, memory within a factor of 2. Its
constants were measured on dense layers of 2,000 to 10,000 neurons, a pruned VGG, and images of 3 to 12 million neurons.
"""

import math
import os
import resource
from dataclasses import dataclass

import numpy as np

from spikeport.export.network import Convolution, IntegerNetwork, IntegerProjection, Source
from spikeport.export.progress import duration
from spikeport.export.stimulus import Stimulus

PROOF = 1.5e-7
"""Seconds per neuron and step for the proof of the registers."""
UPDATE, ACCUMULATE, TABLE = 7e-9, 6e-10, 1.6e-8
"""Seconds per neuron, step and sample; per synaptic operation; and per weight, whose tables are built once."""
FIXED_BYTES, PROOF_BYTES, WEIGHT_BYTES, STATE_BYTES = 3e7, 110, 3, 2.3
"""Bytes of compiled code; per neuron of the largest population, per weight, and per neuron, step and sample at work."""
RATE = 0.15
"""Spikes per neuron and step."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run will take: synaptic operations, seconds on this machine, bytes of memory of the whole process.

    ``measured`` on the first images: seconds and memory then hold within a factor of 1.5 on an idle machine.
    """

    operations: int
    seconds: float
    memory: int
    measured: bool = False

    def sentence(self, images: int) -> str:
        """Return the estimate for people."""
        work = f"{self.operations:,} synaptic operations (fused), {self.memory / 1e9:.1f} GB"
        how = "about" if self.measured else "roughly"
        return f"{images:,} image{'s' * (images > 1)} on this machine: {how} {duration(self.seconds)}, {work}"


def rough(network: IntegerNetwork, stimulus: Stimulus, *, block: int) -> Estimate:
    """Estimate a run from sizes alone; ``block``: samples that a core takes at a time."""
    cores, samples = len(os.sched_getaffinity(0)), len(stimulus)
    sizes = [math.prod(population.shape) for population in network.neurons]
    weights = sum(projection.synapses.weight.size for projection in network.projections)
    operations = samples * sum(_operations(network, projection) for projection in network.projections)
    once = PROOF * sum(sizes) * network.steps + TABLE * weights
    each = UPDATE * sum(sizes) * network.steps * samples + ACCUMULATE * operations
    at_work = min(samples, block * cores)
    memory = FIXED_BYTES + PROOF_BYTES * max(sizes) + WEIGHT_BYTES * weights
    memory += STATE_BYTES * sum(sizes) * network.steps * at_work
    return Estimate(
        operations=int(operations), seconds=once + each / min(cores, samples), memory=int(memory) + resident()
    )


def _operations(network: IntegerNetwork, projection: IntegerProjection) -> float:
    """Return the synaptic operations of a sample, at `RATE` and with all of the input at every step."""
    source = network.population(projection.source)
    synapses = np.count_nonzero(projection.synapses.weight)
    if isinstance(projection.synapses, Convolution):
        synapses *= math.prod(projection.output_shape(source.shape)[1:])
    graded = isinstance(source.neuron, Source) and source.neuron.levels > 1
    return float(synapses) * network.steps * (1.0 if graded else RATE)


def resident() -> int:
    """Return the most bytes of memory that this process has taken so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
