"""A float network in float64, as `spikeport.export.network.FloatNeuron` defines it; feed-forward and recurrent."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from spikeport.export.linear import apply
from spikeport.export.network import Array, FloatNetwork, FloatNeuron, FloatPopulation, Source
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Step, until_end

NETWORKS = (FloatNetwork,)
BATCH = 100


@dataclass
class State:
    """Synaptic current, potential and steps to rest of one population, (N, *shape).

    ``compared``: what the last step held against the threshold, before the reset.
    """

    u: Array
    v: Array
    rest: Array
    compared: Array = field(default_factory=lambda: np.zeros(()))

    @classmethod
    def at_rest(cls, population: FloatPopulation, count: int) -> "State":
        """Return the state before the first step."""
        assert isinstance(population.neuron, FloatNeuron)
        zeros = np.zeros((count, *population.shape))
        return cls(u=zeros, v=zeros + population.neuron.start, rest=zeros)


def advance(state: State, arriving: Array, neuron: FloatNeuron) -> Array:
    """Advance ``state`` by one step and return what the neurons put out: spikes, or their potential."""
    before = state.v
    state.u = state.u * (1 - neuron.decay_current) + neuron.gain * arriving
    state.v = state.v * (1 - neuron.decay_potential) + state.u + neuron.bias
    if neuron.threshold is None:
        state.v = state.v if neuron.floor is None else np.maximum(state.v, neuron.floor)
        return state.v
    if neuron.refractory:
        state.v = np.where(state.rest > 0, neuron.reset_to, state.v)
    state.compared = _compared(state.v, before, neuron)
    spikes = _count(state.compared, neuron)
    fired = spikes > 0
    if neuron.reset_by is None:
        state.v = np.where(fired, neuron.reset_to, state.v)
    else:
        state.v = state.v - spikes * neuron.reset_by
    if neuron.floor is not None:
        state.v = np.maximum(state.v, neuron.floor)
    if neuron.refractory:
        state.rest = np.where(fired, neuron.refractory, np.maximum(state.rest - 1, 0))
    return spikes


@until_end
def steps(network: FloatNetwork, stimulus: Stimulus, *, batch: int = BATCH) -> Iterator[Step]:
    """Run ``network`` and yield every step of every batch of at most ``batch`` samples."""
    for rows in stimulus.batches(batch):
        yield from _run(network, stimulus, rows)


def _run(network: FloatNetwork, stimulus: Stimulus, rows: slice) -> Iterator[Step]:
    count = rows.stop - rows.start
    states = {p.name: State.at_rest(p, count) for p in network.neurons}
    past: deque[dict[str, Array]] = deque(maxlen=1 + max(p.delay for p in network.projections))
    source = network.source.neuron
    assert isinstance(source, Source)
    for step in range(stimulus.steps):
        frame = stimulus.frame(rows, step)
        past.appendleft({network.source.name: frame if frame.dtype.kind == "f" else frame * source.unit})
        for population in network.neurons:
            assert isinstance(population.neuron, FloatNeuron)
            sums = arriving(network, population, past, count)
            past[0][population.name] = advance(states[population.name], sums, population.neuron)
        yield Step(
            rows=rows,
            step=step,
            source=frame,
            spikes={p.name: past[0][p.name] for p in network.spiking},
            potentials={p.name: states[p.name].v for p in network.silent},
            compared={p.name: states[p.name].compared for p in network.spiking},
        )


def arriving(network: FloatNetwork, population: FloatPopulation, past: "deque[dict[str, Array]]", count: int) -> Array:
    """Return what the synapses give a population (count, *shape), given every source's output now, one step ago, ..."""
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


def _compared(potential: Array, before: Array, neuron: FloatNeuron) -> Array:
    """Return what is held against the threshold, lowered where the last reset left it above."""
    if not neuron.overhang or neuron.reset_by is None or neuron.threshold is None:
        return potential
    lowered: Array = potential - neuron.reset_by * (before > neuron.threshold)
    return lowered


def _count(potential: Array, neuron: FloatNeuron) -> Array:
    """Return the spikes of a step: one, or as many as thresholds fit."""
    if neuron.most == 1:
        fired: Array = potential >= neuron.threshold if neuron.inclusive else potential > neuron.threshold
        return fired
    fitting = potential / neuron.threshold
    whole = np.floor(fitting) if neuron.inclusive else np.ceil(fitting) - 1
    return np.clip(whole, 0, np.inf if neuron.most is None else neuron.most)
