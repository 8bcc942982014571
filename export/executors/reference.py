"""The definition of an integer network; every other executor is compared with this file.

One step of a population, all integers, populations in the order of the network::

    a = sum over projections of (W << exponent) s             s of this step, or of ``delay`` steps before
    u = wrap24(toward_zero(u (4096 - decay_u) / 4096) + 64 a)
    v = clip(toward_zero(v (4096 - decay_v) / 4096) + u + bias, -(2^23 - 1), 2^23 - 1)
    s = v > 64 threshold                   (v >= 64 threshold where the neuron is inclusive)
    v = 64 reset_to where s        or        v = v - 64 reset_by where s
    v = max(v, 64 floor)                   where the neuron has a floor; it may never fire

``bias = bias_mantissa << bias_exponent``; ``u = v = 0`` before the first step of a sample. In a `BiasNetwork`, what the
input sends is no part of ``a``: the bias is the one that the host writes for the image (`spikeport.export.biases`).
Source: lava-nc 0.10.0, fixed-point models of LIFReset, Conv and Dense, which reset to zero; the other two resets and
the floor are ours.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from spikeport.export.biases import own_bias
from spikeport.export.fixed_point import ACTIVATION_SHIFT, Integers, decayed, saturated_potential, wrapped_current
from spikeport.export.image_biases import values_of
from spikeport.export.linear import synaptic_sum
from spikeport.export.network import Array, BiasNetwork, IntegerNetwork, IntegerNeuron, IntegerPopulation
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Step, until_end

NETWORKS = (IntegerNetwork, BiasNetwork)
BATCH = 100


@dataclass
class State:
    """Synaptic current and potential of one population, (N, *shape).

    ``compared``: what the last step held against the threshold, before the reset.
    """

    u: Integers
    v: Integers
    compared: Integers = field(default_factory=lambda: np.zeros((), np.int64))


def advance(state: State, activation: Integers, neuron: IntegerNeuron, bias: Integers | None = None) -> Array:
    """Advance ``state`` by one step with the synaptic sum ``activation`` and return the spikes.

    ``bias``: what stands in the register in units of the potential; the neuron's own, if None.
    """
    state.u = wrapped_current(decayed(state.u, neuron.decay_u) + (activation << ACTIVATION_SHIFT))
    bias = own_bias(neuron) if bias is None else bias
    state.v = saturated_potential(decayed(state.v, neuron.decay_v) + state.u + bias)
    state.compared = state.v
    spikes: Array = np.zeros(state.v.shape, bool) if neuron.level is None else state.v > neuron.level
    if neuron.reset_by is None:
        state.v = np.where(spikes, neuron.reset_to.astype(np.int64) << ACTIVATION_SHIFT, state.v)
    else:
        state.v = state.v - spikes * (neuron.reset_by.astype(np.int64) << ACTIVATION_SHIFT)
    if neuron.floor is not None:
        state.v = np.maximum(state.v, neuron.floor.astype(np.int64) << ACTIVATION_SHIFT)
    return spikes


@until_end
def steps(network: IntegerNetwork, stimulus: Stimulus, *, batch: int = BATCH) -> Iterator[Step]:
    """Run ``network`` and yield every step of every batch of at most ``batch`` samples."""
    for rows in stimulus.batches(batch):
        yield from _run(network, stimulus, rows)


def _run(network: IntegerNetwork, stimulus: Stimulus, rows: slice) -> Iterator[Step]:
    count = rows.stop - rows.start
    states = {p.name: at_rest(p, count) for p in network.neurons}
    written = values_of(network, stimulus, rows)
    reach = 1 + max(projection.delay for projection in network.projections)
    past: deque[dict[str, Array]] = deque(maxlen=reach)
    for step in range(stimulus.steps):
        frame = stimulus.frame(rows, step)
        past.appendleft({network.source.name: frame})
        for population in network.neurons:
            activation = arriving(network, population, past, count)
            assert isinstance(population.neuron, IntegerNeuron)
            state, bias = states[population.name], written.get(population.name)
            past[0][population.name] = advance(state, activation, population.neuron, bias)
        yield Step(
            rows=rows,
            step=step,
            source=frame,
            spikes={p.name: past[0][p.name] for p in network.spiking},
            potentials={p.name: states[p.name].v for p in network.silent},
            compared={p.name: states[p.name].compared for p in network.spiking},
        )


def at_rest(population: IntegerPopulation, count: int) -> State:
    """Return the state of ``count`` samples before the first step."""
    shape = (count, *population.shape)
    return State(u=np.zeros(shape, np.int64), v=np.zeros(shape, np.int64))


def arriving(
    network: IntegerNetwork, population: IntegerPopulation, past: Sequence[Mapping[str, Array]], count: int
) -> Integers:
    """Return the synaptic sum into a population (count, *shape), given every source's spikes now, one step ago, ..."""
    total: Integers = np.zeros((count, *population.shape), np.int64)
    for projection in network.incoming_on_chip(population.name):
        if projection.delay < len(past):
            spikes = past[projection.delay][projection.source]
            total += (synaptic_sum(projection.synapses, spikes) << projection.exponent).reshape(total.shape)
    return total
