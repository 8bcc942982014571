"""A run's spikes, a batch of images at a time."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikeport.export.crossings import costed, sent_by
from spikeport.export.errors import StimulusError
from spikeport.export.executors import fast, floating
from spikeport.export.network import (
    Array,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    IntegerPopulation,
    Network,
    Source,
)
from spikeport.export.progress import tracked
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Sampled, Step

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

    ``sampled``: what the kernels of the fast executor counted in those of the images that were asked for; of a float
    network the spikes alone.
    """

    images: int
    spikes: Mapping[str, Array]
    sampled: Sequence[Sampled] = ()


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


def batches(
    network: Network | Counted,
    stimulus: Stimulus,
    size: int | None = None,
    *,
    sampled: Collection[int] = (),
    seen: Callable[[Step], None] | None = None,
) -> Iterator[Batch]:
    """Run ``network`` and yield all spikes, ``size`` images at a time.

    ``sampled``: numbers of the images whose operations are counted anew, by the kernels where these run. ``seen`` is
    given every step. Rates, updates and times of a mean image are those of all steps; `StimulusError` for samples that
    end earlier.
    """
    if stimulus.lengths is not None and stimulus.lengths.min() < stimulus.steps:
        raise StimulusError(
            f"the samples have {stimulus.lengths.min()} to {stimulus.lengths.max()} steps; the costs of a mean image "
            f"need samples of {stimulus.steps} steps ('spikeport simulate --count' counts the operations of these)"
        )
    both = network if isinstance(network, Counted) else counted(network, stimulus)
    size = batch_size(both.run) if size is None else size
    if isinstance(both.run, FloatNetwork):
        steps = floating.steps(both.run, stimulus, batch=size)
    else:
        steps = fast.steps(both.run, stimulus, batch=size, count=True, sampled=sampled)
    found = gather(both.synapses, steps if seen is None else _shown(steps, seen), sampled=sampled)
    yield from tracked(f"counting, {size} images at a time", found, -(-len(stimulus) // size))


def _shown(steps: Iterable[Step], seen: Callable[[Step], None]) -> Iterator[Step]:
    for step in steps:
        seen(step)
        yield step


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


def gather(network: Network, steps: Iterable[Step], *, sampled: Collection[int] = ()) -> Iterator[Batch]:
    """Yield the spikes of an executor's steps, and those of the images ``sampled`` with what its kernels counted."""
    for step in steps:
        active = sent_by(network, step)
        if step.step == 0:
            shape = (len(step.source), network.steps)
            spikes = {
                name: np.zeros((*shape, *values.shape[1:]), _spike_type(network.population(name)))
                for name, values in active.items()
            }
        for name, values in active.items():
            spikes[name][:, step.step] = values
        if step.step == network.steps - 1:
            chosen = [number for number in sampled if step.rows.start <= number < step.rows.stop]
            counted = {} if step.count is None else {each.image: each for each in step.count.sampled}
            found = [_sampled(spikes, number, step.rows.start, counted.get(number)) for number in chosen]
            yield Batch(images=len(step.source), spikes=spikes, sampled=found)


def _sampled(spikes: Mapping[str, Array], number: int, first: int, counted: Sampled | None) -> Sampled:
    """Return what the kernels counted, if they did, beside the spikes that the run's totals come from."""
    own = {name: values[number - first] for name, values in spikes.items()}
    return Sampled(image=number, spikes=own, arrived=()) if counted is None else replace(counted, spikes=own)
