"""A run's spikes, a batch of images at a time, with the synapses that they crossed."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikeport.export.crossings import costed, sent_by
from spikeport.export.errors import StimulusError
from spikeport.export.executors import fast, floating
from spikeport.export.geometry import AnyProjection
from spikeport.export.linear import synaptic_sum
from spikeport.export.network import (
    Array,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    IntegerPopulation,
    Network,
    Source,
)
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Step

BATCH = 20
"""Images whose spikes are held at a time, at most."""
GRADED = 255
"""Levels that stand for a float network's frames of any real numbers: more than one."""
SPIKE_BYTES = 2**30
"""Bytes that the spikes of a batch may take; one image always makes a batch, up to four times this."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """The spikes of some images by population, (N, T, *shape), non-zero inputs too.

    They are bits in uint8, and numbers in int64 where a neuron can fire several times a step.

    ``operations`` are the non-zero synapses that they crossed, per projection in the network's order.
    """

    images: int
    spikes: Mapping[str, Array]
    operations: Sequence[int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Counted:
    """A network to ``run`` and the one whose ``synapses`` are counted: the same, unless it is float (`costed`)."""

    run: Network
    synapses: Network


def counted(network: Network, stimulus: Stimulus) -> Counted:
    """Return what runs and what is counted; the source of a float network is graded where its frames are."""
    if not isinstance(network, FloatNetwork):
        return Counted(run=network, synapses=network)
    found = costed(network)
    source = found.synapses.source
    assert isinstance(source.neuron, Source)
    if source.neuron.levels > 1 or stimulus.values.dtype.kind != "f" or _are_bits(stimulus.values):
        return Counted(run=found.run, synapses=found.synapses)
    graded = replace(source, neuron=replace(source.neuron, levels=GRADED))
    populations = tuple(graded if population is source else population for population in found.synapses.populations)
    return Counted(run=found.run, synapses=replace(found.synapses, populations=populations))


def _are_bits(values: Array) -> bool:
    return all(np.all((part == 0) | (part == 1)) for part in values)


def batches(network: Network | Counted, stimulus: Stimulus, size: int | None = None) -> Iterator[Batch]:
    """Run ``network`` and yield all spikes, ``size`` images at a time, with the synapses that they crossed.

    The fast executor counts integers itself; the spikes of the floating one are counted event by event. Rates, updates
    and times of a mean image are those of all steps; `StimulusError` for samples that end earlier.
    """
    if stimulus.lengths is not None and stimulus.lengths.min() < stimulus.steps:
        raise StimulusError(
            f"the samples have {stimulus.lengths.min()} to {stimulus.lengths.max()} steps; the costs of a mean image "
            f"need samples of {stimulus.steps} steps ('spikeport simulate --count' counts the operations of these)"
        )
    both = network if isinstance(network, Counted) else counted(network, stimulus)
    size = batch_size(both.run) if size is None else size
    if isinstance(both.run, FloatNetwork):
        yield from gather(both.synapses, floating.steps(both.run, stimulus, batch=size))
    else:
        yield from gather(both.synapses, fast.steps(both.run, stimulus, batch=size, count=True), counted=True)


def batch_size(network: Network) -> int:
    """Return how many images' spikes are held at a time; `StimulusError` where one image's are too many."""
    each = network.steps * sum(math.prod(p.shape) * _spike_type(p).itemsize for p in network.populations)
    if each > 4 * SPIKE_BYTES:
        raise StimulusError(
            f"the spikes of one image over {network.steps:,} steps take {each / 2**30:,.1f} GiB; expected at most "
            f"{4 * SPIKE_BYTES / 2**30:g} GiB: count with fewer steps"
        )
    return max(1, min(BATCH, SPIKE_BYTES // each))


def _spike_type(population: FloatPopulation | IntegerPopulation) -> "np.dtype[np.generic]":
    several = isinstance(population.neuron, FloatNeuron) and population.neuron.most != 1
    return np.dtype(np.int64 if several else np.uint8)


def gather(network: Network, steps: Iterable[Step], *, counted: bool = False) -> Iterator[Batch]:
    """Yield the spikes of an executor's steps; what it has not ``counted`` itself is counted event by event."""
    for step in steps:
        active = sent_by(network, step)
        if step.step == 0:
            shape = (len(step.source), network.steps)
            spikes = {
                name: np.zeros((*shape, *values.shape[1:]), _spike_type(network.population(name)))
                for name, values in active.items()
            }
            operations = [0] * len(network.projections)
        for name, values in active.items():
            spikes[name][:, step.step] = values
        if not counted:
            events = [count_events(projection, active[projection.source]) for projection in network.projections]
            operations = [a + b for a, b in zip(operations, events, strict=True)]
        if step.step == network.steps - 1:
            total = step.count.operations if step.count is not None else operations
            yield Batch(images=len(step.source), spikes=spikes, operations=total)


def count_events(projection: AnyProjection, spikes: Array) -> int:
    """Return the operations that ``spikes`` (N, *source) cause: the synaptic sum with every non-zero weight one."""
    ones = replace(projection.synapses, weight=(projection.synapses.weight != 0).astype(np.int8))
    return int(synaptic_sum(ones, spikes).sum())
