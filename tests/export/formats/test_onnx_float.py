"""The float ONNX model in onnxruntime gives the float executor's spikes wherever float32 holds every sum exactly."""

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.executors import floating, onnx
from spikeport.export.formats import onnx_float
from spikeport.export.network import Dense, FloatNetwork, FloatNeuron, FloatPopulation, FloatProjection, Source
from spikeport.export.passes import folded
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.strategies import cases, float_networks, residual_networks


def rounded(value):
    """Put a number or an array on multiples of 1/8."""
    return np.round(np.asarray(value) * 8) / 8


def on_grid(network):
    """Return the network with all its numbers on multiples of 1/8, thresholds and scales above zero."""

    def stage(each):
        fields = {name: rounded(getattr(each, name)) for name in ("weight", "scale", "shift") if hasattr(each, name)}
        return replace(each, **fields)

    def neuron(each):
        if isinstance(each, Source) or each.threshold is None:
            return each
        reset_by = None if each.reset_by is None else rounded(each.reset_by)
        return replace(each, threshold=np.maximum(rounded(each.threshold), 0.125), reset_by=reset_by)

    return replace(
        network,
        populations=tuple(replace(p, neuron=neuron(p.neuron)) for p in network.populations),
        projections=tuple(replace(p, stages=tuple(map(stage, p.stages))) for p in network.projections),
    )


def assert_equal(network, values):
    driven = stimulus(values, network)
    expected, found = record(floating.steps(network, driven)), record(onnx.steps(network, driven, batch=2))
    for population in network.spiking:
        assert np.array_equal(expected[population.name], found[population.name]), population.name
    for population in network.silent:  # real numbers; a mean over 6x6 is none of float32's
        assert np.allclose(expected[population.name], found[population.name], rtol=1e-5, atol=1e-5), population.name


@given(st.one_of(float_networks(), residual_networks()), st.booleans(), st.integers(0, 2**31))
@cases(100)
def test_networks_as_trained_and_lowered(network, lower, seed):
    network = on_grid(network)
    if lower:
        network = folded(network)
    values = np.random.default_rng(seed).integers(0, 5, (3, *network.source.shape)) / 4
    assert_equal(network, values)


@st.composite
def rare_neurons(draw):
    """Draw what other frameworks have: several spikes a step, floors, rest, overhang, starts, gains, leaks."""
    eighths = st.integers(-8, 8).map(lambda n: np.array(n / 8))
    positive = st.integers(1, 8).map(lambda n: np.array(n / 4))
    fractions = st.sampled_from([0.0, 0.25, 0.5, 1.0]).map(np.array)
    subtracts = draw(st.booleans())
    return FloatNeuron(
        threshold=draw(st.sampled_from([0.5, 1.0, 2.0]).map(np.array)),
        bias=draw(eighths),
        decay_current=draw(fractions),
        decay_potential=draw(fractions),
        inclusive=draw(st.booleans()),
        reset_to=draw(eighths),
        reset_by=draw(positive) if subtracts else None,
        gain=draw(positive),
        start=draw(eighths),
        most=draw(st.sampled_from([1, 2, None])),
        floor=draw(st.none() | eighths),
        refractory=draw(st.integers(0, 2)),
        overhang=subtracts and draw(st.booleans()),
    )


@given(rare_neurons(), rare_neurons(), st.integers(0, 2), st.integers(0, 2**31))
@cases(200)
def test_neurons_of_other_frameworks(first, second, delay, seed):
    rng = np.random.default_rng(seed)
    network = chain(first, second, rng, delay)
    assert_equal(network, rng.integers(-8, 9, (3, network.steps, 4)) / 4)


def chain(first, second, rng, delay):
    """Return input -> a (hears itself) -> b -> readout."""

    def joined(source, target, sizes, delay=0):
        weight = rng.integers(-4, 5, sizes) / 4
        return FloatProjection(source=source, target=target, stages=(Dense(weight=weight),), delay=delay)

    return FloatNetwork(
        populations=(
            FloatPopulation(name="input", shape=(4,), neuron=Source(levels=1, unit=1.0)),
            FloatPopulation(name="a", shape=(5,), neuron=first),
            FloatPopulation(name="b", shape=(3,), neuron=second),
            FloatPopulation(name="readout", shape=(2,), neuron=FloatNeuron(threshold=None)),
        ),
        projections=(
            joined("input", "a", (5, 4)),
            joined("a", "a", (5, 5), 1),
            joined("a", "b", (3, 5), delay),
            joined("b", "readout", (2, 3)),
        ),
        steps=6,
    )


def test_state_carries_on_and_starts_where_the_neuron_does(tmp_path):
    neuron = FloatNeuron(threshold=np.array(1.0), start=np.array(0.5))
    network, path = chain(neuron, neuron, np.random.default_rng(0), 1), tmp_path / "network.onnx"
    onnx_float.write(network, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    values = np.random.default_rng(1).integers(-4, 5, (6, 2, 4)).astype(np.float32)
    state, parts = onnx_float.rest(network, 2), []
    assert np.all(state["v_a"] == 0.5)
    for frames in (values[:1], values[1:]):
        outputs = session.run(None, {"input": frames, **state})
        found = dict(zip([output.name for output in session.get_outputs()], outputs, strict=True))
        state = {name: found[f"{name}:out"] for name in state}
        parts.append(found["spikes_a"])
    expected = record(floating.steps(network, stimulus(values.swapaxes(0, 1), network)))
    assert np.array_equal(np.concatenate(parts).swapaxes(0, 1), expected["a"])
    assert expected["a"].any()


@pytest.mark.parametrize("fires", [True, False])
def test_a_readout_may_fire(fires):
    neuron = FloatNeuron(threshold=np.array(0.5) if fires else None)
    network = chain(neuron, neuron, np.random.default_rng(0), 0) if fires else None
    network = network or chain(FloatNeuron(threshold=np.array(1.0)), neuron, np.random.default_rng(0), 0)
    assert_equal(network, np.random.default_rng(2).integers(-4, 5, (2, 6, 4)).astype(float))


def test_names_that_look_alike_stay_apart():
    """a -> b_to_c and a_to_b -> c; numbers for names."""
    rng = np.random.default_rng(0)

    def population(name):
        rare = FloatNeuron(threshold=np.array(0.5), most=2, floor=np.array(-1.0))
        return FloatPopulation(name=name, shape=(3,), neuron=rare)

    def joined(source, target):
        return FloatProjection(source=source, target=target, stages=(Dense(weight=rng.integers(-4, 5, (3, 3)) / 4),))

    names = ["a", "a_to_b", "b_to_c", "c", "4", "7", "out"]
    source = FloatPopulation(name="input", shape=(3,), neuron=Source(levels=1, unit=1.0))
    pairs = [("input", "a"), ("input", "a_to_b"), ("a", "b_to_c"), ("a_to_b", "c"), ("b_to_c", "4"), ("c", "7")]
    network = FloatNetwork(
        populations=(source, *map(population, names)),
        projections=tuple(joined(*pair) for pair in [*pairs, ("4", "out"), ("7", "out")]),
        steps=4,
    )
    assert_equal(network, rng.integers(-4, 5, (3, 4, 3)) / 4)
