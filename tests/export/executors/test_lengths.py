"""Samples of different length: each gives what it gives alone, in a network with as many steps as it has."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeport.export.errors import StimulusError
from spikeport.export.executors import fast, floating, onnx, reference
from spikeport.export.executors import nir as nir_executor
from spikeport.export.fidelity import check
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import IntegerNetwork
from spikeport.export.simulation import simulate
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record, scores
from spikeport.hardware_profiles import counting
from tests import strategies


@st.composite
def cases(draw, networks):
    """Draw a network, samples that are held or go on after their end, and their lengths."""
    network = draw(networks)
    rng = np.random.default_rng(draw(strategies.seeds))
    samples, held = draw(st.integers(1, 9)), draw(st.booleans())
    shape = (samples, *(() if held else (network.steps,)), *network.source.shape)
    values = rng.integers(0, network.source.neuron.levels + 1, shape)
    return network, values, rng.integers(1, network.steps + 1, samples)


def shorter(network, values, steps):
    """Return a network with fewer steps, and samples without what comes after these."""
    changed = {"steps": int(steps), **({"bounds": {}} if isinstance(network, IntegerNetwork) else {})}
    cut = replace(network, **changed)
    return cut, stimulus(values if values.shape[1:] == network.source.shape else values[:, :steps], cut)


def assert_each_as_alone(execute, network, values, lengths):
    """Real numbers are compared in batches of the same size: sums of another size are rounded otherwise."""
    driven = stimulus(values, network, lengths=lengths)
    found = record(execute(network, driven))
    spiking = {population.name for population in network.spiking}
    rules = [None, "last", "max", "mean"] + ["count"] * (network.readout.name in spiking)
    scored = {rule: scores(execute(network, driven), network, len(values), rule) for rule in rules}
    for number, length in enumerate(lengths):
        cut, own = shorter(network, values, length)
        expected = record(execute(cut, own))
        for name, trace in expected.items():
            assert np.array_equal(found[name][number, :length], trace[number])
            after = found[name][number, length:]
            assert not after.any() if name in spiking else np.all(after == trace[number, -1])
        for rule in rules:
            assert np.array_equal(scored[rule][number], scores(execute(cut, own), cut, len(values), rule)[number])


@given(cases(strategies.integer_networks()))
@settings(max_examples=25)
def test_every_sample_is_as_alone_in_the_reference_and_the_fast_executor(case):
    for execute in (reference.steps, fast.steps):
        assert_each_as_alone(execute, *case)


@given(cases(strategies.float_networks()))
@settings(max_examples=10)
def test_every_sample_is_as_alone_in_real_numbers(case):
    assert_each_as_alone(floating.steps, *case)


@pytest.mark.parametrize("execute", [reference.steps, fast.steps, onnx.steps, nir_executor.steps])
def test_every_executor_ends_samples_alike(execute):
    network, rng = small_network(), np.random.default_rng(0)
    assert_each_as_alone(execute, network, rng.integers(0, 256, (5, 4, 1, 6, 5)), np.array([4, 1, 3, 2, 3]))


@pytest.mark.parametrize("force", [None, "planes", "rows", "lists"])
@given(case=cases(strategies.integer_networks()))
@settings(max_examples=10)
def test_operations_after_the_end_are_not_counted(case, force):
    network, values, lengths = case
    driven = stimulus(values, network, lengths=lengths)
    counts = [step.count for step in fast.steps(network, driven, count=True, batch=4, force=force) if step.count]
    operations = np.sum([count.operations for count in counts], axis=0)
    expected = np.zeros(len(network.projections), np.int64)
    for number in range(len(values)):
        cut, own = shorter(network, values[number : number + 1], lengths[number])
        (single,) = [step.count for step in fast.steps(cut, own, count=True) if step.count]
        expected += np.array(single.operations)
    assert operations.tolist() == expected.tolist()
    found = simulate(network, driven, executor="fast", count=True, verify=len(values))
    assert found.operations.tolist() == expected.tolist()
    assert found.verification.passed


@given(cases(strategies.integer_networks(delays=False)))
@settings(max_examples=5)
def test_costs_of_a_mean_image_need_samples_of_all_steps(case):
    network, values, lengths = case
    driven = stimulus(values, network, lengths=lengths)
    if lengths.min() == network.steps:
        assert counting.count(network, driven).images == len(values)
    else:
        with pytest.raises(StimulusError, match="the costs of a mean image need samples of"):
            counting.count(network, driven)


@given(cases(strategies.integer_networks(delays=False)))
@settings(max_examples=5)
def test_check_compares_samples_of_different_length(case):
    network, values, lengths = case
    fidelities, _ = check(network, stimulus(values, network, lengths=lengths), ["reference"])
    assert fidelities["reference"].mismatches == 0
