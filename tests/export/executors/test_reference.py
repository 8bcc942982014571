"""The definition against a scalar model in Python's integers, at the boundaries."""

import numpy as np
import pytest
from hypothesis import find, given, settings

from spikeport.export.executors import reference
from spikeport.export.executors.reference import State, advance
from spikeport.export.network import (
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.strategies import neuron_steps


def scalar_step(u, v, a, neuron, *, fires=lambda v, threshold: v > threshold):
    """One neuron, one step, by the text of the design, in plain Python."""
    u = int(u * (4096 - int(neuron.decay_u)) / 4096) + 64 * a  # products below 2**36 are exact in float64
    if u > 2**23:
        u -= 2**24
    elif u <= -(2**23):
        u += 2**24
    v = int(v * (4096 - int(neuron.decay_v)) / 4096) + u + int(neuron.bias_mantissa) * 2**neuron.bias_exponent
    v = min(max(v, 1 - 2**23), 2**23 - 1)
    spike = fires(v, 64 * int(neuron.threshold))
    if spike:
        v = 64 * int(neuron.reset_to) if neuron.reset_by is None else v - 64 * int(neuron.reset_by)
    if neuron.floor is not None:
        v = max(v, 64 * int(neuron.floor))
    return u, v, spike


def vector_step(u, v, a, neuron):
    state = State(u=np.array([u]), v=np.array([v]))
    spikes = advance(state, np.array([a]), neuron)
    return int(state.u[0]), int(state.v[0]), bool(spikes[0])


@given(neuron_steps())
@settings(max_examples=500)
def test_step_equals_the_scalar_model(case):
    assert vector_step(*case) == scalar_step(*case)


def test_strategy_finds_a_comparison_that_is_off_by_one():
    """The mutant ``v >= threshold`` survives uniform random states; the strategy must reach v == threshold."""

    def off(case):
        return vector_step(*case)[2] != scalar_step(*case, fires=lambda v, threshold: v >= threshold)[2]

    case = find(neuron_steps(), off, settings=settings(max_examples=2000, database=None))
    assert scalar_step(*case)[2] is False


def chain(delay, *, loop=False):
    """Input -> a -> readout, one neuron each, weight 1, optionally a loop a -> a."""
    one = Dense(weight=np.ones((1, 1), np.int8))
    projections = [
        IntegerProjection(source="input", target="a", synapses=one, delay=delay),
        IntegerProjection(source="a", target="readout", synapses=one),
    ]
    if loop:
        projections.append(IntegerProjection(source="a", target="a", synapses=one, delay=1))
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(1,), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(
                name="a", shape=(1,), neuron=IntegerNeuron(threshold=np.array(0), bias_mantissa=np.array(0))
            ),
            IntegerPopulation(
                name="readout", shape=(1,), neuron=IntegerNeuron(threshold=None, bias_mantissa=np.array(0))
            ),
        ),
        projections=tuple(projections),
        steps=5,
    )


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_delay_moves_spikes_by_whole_steps(delay):
    network = chain(delay)
    spikes = np.array([[[1], [0], [1], [0], [0]]])
    trace = record(reference.steps(network, stimulus(spikes, network)))
    expected = [0] * delay + [1, 0, 1, 0, 0]
    assert trace["a"][0, :, 0].tolist() == [bool(s) for s in expected[:5]]
    assert trace["readout"][0, -1, 0] == 64 * sum(expected[:5])


def test_recurrent_projection_hears_the_step_before():
    network = chain(0, loop=True)
    spikes = np.array([[[1], [0], [0], [0], [0]]])
    trace = record(reference.steps(network, stimulus(spikes, network)))
    assert trace["a"][0, :, 0].tolist() == [True] * 5


def test_samples_do_not_see_each_other():
    network = chain(0, loop=True)
    spikes = np.array([[[1], [0], [0], [0], [0]], [[0]] * 5])
    for batch in (1, 2):
        trace = record(reference.steps(network, stimulus(spikes, network), batch=batch))
        assert trace["a"][1].any() is np.False_
        assert trace["a"][0].all()
