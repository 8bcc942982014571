"""A run's spikes, a batch of images at a time, with the synapses that they crossed."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikeport.export.errors import StimulusError
from spikeport.export.executors import fast
from spikeport.export.linear import synaptic_sum
from spikeport.export.network import Array, IntegerNetwork, IntegerProjection
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Step

BATCH = 20
"""Images whose spikes are held at a time, at most."""
SPIKE_BYTES = 2**30
"""Bytes that the spikes of a batch may take; one image always makes a batch, up to four times this."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """The spikes of some images by population, uint8 (N, T, *shape), non-zero inputs too.

    ``operations`` are the non-zero synapses that they crossed, per projection in the network's order.
    """

    images: int
    spikes: Mapping[str, Array]
    operations: Sequence[int]


def batches(network: IntegerNetwork, stimulus: Stimulus, size: int | None = None) -> Iterator[Batch]:
    """Run the fast executor, which counts, and yield all spikes, ``size`` images at a time.

    Rates, updates and times of a mean image are those of all steps; `StimulusError` for samples that end earlier.
    """
    if stimulus.lengths is not None and stimulus.lengths.min() < network.steps:
        raise StimulusError(
            f"the samples have {stimulus.lengths.min()} to {stimulus.lengths.max()} steps; the costs of a mean image "
            f"need samples of {network.steps} steps ('spikeport simulate --count' counts the operations of these)"
        )
    size = batch_size(network) if size is None else size
    yield from gather(network, fast.steps(network, stimulus, batch=size, count=True), counted=True)


def batch_size(network: IntegerNetwork) -> int:
    """Return how many images' spikes are held at a time; `StimulusError` where one image's are too many."""
    each = network.steps * sum(math.prod(population.shape) for population in network.populations)
    if each > 4 * SPIKE_BYTES:
        raise StimulusError(
            f"the spikes of one image over {network.steps:,} steps take {each / 2**30:,.1f} GiB; expected at most "
            f"{4 * SPIKE_BYTES / 2**30:g} GiB: count with fewer steps"
        )
    return max(1, min(BATCH, SPIKE_BYTES // each))


def gather(network: IntegerNetwork, steps: Iterable[Step], *, counted: bool = False) -> Iterator[Batch]:
    """Yield the spikes of an executor's steps; what it has not ``counted`` itself is counted event by event."""
    for step in steps:
        active = {network.source.name: step.source != 0, **step.spikes}
        if step.step == 0:
            shape = (len(step.source), network.steps)
            spikes = {name: np.zeros((*shape, *values.shape[1:]), np.uint8) for name, values in active.items()}
            operations = [0] * len(network.projections)
        for name, values in active.items():
            spikes[name][:, step.step] = values
        if not counted:
            events = [count_events(projection, active[projection.source]) for projection in network.projections]
            operations = [a + b for a, b in zip(operations, events, strict=True)]
        if step.step == network.steps - 1:
            total = step.count.operations if step.count is not None else operations
            yield Batch(images=len(step.source), spikes=spikes, operations=total)


def count_events(projection: IntegerProjection, spikes: Array) -> int:
    """Return the operations that ``spikes`` (N, *source) cause: the synaptic sum with every non-zero weight one."""
    ones = replace(projection.synapses, weight=(projection.synapses.weight != 0).astype(np.int8))
    return int(synaptic_sum(ones, spikes).sum())
