"""Residual paths, spiking max pooling and relays: the same spikes, the expected structure, the same everywhere."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import fidelity
from spikeport.export.errors import NetworkError
from spikeport.export.executors import floating
from spikeport.export.linear import apply
from spikeport.export.network import (
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    MaxPooling,
    Normalization,
    Source,
)
from spikeport.export.passes import PASSES, balance_delays, expand_max_pooling, expand_paths, fold_synapses, folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.strategies import cases, inputs, residual_networks


def prefixes():
    """Every pass behind the ones that run before it."""
    return {each.name: PASSES[: index + 1] for index, each in enumerate(PASSES)}


@pytest.mark.parametrize("passes", prefixes().values(), ids=prefixes())
@given(data=st.data(), network=residual_networks())
def test_spikes_stay_the_same(passes, data, network):
    driven = stimulus(data.draw(inputs(network)), network)
    before = record(floating.steps(network, driven))
    changed = network
    for each in passes:
        changed = each(changed)
    after = record(floating.steps(changed, driven))
    for population in network.spiking:
        assert np.array_equal(before[population.name], after[population.name])
    assert np.allclose(before["readout"], after["readout"], rtol=1e-9, atol=1e-9)


@given(network=residual_networks())
def test_folded_network_is_in_balance_with_one_stage_each(network):
    after = folded(network)
    depths = after.depths()
    for projection in after.projections:
        assert [type(stage) in (Convolution, Dense) for stage in projection.stages] == [True]
        assert after.slack(projection, depths) == 0 or projection.source == "input"


@pytest.mark.parametrize("name", ["onnx", "nir", pytest.param("lava", marks=pytest.mark.lava)])
def test_executors_agree_on_quantized_residual_networks(name):
    @given(data=st.data(), network=residual_networks())
    @cases(8 if name == "lava" else 40)
    def agree(data, network):
        integer = quantize(folded(network))
        found, _ = fidelity.check(integer, stimulus(data.draw(inputs(integer)), integer), [name])
        assert found[name].mismatches == 0
        assert found[name].compared > 0

    agree()


def network(populations, projections):
    return FloatNetwork(
        populations=tuple(
            FloatPopulation(name=name, shape=shape, neuron=neuron) for name, (shape, neuron) in populations.items()
        ),
        projections=tuple(FloatProjection(source=s, target=t, stages=stages) for s, t, stages in projections),
        steps=2,
    )


def structure(found):
    """Return the projections as plain data."""
    return sorted((p.source, p.target, tuple(type(stage).__name__ for stage in p.stages)) for p in found.projections)


SPIKING, STREAM, READOUT = (
    FloatNeuron(threshold=np.array(1.0)),
    FloatNeuron(threshold=None, decay_potential=1.0),
    FloatNeuron(threshold=None),
)
NORM = Normalization(scale=np.full(1, 2.0), shift=np.full(1, 3.0))
POINT = Convolution(weight=np.full((1, 1, 1, 1), 5.0))


def residual():
    """Input -> a; stream = 5 a + b; a -> b; normalised stream -> c."""
    return network(
        {
            "input": ((1, 2, 2), Source()),
            "a": ((1, 2, 2), SPIKING),
            "b": ((1, 2, 2), SPIKING),
            "stream": ((1, 2, 2), STREAM),
            "c": ((1, 2, 2), SPIKING),
            "readout": ((1,), READOUT),
        },
        [
            ("input", "a", (POINT,)),
            ("a", "b", (POINT,)),
            ("a", "stream", (POINT,)),
            ("b", "stream", ()),
            ("stream", "c", (NORM,)),
            ("c", "readout", (Dense(weight=np.ones((1, 4))),)),
        ],
    )


def test_expanded_paths():
    after = expand_paths(residual())
    assert structure(after) == [
        ("a", "b", ("Convolution",)),
        ("a", "c", ("Convolution", "Normalization")),
        ("b", "c", ("Normalization",)),
        ("c", "readout", ("Dense",)),
        ("input", "a", ("Convolution",)),
    ]
    shifts = [p.stages[-1].shift.tolist() for p in after.incoming("c")]
    assert shifts == [[3.0], [0.0]]


def test_delays_of_a_path_add_up():
    before = residual()
    projections = tuple(
        replace(p, delay={("b", "stream"): 2, ("stream", "c"): 3}.get((p.source, p.target), 0))
        for p in before.projections
    )
    after = expand_paths(replace(before, projections=projections))
    assert {p.source: p.delay for p in after.incoming("c")} == {"a": 3, "b": 5}


def test_balanced_paths():
    after = folded(residual())
    assert structure(after) == [
        ("a", "a_relay1", ("Convolution",)),
        ("a", "b", ("Convolution",)),
        ("a_relay1", "c", ("Convolution",)),
        ("b", "c", ("Convolution",)),
        ("c", "readout", ("Dense",)),
        ("input", "a", ("Convolution",)),
    ]
    weights = {p.source: p.stages[0].weight.item() for p in after.incoming("c")}
    assert weights == {"a_relay1": 10.0, "b": 2.0}
    assert after.population("c").neuron.bias.item() == 3.0


def test_relays_are_shared_and_as_many_as_steps_are_missing():
    before = network(
        {name: ((2,), Source() if name == "input" else SPIKING) for name in ("input", "a", "b", "c", "d")}
        | {"readout": ((1,), READOUT)},
        [
            *((s, t, (Dense(weight=np.ones((2, 2))),)) for s, t in zip("abc", "bcd", strict=True)),
            ("input", "a", (Dense(weight=np.ones((2, 2))),)),
            *((s, "d", (Dense(weight=np.ones((2, 2))),)) for s in ("a", "b")),
            *((s, "readout", (Dense(weight=np.ones((1, 2))),)) for s in ("a", "d", "input")),
        ],
    )
    after = balance_delays(before)
    relays = [p.name for p in after.populations if "relay" in p.name]
    assert sorted(relays) == ["a_relay1", "a_relay2", "a_relay3", "b_relay1"]
    assert {(p.source, p.target) for p in after.projections if "relay" in p.source} == {
        *(("a_relay1", "a_relay2"), ("a_relay2", "a_relay3")),
        *(("a_relay2", "d"), ("b_relay1", "d"), ("a_relay3", "readout")),
    }
    assert ("input", "readout") in {(p.source, p.target) for p in after.projections}
    assert balance_delays(after).projections == after.projections


def test_max_pooling_becomes_one_shared_population():
    pooling = MaxPooling(size=(2, 2), stride=(2, 2))
    before = network(
        {
            "input": ((1, 4, 4), Source()),
            "a": ((1, 4, 4), SPIKING),
            "b": ((1, 2, 2), SPIKING),
            "readout": ((1,), READOUT),
        },
        [
            ("input", "a", (POINT,)),
            ("a", "b", (pooling, POINT)),
            ("a", "readout", (pooling, Dense(weight=np.ones((1, 4))))),
            ("b", "readout", (Dense(weight=np.ones((1, 4))),)),
        ],
    )
    after = expand_max_pooling(before)
    assert structure(after) == [
        ("a", "a_pool", ("Convolution",)),
        ("a_pool", "b", ("Convolution",)),
        ("a_pool", "readout", ("Dense",)),
        ("b", "readout", ("Dense",)),
        ("input", "a", ("Convolution",)),
    ]


def test_windows_that_differ_in_padding_are_two_populations():
    wide, padded = (MaxPooling(size=(2, 2), stride=(2, 2), padding=padding) for padding in ((0, 0), (1, 1)))
    before = network(
        {
            "input": ((1, 4, 4), Source()),
            "a": ((1, 4, 4), SPIKING),
            "b": ((1, 2, 2), SPIKING),
            "c": ((1, 3, 3), SPIKING),
            "readout": ((1,), READOUT),
        },
        [
            ("input", "a", (POINT,)),
            ("a", "b", (wide, POINT)),
            ("a", "c", (padded, POINT)),
            ("b", "readout", (Dense(weight=np.ones((1, 4))),)),
            ("c", "readout", (Dense(weight=np.ones((1, 9))),)),
        ],
    )
    after = expand_max_pooling(before)
    assert [(p.source, p.target) for p in after.projections if p.target in "bc"] == [("a_pool", "b"), ("a_pool_", "c")]
    assert [after.population(name).shape for name in ("a_pool", "a_pool_")] == [(1, 2, 2), (1, 3, 3)]


def test_folded_shortcut_is_one_strided_convolution():
    rng = np.random.default_rng(0)
    first = Convolution(weight=rng.integers(-9, 10, (4, 1, 3, 3)), padding=(1, 1), groups=2)
    shortcut = Convolution(weight=rng.integers(-9, 10, (3, 4, 1, 1)), stride=(2, 2))
    before = network(
        {"input": ((2, 6, 6), Source()), "a": ((3, 3, 3), SPIKING), "readout": ((1,), READOUT)},
        [("input", "a", (first, shortcut)), ("a", "readout", (Dense(weight=np.ones((1, 27))),))],
    )
    (stage,) = fold_synapses(before).incoming("a")[0].stages
    assert (stage.weight.shape, stage.stride, stage.padding, stage.groups) == ((3, 2, 3, 3), (2, 2), (1, 1), 1)
    images = rng.integers(0, 9, (5, 2, 6, 6))
    assert np.array_equal(apply(stage, images), apply(shortcut, apply(first, images)))


def test_shortcut_with_a_border_is_no_product_of_kernels():
    padded = Convolution(weight=np.full((1, 1, 1, 1), 2.0), padding=(1, 1))
    before = network(
        {"input": ((1, 2, 2), Source()), "a": ((1, 4, 4), SPIKING), "readout": ((1,), READOUT)},
        [("input", "a", (POINT, padded)), ("a", "readout", (Dense(weight=np.ones((1, 16))),))],
    )
    (stage,) = fold_synapses(before).incoming("a")[0].stages
    expected = np.zeros((1, 4, 4))
    expected[:, 1:3, 1:3] = [[10.0, 20.0], [30.0, 40.0]]
    assert np.array_equal(apply(stage, np.array([[[[1.0, 2.0], [3.0, 4.0]]]])).reshape(1, 4, 4), expected)


def test_other_chains_become_a_matrix_up_to_a_limit():
    kernel = Convolution(weight=np.ones((1, 1, 3, 3)), padding=(1, 1))
    ends = {"a": ((1, 6, 6), SPIKING), "readout": ((1,), READOUT)}
    links = [("input", "a", (kernel, kernel)), ("a", "readout", (Dense(weight=np.ones((1, 36))),))]
    small = network({"input": ((1, 6, 6), Source()), **ends}, links)
    (stage,) = fold_synapses(small).incoming("a")[0].stages
    assert stage.weight.shape == (36, 36)
    big = {"a": ((1, 100, 100), SPIKING), "readout": ((1,), READOUT)}
    links[1] = ("a", "readout", (Dense(weight=np.ones((1, 10000))),))
    with pytest.raises(NetworkError, match="input -> a: the matrix of 10,000 x 10,000 for Convolution, Convolution"):
        fold_synapses(network({"input": ((1, 100, 100), Source()), **big}, links))


@pytest.mark.parametrize(
    ("source", "stages", "message"),
    [
        ("input", (MaxPooling(size=(2, 2), stride=(2, 2)),), "max pooling of what is not one spike a step"),
        ("a", (POINT, MaxPooling(size=(2, 2), stride=(2, 2))), "max pooling must be the first stage"),
    ],
)
def test_max_pooling_of_what_is_no_spike_is_refused(source, stages, message):
    before = network(
        {"input": ((1, 4, 4), Source()), "a": ((1, 4, 4), SPIKING), "b": ((1, 2, 2), READOUT)},
        [("input", "a", (POINT,)), (source, "b", stages)],
    )
    with pytest.raises(NetworkError, match=message):
        expand_max_pooling(before)


def test_max_pooling_of_a_sum_of_paths_is_refused():
    before = residual()
    pooled = replace(before.incoming("c")[0], stages=(MaxPooling(size=(1, 1), stride=(1, 1)),))
    projections = tuple(pooled if p.target == "c" else p for p in before.projections)
    pooling = replace(before, projections=projections)
    with pytest.raises(NetworkError, match="pass expand_paths requires no max pooling stages"):
        expand_paths(pooling)
    with pytest.raises(NetworkError, match="projection stream -> c: max pooling of what is not one spike a step"):
        folded(pooling)
