"""The proof against runs in wide arithmetic, where nothing wraps and nothing saturates."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import bounds, reach
from spikeport.export.executors import reference
from spikeport.export.fixed_point import POTENTIAL_LIMIT, decayed
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import (
    Bounds,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import stimulus
from tests.spent import processor_seconds
from tests.strategies import cases, inputs, integer_networks


@given(data=st.data(), network=integer_networks(floors=True))
@cases(150)
def test_no_register_leaves_its_bounds(data, network):
    """Before and after the reset, on inputs at both ends of the range among others."""
    driven, seen = stimulus(data.draw(inputs(network)), network), {}
    owners = {id(p.neuron): p.name for p in network.neurons}
    original = reference.advance

    def observed(state, activation, neuron, bias):
        name = owners[id(neuron)]
        spikes = original(state, activation, neuron, bias)
        seen.setdefault(name, []).append((state.u.copy(), state.v.copy()))
        return spikes

    def saturated(value):
        before.append(value)
        return value

    before = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "wrapped_current", lambda value: value)
        patch.setattr(reference, "saturated_potential", saturated)
        patch.setattr(reference, "advance", observed)
        for _ in reference.steps(network, driven):
            pass
    for name, states in seen.items():
        bound = network.bounds[name]
        for u, v in states:
            assert bound.u_min <= u.min() <= u.max() <= bound.u_max
            assert bound.v_min <= v.min() <= v.max() <= bound.v_max
    overall = list(network.bounds.values())
    assert min(value.min() for value in before) >= min(bound.v_min for bound in overall)
    assert max(value.max() for value in before) <= max(bound.v_max for bound in overall)


def one_neuron(*weights, levels=255, exponent=0, steps=4, **neuron):
    weight = np.array([weights])
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(weight.shape[1],), neuron=Source(levels=levels)),
            IntegerPopulation(name="a", shape=(1,), neuron=IntegerNeuron(bias_mantissa=0, **neuron)),
        ),
        projections=(
            IntegerProjection(
                source="input", target="a", synapses=Dense(weight=weight.astype(np.int8)), exponent=exponent
            ),
        ),
        steps=steps,
    )


def test_end_of_the_register_is_safe_and_one_beyond_is_not():
    limit = POTENTIAL_LIMIT // 64
    assert bounds.is_safe(one_neuron(1, levels=limit, steps=1, threshold=5))
    assert not bounds.is_safe(one_neuron(1, levels=limit + 1, steps=1, threshold=5))
    assert not bounds.is_safe(one_neuron(1, levels=limit, steps=2, threshold=limit))


def test_large_subtraction_is_seen_after_the_reset():
    """A reset far below zero saturates although the potential before it never does."""
    assert bounds.is_safe(one_neuron(1, -1, levels=1, steps=1, threshold=0, reset_by=131071))
    unsafe = one_neuron(1, -1, levels=1, steps=4, threshold=0, reset_by=131071)
    assert bounds.prove(unsafe)["a"].v_min < -POTENTIAL_LIMIT
    assert not bounds.is_safe(unsafe)


@pytest.mark.parametrize(
    ("neuron", "expected"),
    [
        # highest potential: 3, 6 -> 5 (the neurons that did not fire), 8; of those that fire 6 - 2 is left
        ({"threshold": 5, "reset_by": 2}, (-64 * 9, 64 * 8)),
        # 3 -> 2, 5 -> 4, 7: what is left after a spike is above the threshold
        ({"threshold": 2, "reset_by": 1}, (-64 * 9, 64 * 7)),
        # the least that fires is 64 x 5 + 1; a step later, 64 x 20 and 64 x 3 less
        ({"threshold": 5, "reset_by": 20}, (64 * 5 + 1 - 64 * 23, 64 * 8)),
        ({"threshold": 5, "reset_to": -30}, (-64 * 33, 64 * 8)),
        ({"threshold": None}, (-64 * 9, 64 * 9)),
    ],
)
def test_bounds_of_one_neuron_are_as_computed_by_hand(neuron, expected):
    """Weights 3 and -3, one spike each at most, three steps: 192 up or down a step."""
    found = bounds.prove(one_neuron(3, -3, levels=1, steps=3, **neuron))["a"]
    assert (found.u_min, found.u_max) == (-192, 192)
    assert (found.v_min, found.v_max) == expected


def test_sums_beyond_64_bit_are_not_taken_for_zero():
    wide = one_neuron(*[64] * 2**14, levels=2**23, exponent=15, threshold=5)
    assert not bounds.is_safe(wide)


def test_proof_is_computed_anew():
    network = small_network()
    assert bounds.is_safe(network)
    assert not bounds.is_safe(replace(network, projections=tuple(replace(p, exponent=15) for p in network.projections)))


def every_step(population, incoming, steps):
    """Return the bounds by the rule of the module's first lines, step by step."""
    neuron, ends = population.neuron, [(0, 0, 0, 0)]
    low, high = (each << 6 for each in bounds._activation_range(population, incoming))
    bias = neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent
    u_low = u_high = v_low = v_high = np.zeros(population.shape, np.int64)

    def cap(value):
        return np.clip(value, -reach.FAR, reach.FAR)

    for _ in range(steps):
        u_low, u_high = (cap(decayed(u, neuron.decay_u) + a) for u, a in ((u_low, low), (u_high, high)))
        v_low, v_high = (cap(decayed(v, neuron.decay_v) + u + bias) for v, u in ((v_low, u_low), (v_high, u_high)))
        ends.append((u_low.min(), u_high.max(), v_low.min(), v_high.max()))
        if neuron.threshold is not None:
            least, most = neuron.reset_to.astype(np.int64) << 6, neuron.reset_to.astype(np.int64) << 6
            if neuron.reset_by is not None:
                removed = neuron.reset_by.astype(np.int64) << 6
                least, most = neuron.level + 1 - removed, v_high - removed
            fires = v_high > neuron.level
            v_low = np.where(fires, np.minimum(v_low, least), v_low)
            v_high = np.where(fires, np.maximum(neuron.level, most), v_high)
        if neuron.floor is not None:
            floor = neuron.floor.astype(np.int64) << 6
            v_low, v_high = np.maximum(v_low, floor), np.maximum(v_high, floor)
        if neuron.threshold is not None or neuron.floor is not None:
            ends.append((u_low.min(), u_high.max(), v_low.min(), v_high.max()))
    least, most = np.min(ends, axis=0), np.max(ends, axis=0)
    return Bounds(u_min=least[0], u_max=most[1], v_min=least[2], v_max=most[3])


def assert_every_step(network, found):
    for population in network.neurons:
        incoming = [(q, network.population(q.source)) for q in network.incoming(population.name)]
        assert found[population.name] == every_step(population, incoming, network.steps)


@given(network=integer_networks(least=-3, floors=True), steps=st.integers(1, 400))
@cases(200)
def test_bounds_of_steps_taken_at_once_are_those_of_every_step(network, steps):
    longer = replace(network, steps=steps, bounds={})
    assert_every_step(longer, bounds.prove(longer))


@given(
    weights=st.lists(st.integers(-128, 127), min_size=1, max_size=3),
    exponent=st.sampled_from([0, 3, 15]),
    levels=st.sampled_from([1, 255, 2**23]),
    steps=st.integers(1, 3000),
    decays=st.sampled_from([(4096, 0), (4096, 0), (1000, 0), (0, 0), (4096, 700), (2, 4096), (4096, 4095)]),
    reset=st.one_of(
        st.just({}),
        st.builds(lambda r: {"reset_to": r}, st.integers(-500, 500)),
        st.builds(lambda r: {"reset_by": r}, st.one_of(st.integers(0, 300), st.just(131071))),
    ),
    threshold=st.one_of(st.none(), st.integers(-200, 300), st.integers(-131071, 131071)),
    bias=st.one_of(st.just(0), st.integers(-4096, 4095)),
    inclusive=st.booleans(),
    floor=st.one_of(st.none(), st.integers(-300, 50), st.integers(-131072, 131071)),
)
@cases(400)
def test_bounds_of_one_neuron_are_those_of_every_step(
    weights, exponent, levels, steps, decays, reset, threshold, bias, inclusive, floor
):
    """Resets by subtraction, by nothing and to any value, also potentials that leave every register."""
    options = {} if threshold is None else {"inclusive": inclusive, **reset}
    network = one_neuron(*weights, levels=levels, exponent=exponent, steps=steps, threshold=threshold, **options)
    first, second = network.populations
    neuron = replace(second.neuron, bias_mantissa=np.array([bias]), decay_u=decays[0], decay_v=decays[1], floor=floor)
    changed = replace(network, populations=(first, replace(second, neuron=neuron)))
    assert_every_step(changed, bounds.prove(changed))


def test_neurons_are_proven_in_parts(monkeypatch):
    network = small_network()
    whole = bounds.prove(network)
    monkeypatch.setattr(reach, "PART", 3)
    assert bounds.prove(network) == whole


@pytest.mark.parametrize("floor", [None, -20])
@pytest.mark.parametrize("reset_by", [None, 0, 1, 5, 40])
def test_long_proof_takes_no_step_per_step(reset_by, floor):
    """A thousand neurons, 100,000 steps: 0.4 ms a step would be 40 s."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-9, 10, (1000, 4)).astype(np.int8)
    neuron = IntegerNeuron(threshold=rng.integers(0, 100, 1000), bias_mantissa=0, reset_by=reset_by, floor=floor)
    source = IntegerPopulation(name="input", shape=(4,), neuron=Source())
    target = IntegerPopulation(name="a", shape=(1000,), neuron=neuron)
    projection = IntegerProjection(source="input", target="a", synapses=Dense(weight=weight))
    network = IntegerNetwork(populations=(source, target), projections=(projection,), steps=100_000)
    start = processor_seconds()
    bounds.prove(network)
    assert processor_seconds() - start < 2


def test_proof_that_ends_early_is_outside_by_a_factor_of_two():
    """The quantizer makes its scale smaller by no more, so it takes the same steps as with the whole proof."""
    network = one_neuron(100, -100, levels=1, steps=100_000, threshold=5, reset_by=0)
    incoming = [(network.projections[0], network.source)]
    found, whole = (
        bounds.population_reach(network.neurons[0], incoming, 100_000, until_far_out=each) for each in (True, False)
    )
    assert min(bounds.violation(bounds.registers("a", network.neurons[0].neuron, each)) for each in (found, whole)) >= 2


def test_registers_without_proof_are_named_with_their_reach():
    """A potential that grows by 130,000 a step leaves the register at the second one, or fires and stays."""
    limit = POTENTIAL_LIMIT // 64
    network = one_neuron(1, -1, levels=limit, steps=2, threshold=limit)
    (found,) = bounds.unproven(network)
    assert (found.population, found.name, found.range) == ("a", "the potential", (-POTENTIAL_LIMIT, POTENTIAL_LIMIT))
    assert (found.least, found.most) == (-2 * 64 * limit, 2 * 64 * limit)
    assert bounds.proof_sentence(network) == (
        "not proven in Lava's arithmetic: the potential of a can reach -16,777,088..16,777,088; "
        "it holds -8,388,607..8,388,607"
    )
    assert bounds.proof_sentence(one_neuron(1, threshold=5)) == (
        "no register can wrap or saturate within 4 steps, whatever the input, in Lava's arithmetic"
    )


def test_every_register_is_looked_at():
    names = {"the synaptic current": {"levels": 2**18}, "the threshold": {"threshold": -1}}
    for name, changes in names.items():
        found = bounds.unproven(one_neuron(1, **{"levels": 1, "threshold": 5, "decay_v": 4096, **changes}))
        assert name in [register.name for register in found]
    silent = one_neuron(1, levels=2**16, steps=3, threshold=None)
    assert [register.range[1] for register in bounds.unproven(silent)] == [64 * 131071]
    several = one_neuron(1, levels=2**20, steps=3, threshold=-1)
    assert bounds.proof_sentence(several, most=1).endswith("; and 2 more registers")


@given(network=integer_networks(least=-3))
def test_largest_use_is_above_one_where_a_register_is_named(network):
    named = {register.population for register in bounds.unproven(network)}
    found = bounds.reached(network)
    for population in network.neurons:
        registers = bounds.registers(population.name, population.neuron, found[population.name])
        assert (bounds.violation(registers) > 1) == (population.name in named)
