"""The search never does worse than max-abs on its own images, and clips what should be clipped."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from spikeport.export import bounds, scale_search
from spikeport.export.errors import QuantizationError
from spikeport.export.executors import floating, reference
from spikeport.export.network import (
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.passes import folded
from spikeport.export.quantize import fitted, quantize
from spikeport.export.scale_search import CLIPS, search
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.export.test_quantize import dense_network
from tests.strategies import float_networks, inputs, seeds


def changed_spikes(network, integer, calibration, name):
    before, after = record(floating.steps(network, calibration)), record(reference.steps(integer, calibration))
    return int(np.count_nonzero(before[name] != after[name]))


def searched_by_running_everything(network, calibration, bits):
    """The definition: every trial runs all populations so far, from the input on. Returns clips and all errors."""
    wanted = record(floating.steps(network, calibration, batch=scale_search.BATCH))  # sums round by the batch
    done, chosen, tried = [], {}, []
    for population in scale_search._ordered(network):
        errors = {}
        for clip in CLIPS:
            part = scale_search._part(network, [*done, fitted(network, population, bits, clip)])
            values = record(reference.steps(part, calibration))[population.name]
            if population.neuron.threshold is not None:
                errors[clip] = float(np.count_nonzero(values != wanted[population.name]))
            else:
                scale = part.population(population.name).neuron.scale
                errors[clip] = float(np.abs(values / (64 * scale) - wanted[population.name]).mean())
        tried += errors.values()
        chosen[population.name] = min(errors, key=lambda clip: errors[clip])
        done.append(fitted(network, population, bits, chosen[population.name]))
    return chosen, tried


@st.composite
def looped_networks(draw):
    """Chains of dense layers with delays, and projections from any layer to any other."""
    rng, sizes = np.random.default_rng(draw(seeds)), draw(st.lists(st.integers(1, 6), min_size=2, max_size=5))
    names = ["input", *(f"a{index}" for index in range(1, len(sizes))), "readout"]
    neurons = [
        Source(levels=draw(st.sampled_from([1, 255]))),
        *(FloatNeuron(threshold=np.array(0.7)) for _ in sizes[1:]),
    ]

    def joined(source, target, delay):
        weight = rng.normal(0.4, 1, [(*sizes, 2)[names.index(name)] for name in (target, source)])
        return FloatProjection(source=source, target=target, stages=(Dense(weight=weight),), delay=delay)

    ends = [*itertools.pairwise(names)]
    more = st.tuples(st.sampled_from(names[1:-1]), st.sampled_from(names[1:-1]))
    projections = [joined(*pair, draw(st.integers(0, 1))) for pair in ends]
    projections += [joined(*draw(more), draw(st.integers(1, 2))) for _ in range(draw(st.integers(0, 3)))]
    populations = zip(names, (*sizes, 2), (*neurons, FloatNeuron(threshold=None)), strict=True)
    return FloatNetwork(
        populations=tuple(FloatPopulation(name=n, shape=(k,), neuron=neuron) for n, k, neuron in populations),
        projections=tuple(projections),
        steps=draw(st.integers(4, 8)),
    )


@pytest.mark.parametrize("batch", [1, 100])
def test_trials_of_one_population_give_the_errors_of_runs_of_all(batch, monkeypatch):
    original, trials = scale_search._tried, []

    def observed(*arguments):
        trials.append(original(*arguments))
        return trials[-1]

    @given(
        data=st.data(), network=st.one_of(looped_networks(), float_networks().map(folded)), bits=st.sampled_from([4, 2])
    )
    def agree(data, network, bits):
        calibration = stimulus(data.draw(inputs(network)), network)
        trials.clear()
        try:
            _, clips = search(network, calibration, weight_bits=bits)
        except QuantizationError:
            reject()
        expected, errors = searched_by_running_everything(network, calibration, bits)
        assert [trial.error for trial in trials] == errors
        assert clips == expected

    monkeypatch.setattr(scale_search, "BATCH", batch)
    monkeypatch.setattr(scale_search, "_tried", observed)
    agree()


def test_a_trial_runs_what_the_spikes_of_its_population_reach():
    """In a loop a -> b -> a, b changes with a; a readout behind b that is not there yet does not."""
    neurons = IntegerNeuron(threshold=np.array(1), bias_mantissa=np.array(0))
    one = np.ones((1, 1), np.int8)
    ends = (("input", "a", 0), ("a", "b", 0), ("b", "a", 1), ("input", "c", 0))
    loop = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(1,), neuron=Source(levels=1, unit=1.0)),
            *(IntegerPopulation(name=name, shape=(1,), neuron=neurons) for name in ("a", "b", "c")),
        ),
        projections=tuple(
            IntegerProjection(source=s, target=t, synapses=Dense(weight=one), delay=delay) for s, t, delay in ends
        ),
        steps=2,
    )
    assert scale_search._reached(loop, "a") == scale_search._reached(loop, "b") == {"a", "b"}
    assert scale_search._reached(loop, "c") == {"c"}


def test_population_behind_a_delay_comes_after_its_source():
    network = outlier()[0]
    delayed = replace(network, projections=tuple(replace(p, delay=1) for p in network.projections))
    assert [p.name for p in delayed.neurons] == ["a", "readout"]
    backwards = replace(delayed, populations=tuple(reversed(delayed.populations)))
    assert [p.name for p in backwards.neurons] == ["readout", "a"]
    assert [p.name for p in scale_search._ordered(backwards)] == ["a", "readout"]


def outlier():
    """One weight a hundred times the others: two bits spent on it leave nothing for the rest."""
    rng = np.random.default_rng(0)
    weight = rng.choice([-1.0, 1.0], (20, 30)) * rng.uniform(0.8, 1.2, (20, 30))
    weight[0, 0] = 5.0
    return dense_network(weight, 2.5, steps=6), rng


@pytest.mark.parametrize("bits", [3, 2])
def test_search_clips_an_outlier_and_changes_fewer_spikes(bits):
    network, rng = outlier()
    calibration = stimulus(rng.integers(0, 2, (20, 6, 30)), network)
    integer, clips = search(network, calibration, weight_bits=bits)
    assert clips["a"] < 1
    plain = changed_spikes(network, quantize(network, weight_bits=bits), calibration, "a")
    assert changed_spikes(network, integer, calibration, "a") < plain / 2
    assert bounds.is_safe(integer)
    assert np.abs(integer.projections[0].synapses.weight).max() == 2 ** (bits - 1) - 1


@given(data=st.data(), network=float_networks(), bits=st.sampled_from([8, 4, 2]))
@settings(max_examples=15)
def test_first_population_never_gets_worse_than_max_abs(data, network, bits):
    network = folded(network)
    calibration = stimulus(data.draw(inputs(network)), network)
    first = network.neurons[0].name
    try:
        plain = quantize(network, weight_bits=bits)
        integer, _ = search(network, calibration, weight_bits=bits)
    except QuantizationError as error:
        assert "round to zero" in str(error) or "too small" in str(error)
        return
    assert bounds.is_safe(integer)
    if first in {population.name for population in network.spiking}:
        wrong = [changed_spikes(network, each, calibration, first) for each in (integer, plain)]
        assert wrong[0] <= wrong[1]


def test_two_bits_are_ternary():
    network, _ = outlier()
    weights = quantize(network, weight_bits=2, clips={"a": 0.2}).projections[0].synapses.weight
    assert set(np.unique(weights)) == {-1, 1}


@pytest.mark.parametrize("clip", [0.0, 1.1, -1.0])
def test_impossible_clip_is_named(clip):
    with pytest.raises(QuantizationError, match=rf"population a: clip is {clip}; expected above 0, up to 1"):
        quantize(outlier()[0], clips={"a": clip})


def test_trials_compare_no_step_after_a_samples_end():
    driven = stimulus(np.ones((2, 6, 30), int), outlier()[0], lengths=np.array([6, 2]))
    record = scale_search._Record(driven)
    for step in range(6):
        record.add("a", slice(0, 2), step, np.ones((2, 1), bool))
        record.add("b", slice(0, 2), step, np.full((2, 1), 7.5))
    assert (record.bits["a"][..., 0] != 0).tolist() == [[True] * 6, [True, True, False, False, False, False]]
    assert record.potentials["b"][..., 0].tolist() == [[7.5] * 6, [7.5, 7.5, 0, 0, 0, 0]]


def test_neurons_that_no_integers_hold_are_refused_before_the_search():
    network = dense_network(np.ones((2, 3)), 1.0, most=None, reset_by=1.0)
    images = stimulus(np.ones((2, *network.source.shape)), network)
    with pytest.raises(QuantizationError, match=r"fires several spikes a step.*--most 1"):
        search(network, images)
