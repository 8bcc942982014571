"""A float network in float64, as `export.network.FloatNeuron` defines it; feed-forward and recurrent."""

from collections import deque
from collections.abc import Iterator

import numpy as np

from export.linear import apply
from export.network import Array, FloatNetwork, FloatNeuron, FloatPopulation, Source
from export.stimulus import Stimulus
from export.trace import Step

BATCH = 100


def steps(network: FloatNetwork, stimulus: Stimulus, *, batch: int = BATCH) -> Iterator[Step]:
    """Run ``network`` and yield every step of every batch of at most ``batch`` samples."""
    for rows in stimulus.batches(batch):
        yield from _run(network, stimulus, rows)


def _run(network: FloatNetwork, stimulus: Stimulus, rows: slice) -> Iterator[Step]:
    count = rows.stop - rows.start
    currents = {p.name: np.zeros((count, *p.shape)) for p in network.neurons}
    potentials = {p.name: np.zeros((count, *p.shape)) for p in network.neurons}
    past: deque[dict[str, Array]] = deque(maxlen=1 + max(p.delay for p in network.projections))
    source = network.source.neuron
    assert isinstance(source, Source)
    for step in range(stimulus.steps):
        frame = stimulus.frame(rows, step)
        past.appendleft({network.source.name: frame * source.unit})
        for population in network.neurons:
            neuron, name = population.neuron, population.name
            assert isinstance(neuron, FloatNeuron)
            arriving = _arriving(network, population, past, count)
            currents[name] = currents[name] * (1 - neuron.decay_current) + arriving
            potentials[name] = potentials[name] * (1 - neuron.decay_potential) + currents[name] + neuron.bias
            past[0][name], potentials[name] = fire(potentials[name], neuron)
        yield Step(
            rows=rows,
            step=step,
            source=frame,
            spikes={p.name: past[0][p.name] for p in network.spiking},
            potentials={p.name: potentials[p.name] for p in network.silent},
        )


def _arriving(network: FloatNetwork, population: FloatPopulation, past: "deque[dict[str, Array]]", count: int) -> Array:
    total = np.zeros((count, *population.shape))
    for projection in network.incoming(population.name):
        if projection.delay < len(past):
            values = past[projection.delay][projection.source]
        else:
            values = np.zeros((count, *network.population(projection.source).shape))
        for stage in projection.stages:
            values = apply(stage, values)
        total += values.reshape(total.shape)
    return total


def fire(potential: Array, neuron: FloatNeuron) -> tuple[Array, Array]:
    """Return what the neurons put out (spikes, or their potential where they never fire), and the potential after."""
    if neuron.threshold is None:
        return potential, potential
    if neuron.multiple:
        spikes: Array = np.maximum(np.floor(potential / neuron.threshold), 0)
    else:
        spikes = potential >= neuron.threshold if neuron.inclusive else potential > neuron.threshold
    if neuron.reset_by is None:
        after = np.where(spikes, neuron.reset_to, potential)
    else:
        after = potential - spikes * neuron.reset_by
    return spikes, after if neuron.floor is None else np.maximum(after, neuron.floor)
