"""NIR files: `nir.read` takes them with type checks on, and their numbers are the integers exactly."""

from dataclasses import replace
from pathlib import Path

import nir as nir_package
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import bounds
from spikeport.export.errors import FormatError, OutputError
from spikeport.export.executors import floating, reference
from spikeport.export.formats import nir, nir_portable
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.nir_import import graph, nodes
from spikeport.export.passes.fold_normalization import fold_normalization
from spikeport.export.real_numbers import HALF_UNIT, unit_of
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.strategies import inputs, integer_networks, reshaped_networks

NETWORK = small_network()


@given(integer_networks(leaky=False, resets=("zero", "value")))
def test_numbers_in_the_file_are_the_integers_times_a_power_of_two(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("nir") / "network.nir"
    nir.write(network, path, unproven=True)
    graph = nir_package.read(path, type_check=False)
    for population in network.neurons:
        unit = unit_of(population.neuron)
        assert np.log2(unit) == round(np.log2(unit))
        for projection in network.incoming(population.name):
            weight = graph.nodes[network.label(projection)].weight / (unit * 2.0**projection.exponent)
            assert np.array_equal(weight, projection.synapses.weight)
        if population.neuron.threshold is not None:
            found = graph.nodes[population.name].v_threshold / unit
            assert np.array_equal(np.floor(found), np.broadcast_to(population.neuron.threshold, population.shape))
            assert np.all(found - np.floor(found) == HALF_UNIT)


def test_file_of_square_ungrouped_kernels_passes_nirs_type_check(tmp_path):
    nir.write(NETWORK, tmp_path / "network.nir")
    graph = nir_package.read(tmp_path / "network.nir", type_check=True)
    assert graph.check_types()
    assert graph.nodes["input"].output_type["output"].tolist() == list(NETWORK.source.shape)
    assert {type(node).__name__ for node in graph.nodes.values()} >= {"Input", "Conv2d", "IF", "I", "Output"}


@given(
    data=st.data(),
    network=st.one_of(reshaped_networks(), integer_networks(leaky=False, resets=("zero", "value"), least=-3)),
)
def test_what_is_written_gives_the_same_spikes_and_the_rest_is_refused(tmp_path_factory, data, network):
    """Dense layers onto images, convolutions into vectors, biases of every shape, thresholds below zero."""
    path = tmp_path_factory.mktemp("nir") / "network.nir"
    try:
        nir.write(network, path)
    except FormatError as error:
        refused = not bounds.is_safe(network) or any(len(p.shape) == 2 for p in network.populations)
        assert refused, error
        assert not list(path.parent.iterdir())
        return
    restored = fold_normalization(graph.read(path, trusted=True)[0])
    driven = stimulus(data.draw(inputs(network)), network)
    ours, theirs = record(reference.steps(network, driven)), record(floating.steps(restored, driven))
    for population in network.spiking:
        assert np.array_equal(ours[population.name], theirs[population.name])


@given(network=reshaped_networks())
def test_portable_form_is_written_as_it_reads_or_refused(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("nir") / "network.nir"
    try:
        nir_portable.write(network, path)
    except FormatError:
        assert not list(path.parent.iterdir())
    else:
        assert nodes.read(path, trusted=True).metadata == {}


def three(first, second, *neurons, shapes, steps=3):
    """Return a chain of three populations."""
    names = ("input", "a", "b")
    populations = [IntegerPopulation(name=n, shape=s, neuron=x) for n, s, x in zip(names, shapes, neurons, strict=True)]
    projections = [
        IntegerProjection(source=names[i], target=names[i + 1], synapses=each) for i, each in enumerate((first, second))
    ]
    return IntegerNetwork(populations=tuple(populations), projections=tuple(projections), steps=steps)


def test_convolution_with_bias_into_a_vector_is_flattened(tmp_path):
    kernel = Convolution(weight=np.ones((2, 1, 2, 2), np.int8))
    neurons = (
        Source(levels=1),
        IntegerNeuron(threshold=1, bias_mantissa=np.arange(8)),
        IntegerNeuron(threshold=None, bias_mantissa=0),
    )
    network = three(kernel, Dense(weight=np.ones((1, 8), np.int8)), *neurons, shapes=((1, 3, 3), (8,), (1,)))
    nir.write(network, tmp_path / "network.nir")
    nodes = nir_package.read(tmp_path / "network.nir", type_check=False).nodes
    assert nodes["input_to_a:flatten"].output_type["output"].tolist() == [8]
    restored, _ = graph.read(tmp_path / "network.nir")
    assert restored.population("a").shape == (8,)


def test_dense_bias_onto_an_image_is_a_vector(tmp_path):
    bias = np.arange(12).reshape(3, 2, 2)
    neurons = (
        Source(levels=1),
        IntegerNeuron(threshold=1, bias_mantissa=bias),
        IntegerNeuron(threshold=None, bias_mantissa=0),
    )
    dense, kernel = Dense(weight=np.ones((12, 4), np.int8)), Convolution(weight=np.ones((1, 3, 2, 2), np.int8))
    nir.write(three(dense, kernel, *neurons, shapes=((4,), (3, 2, 2), (1, 1, 1))), tmp_path / "network.nir")
    found = nir_package.read(tmp_path / "network.nir", type_check=False).nodes["input_to_a"]
    assert np.array_equal(found.bias * 64, bias.ravel())


def test_population_called_as_a_projection_is_another_node(tmp_path):
    network = small_network()
    names = {"conv1": "conv1", "readout": "input_to_conv1"}
    populations = tuple(replace(p, name=names.get(p.name, p.name)) for p in network.populations)
    projections = tuple(
        replace(p, source=names.get(p.source, p.source), target=names.get(p.target, p.target))
        for p in network.projections
    )
    nir.write(replace(network, populations=populations, projections=projections), tmp_path / "network.nir")
    assert {p.name for p in graph.read(tmp_path / "network.nir")[0].populations} >= {"input_to_conv1"}


def test_file_that_reads_back_as_another_network_is_not_written(tmp_path, monkeypatch):
    """A fault of the writer: one weight more, one bias less, another reset."""
    right = nir.to_graph

    def wrong(change):
        def made(network):
            graph = right(network)
            change(graph.nodes)
            return graph

        return made

    faults = [(name, "weight") for name, node in right(NETWORK).nodes.items() if "weight" in node.values]
    faults += [("conv1", "v_reset"), ("conv1", "v_threshold"), ("input_to_conv1", "bias")]
    assert len(faults) >= 5
    for name, parameter in faults:

        def change(nodes, name=name, parameter=parameter):
            value = nodes[name].values[parameter].copy()
            value.flat[-1] += 1
            nodes[name] = replace(nodes[name], values={**nodes[name].values, parameter: value})

        monkeypatch.setattr(nir, "to_graph", wrong(change))
        with pytest.raises(FormatError, match=r"its file would be read as another one: population .* has other"):
            nir.write(NETWORK, tmp_path / "network.nir")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_a_sentence_and_nothing_stays():
    with pytest.raises(OutputError, match=r"/dev/full: no space left"):
        nir.write(NETWORK, Path("/dev/full"))


def changed(name, **fields):
    """Return the small network with another neuron in one population."""
    populations = tuple(
        replace(p, neuron=replace(p.neuron, **fields)) if p.name == name else p for p in NETWORK.populations
    )
    return replace(NETWORK, populations=populations)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (changed("conv1", decay_v=100), "conv1 rounds its decay toward zero at every step, which NIR's"),
        (changed("conv1", decay_u=0), "conv1 rounds its decay toward zero"),
        (changed("conv1", reset_by=np.array(3)), "conv1 resets by subtraction, which NIR cannot say"),
        (changed("conv1", threshold=np.array(-2)), "conv1 fires at potentials down to -127; NIR's thresholds are"),
        (changed("conv1", threshold=np.array(0), inclusive=True), "conv1 fires at potentials down to 0; NIR's"),
        (
            changed("conv1", scale=1e30, threshold=np.array(0)),
            r"its file would be read as another one: node .conv1. \(IF\): threshold is .*; expected numbers from 1e-30",
        ),
        (
            replace(NETWORK, steps=10_000),
            r"neither wrap nor saturate, and the potential of conv1 can reach .*; it holds .*; quantize",
        ),
    ],
)
def test_what_nir_cannot_say_is_refused_and_nothing_written(tmp_path, network, message):
    with pytest.raises(FormatError, match=message):
        nir.write(network, tmp_path / "network.nir")
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_and_damaged_files_are_named(tmp_path):
    path = tmp_path / "other.nir"
    shape = {"input": np.array([3])}
    nodes = {"input": nir_package.Input(shape), "output": nir_package.Output({"output": np.array([3])})}
    nir_package.write(path, nir_package.NIRGraph(nodes, [("input", "output")]))
    with pytest.raises(FormatError, match=r"other\.nir: NIR does not say how many steps a sample takes"):
        graph.read(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError, match=r"other\.nir: damaged"):
        graph.read(path)


def test_kernels_keep_their_geometry(tmp_path):
    nir.write(NETWORK, tmp_path / "network.nir")
    restored, _ = graph.read(tmp_path / "network.nir")
    for ours in NETWORK.projections:
        if isinstance(ours.synapses, Convolution):
            (theirs,) = [s for s in restored.incoming(ours.target)[0].stages if isinstance(s, Convolution)]
            for name in ("stride", "padding", "dilation", "groups"):
                assert getattr(theirs, name) == getattr(ours.synapses, name)
