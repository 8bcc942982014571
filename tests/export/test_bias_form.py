"""Bias form against graded form: equal integers where registers are exact, in every executor; rounding counted."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeport.export import archive, bias_form, biases, bounds, fidelity
from spikeport.export.bias_form import as_bias, as_graded, measured
from spikeport.export.errors import ExecutorError, FormatError, NetworkError, StimulusError
from spikeport.export.executors import executor, executor_names, fast, lava, onnx, reference
from spikeport.export.formats import format_names, writer, written_by
from spikeport.export.image_biases import values_of
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import (
    BiasNetwork,
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.stimulus import random_stimulus, stimulus
from spikeport.export.trace import record
from tests.strategies import inputs, integer_networks, seeds

HOLDING = ["archive", "lava-job", "loihi1", "onnx"]
"""The formats that hold a network whose input are biases."""


def held(network):
    """Return a random network that can take biases: grey levels, no delay and no memory of the current behind them."""
    source = network.source.name
    targets = {projection.target for projection in network.outgoing(source)}
    populations = [
        replace(p, neuron=Source())
        if p.name == source
        else replace(p, neuron=replace(p.neuron, decay_u=np.array(4096)))
        if p.name in targets
        else p
        for p in network.populations
    ]
    projections = [replace(p, delay=0) if p.source == source else p for p in network.projections]
    made = replace(network, populations=tuple(populations), projections=tuple(projections))
    return replace(made, bounds=bounds.prove(made))


@st.composite
def driven(draw, *, strong=False):
    """Draw a network that can take biases with held images; ``strong`` ones reach the ends of the register."""
    network = held(draw(integer_networks(floors=True)))
    if strong:
        rng, more = np.random.default_rng(draw(seeds)), draw(st.integers(0, 6))
        populations = [
            p
            if isinstance(p.neuron, Source) or p.neuron.threshold is None
            else replace(p, neuron=replace(p.neuron, threshold=p.neuron.threshold * rng.integers(1, 2**more + 1)))
            for p in network.populations
        ]
        projections = [
            replace(p, exponent=p.exponent + more) if p.source == network.source.name else p
            for p in network.projections
        ]
        network = replace(network, populations=tuple(populations), projections=tuple(projections))
        network = replace(network, bounds=bounds.prove(network))
    values = draw(inputs(network))
    values = values[:, 0] if values.ndim > 1 + len(network.source.shape) else values
    return network, stimulus(values, network)


def assert_equal(ours, theirs):
    ours, theirs = record(ours), record(theirs)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(values, theirs[name]) for name, values in ours.items())


@given(driven())
def test_exact_biases_give_the_graded_networks_integers(drawn):
    network, images = drawn
    biased = as_bias(network)
    exact = all(
        np.array_equal(biases.nearest(drive).values, drive)
        for drive in biases.drives(biased, images.frame(slice(None), 0)).values()
    )
    if exact and bounds.is_safe(network):
        assert_equal(reference.steps(biased, images), reference.steps(network, images))
    assert_equal(reference.steps(as_graded(biased), images), reference.steps(network, images))


@given(driven(strong=True), st.sampled_from([None, "planes", "rows", "lists", "merged"]))
def test_fast_executor_equals_the_reference(drawn, force):
    network, images = drawn
    biased = as_bias(network)
    assert_equal(fast.steps(biased, images, batch=3, force=force), reference.steps(biased, images))


@given(driven(strong=True))
@settings(max_examples=15)
def test_onnx_rounds_as_the_reference_does(drawn):
    network, images = drawn
    biased = as_bias(network)
    if bounds.is_safe(biased):
        assert_equal(onnx.steps(biased, images), reference.steps(biased, images))


@given(driven(strong=True))
def test_proof_covers_what_the_host_writes(drawn):
    network, images = drawn
    biased = as_bias(network)
    written = bounds.bias_ends(biased)
    for name, values in values_of(biased, images, slice(None)).items():
        low, high = written[name]
        assert np.all((low <= values) & (values <= high))
    if bounds.is_safe(biased):
        for name, values in record(reference.steps(biased, images)).items():
            bound = biased.bounds[name]
            assert values.dtype == bool or (bound.v_min <= values.min() and values.max() <= bound.v_max)


def one_layer(weights, *, threshold=None, bias=0, exponent=0, steps=3, **neuron):
    """Return pixels -> neurons with the given weights (targets, pixels); None: they never fire."""
    weights = np.array(weights, np.int8)
    cell = IntegerNeuron(threshold=threshold, bias_mantissa=np.array(bias), **neuron)
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(weights.shape[1],), neuron=Source()),
            IntegerPopulation(name="out", shape=(len(weights),), neuron=cell),
        ),
        projections=(
            IntegerProjection(source="input", target="out", synapses=Dense(weight=weights), exponent=exponent),
        ),
        steps=steps,
    )


def test_readout_straight_behind_the_input_integrates_its_bias():
    biased = as_bias(one_layer([[1], [-2]], bias=3))
    found = record(fast.steps(biased, stimulus(np.array([[10], [63]], np.uint8), biased)))["out"]
    assert found[:, :, 0].tolist() == [[643, 1286, 1929], [4035, 8070, 12105]]
    assert found[:, :, 1].tolist() == [[-1277, -2554, -3831], [-8062, -16124, -24186]]


def at_the_ends():
    """Return neurons, and the pixels with which their drives lie at and beside the ends of every exponent.

    ``drive = 64 (64 w1 + w2) + bias`` with the pixels 64 and 1.
    """
    ends = [value << exponent for exponent in range(7) for value in (4095, 4096)]
    ends += [int(reach) for reach in biases.REACHES] + [524160]
    drives = sorted({end + off for end in ends for off in range(-2, 3) if end + off <= 64 * 8190 + 63})
    parts = [(drive // 64 // 64, drive // 64 % 64, drive % 64) for drive in drives]
    weights = [(first, second) for first, second, _ in parts] + [(-first, -second) for first, second, _ in parts]
    own = [part[2] for part in parts] + [-part[2] for part in parts]
    network = one_layer(weights, bias=own, steps=2)
    return as_bias(network), stimulus(np.array([[64, 1]], np.uint8), network), [*drives, *(-d for d in drives)]


@pytest.mark.parametrize("name", ["reference", "fast", "onnx", pytest.param("lava", marks=pytest.mark.lava)])
def test_every_executor_rounds_alike_at_the_ends_of_every_exponent(name):
    network, images, drives = at_the_ends()
    assert biases.drives(network, images.values)["out"][0].tolist() == drives
    found = record(executor(name, BiasNetwork)(network, images))["out"]
    assert found[0, 0].tolist() == biases.nearest(np.array(drives)).values.tolist()
    assert np.array_equal(found[0, 1], 2 * found[0, 0])


@pytest.mark.parametrize("force", [None, "planes", "rows", "lists", "merged"])
def test_biases_lie_as_the_neurons_do_whatever_the_kernel(force):
    """A convolution from spikes and one from the input end in the same neurons, on a map that is no square."""
    rng = np.random.default_rng(3)
    kernels = [rng.integers(-20, 21, (3, 3, 3, 3)).astype(np.int8) for _ in range(3)]
    shape, cell = (3, 5, 8), IntegerNeuron(threshold=np.array(900), bias_mantissa=rng.integers(-99, 99, (3, 5, 8)))
    ends = [("input", "a"), ("input", "b"), ("a", "b")]
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=shape, neuron=Source()),
            IntegerPopulation(name="a", shape=shape, neuron=cell),
            IntegerPopulation(name="b", shape=shape, neuron=cell),
        ),
        projections=tuple(
            IntegerProjection(source=s, target=t, synapses=Convolution(weight=kernel, padding=(1, 1)))
            for (s, t), kernel in zip(ends, kernels, strict=True)
        ),
        steps=6,
    )
    biased = as_bias(network)
    images = random_stimulus(biased, 3, 0)
    assert bounds.is_safe(biased)
    found = record(fast.steps(biased, images, force=force))
    assert 0 < found["b"].mean() < 1
    assert_equal(fast.steps(biased, images, force=force), reference.steps(biased, images))


def test_rounding_is_counted_and_so_are_the_spikes_that_it_changes():
    """64 * 65 + 1 = 4161 and 64 * 64 + 1 = 4097 become 4162 and 4098; 4160 and 4096 are exact."""
    network = one_layer([[1], [1]], threshold=np.array([65, 65]), bias=[1, 0], steps=1)
    network = replace(network, bounds=bounds.prove(network))
    biased = as_bias(network)
    counts = measured(biased, stimulus(np.array([[65], [64]], np.uint8), biased))
    assert (counts.drives, counts.rounded, counts.beyond, counts.error) == (4, 2, 0, 1)
    assert (counts.spikes, counts.changed) == (4, 0)
    assert counts.text().startswith(
        "input as biases: 2 of 4 drives (50.0 %) are not exact in the register, largest error 1 units of the "
        "potential; 0 of 4 spikes of the neurons that get them differ from the graded input's"
    )
    assert "warning" not in counts.text()


def test_a_spike_that_rounding_moves_is_counted():
    """4161 a step reach 64 * 4161 = 266,304 after 64 steps, which is not above the threshold; 4162 are."""
    network = one_layer([[1]], threshold=np.array([4161]), bias=[1], steps=64)
    images = stimulus(np.array([[65]], np.uint8), network)
    graded = record(reference.steps(network, images))["out"]
    rounded = record(reference.steps(as_bias(network), images))["out"]
    assert (int(graded.sum()), int(rounded.sum())) == (0, 1)
    counts = measured(as_bias(network), images)
    assert (counts.drives, counts.rounded, counts.error, counts.spikes, counts.changed) == (1, 1, 1, 64, 1)


def test_drives_beyond_the_register_are_set_to_its_end_and_said():
    network = one_layer([[127], [-127]], exponent=4, steps=1)
    biased = as_bias(network)
    images = stimulus(np.array([[255]], np.uint8), biased)
    counts = measured(biased, images)
    drive = 64 * 16 * 127 * 255
    assert (counts.beyond, counts.rounded, counts.error) == (2, 2, drive - biases.LARGEST)
    assert "\nwarning: 2 drives lie beyond the largest bias, 524,160, and were set to it" in counts.text()
    assert record(reference.steps(biased, images))["out"].ravel().tolist() == [524160, -524160]


def test_the_ends_of_the_register_are_not_beyond_it():
    """64 * 63 * 130 = 524,160, and half of it."""
    network = as_bias(one_layer([[63], [-63]], steps=1))
    counts = measured(network, stimulus(np.array([[130], [65]], np.uint8), network))
    assert (counts.drives, counts.rounded, counts.beyond) == (4, 0, 0)


def test_samples_that_end_earlier_are_counted_to_their_end():
    network = one_layer([[1]], threshold=np.array([4161]), bias=[1], steps=65)
    # the graded input fires at step 65 instead of 64: two spikes differ, and none of the sample that ends before
    images = stimulus(np.full((2, 1), 65, np.uint8), network, lengths=np.array([65, 10]))
    counts = measured(as_bias(network), images)
    assert (counts.spikes, counts.changed) == (75, 2)


def test_only_what_biases_depend_on_runs_twice(monkeypatch):
    network, sizes = as_bias(small_network()), []
    run = fast.steps
    monkeypatch.setattr(bias_form.fast, "steps", lambda n, *a, **k: sizes.append(len(n.populations)) or run(n, *a, **k))
    measured(network, random_stimulus(network, 2, 0))
    assert sizes == [2, 2]


def test_projection_with_a_delay_is_refused():
    network = small_network()
    late = replace(network, projections=(replace(network.projections[0], delay=1), *network.projections[1:]))
    with pytest.raises(NetworkError, match=r"input -> conv1 has a delay of 1; a bias acts from the first step on"):
        as_bias(late)


def test_current_with_memory_is_refused_by_name():
    with pytest.raises(NetworkError, match=r"population out has a synaptic current with memory .* a bias acts at"):
        as_bias(one_layer([[1]], decay_u=np.array(2048)))


def test_spikes_need_no_bias():
    network = small_network()
    spiking = replace(
        network, populations=(replace(network.source, neuron=Source(levels=1, unit=1.0)), *network.populations[1:])
    )
    with pytest.raises(NetworkError, match="the input are spikes, which every chip takes; expected grey levels"):
        as_bias(spiking)


def test_the_form_is_taken_once():
    biased = as_bias(small_network())
    assert as_bias(biased) is biased
    assert biased.bounds == bounds.prove(biased) != {}
    assert biased.on_chip == biased.projections[1:]
    assert biased.incoming_on_chip("conv1") == ()
    assert small_network().on_chip is not None


def test_folders_say_which_executors_and_formats_hold_it():
    assert executor_names(BiasNetwork) == ["fast", "lava", "onnx", "reference"]
    assert [name for name in format_names() if BiasNetwork in written_by(name)] == HOLDING
    with pytest.raises(ExecutorError, match="no executor 'nir' for bias networks"):
        executor("nir", BiasNetwork)
    with pytest.raises(FormatError, match=f"format 'netx' does not take bias networks; {', '.join(HOLDING)} do"):
        writer("netx", BiasNetwork)


@pytest.mark.parametrize("name", ["reference", "fast", "onnx", "lava"])
def test_no_executor_takes_an_input_that_changes(name, monkeypatch):
    monkeypatch.setattr(lava.environment, "python", lambda: None)
    network = as_bias(small_network())
    frames = stimulus(np.zeros((1, network.steps, *network.source.shape), np.uint8), small_network())
    with pytest.raises(StimulusError, match="a bias is written once per image"):
        list(executor(name, BiasNetwork)(network, frames))


def test_sums_that_onnx_does_not_hold_are_refused():
    network = replace(as_bias(one_layer(np.full((1, 200), 127), exponent=10, steps=1)))
    assert bounds.is_safe(network)
    with pytest.raises(FormatError, match=r"population out: the input gives up to .* ONNX integer operators add up to"):
        onnx.check(network)


def test_archive_keeps_the_form(tmp_path):
    network = as_bias(small_network())
    writer("archive", BiasNetwork)(network, tmp_path / "bias.safetensors")
    read = archive.read(tmp_path / "bias.safetensors")
    assert type(read) is BiasNetwork
    assert archive.digest(read) == archive.digest(network) != archive.digest(small_network())


@pytest.mark.lava
@pytest.mark.parametrize(
    "change", ["stock", *(pytest.param(c, marks=pytest.mark.slow) for c in ("subtract", "delays", "several"))]
)
def test_lava_with_written_registers_gives_the_references_integers(change, compared):
    """Stock neurons with registers written between samples; neurons of our own; delays; two populations with biases."""
    network = small_network()
    if change == "subtract":
        first = network.populations[1]
        own = replace(first, neuron=replace(first.neuron, reset_by=first.neuron.threshold))
        network = replace(network, populations=(network.source, own, *network.populations[2:]))
    if change == "delays":
        network = replace(network, projections=(network.projections[0], replace(network.projections[1], delay=2)))
    if change == "several":
        rng, size = np.random.default_rng(1), int(np.prod(network.source.shape))
        weight = rng.integers(-9, 10, (*network.readout.shape, size)).astype(np.int8)
        second = IntegerProjection(source="input", target=network.readout.name, synapses=Dense(weight=weight))
        network = replace(network, projections=(*network.projections, second))
    biased = as_bias(network)
    images = random_stimulus(biased, 3, 0)
    if change == "stock":
        assert all(population.neuron.stock for population in biased.neurons)
        assert measured(biased, images).rounded > 0
    found = fidelity.check(biased, images, ["lava", "reference"])[0]
    compared(found)
    assert {name: each.mismatches for name, each in found.items()} == {"lava": 0, "reference": 0}
