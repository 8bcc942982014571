"""NIR files: `nir.read` takes them with type checks on, and their numbers are the integers exactly."""

from dataclasses import replace

import nir as nir_package
import numpy as np
import pytest
from hypothesis import given

from spikeport.export.errors import FormatError
from spikeport.export.formats import nir
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import Convolution
from spikeport.export.nir_import import graph
from tests.strategies import integer_networks

NETWORK = small_network()


@given(integer_networks(leaky=False, resets=("zero", "value")))
def test_numbers_in_the_file_are_the_integers_times_a_power_of_two(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("nir") / "network.nir"
    nir.write(network, path)
    graph = nir_package.read(path, type_check=False)
    for population in network.neurons:
        unit = nir.unit_of(population.neuron)
        assert np.log2(unit) == round(np.log2(unit))
        for projection in network.incoming(population.name):
            weight = graph.nodes[network.label(projection)].weight / (unit * 2.0**projection.exponent)
            assert np.array_equal(weight, projection.synapses.weight)
        if population.neuron.threshold is not None:
            found = graph.nodes[population.name].v_threshold / unit
            assert np.array_equal(np.floor(found), np.broadcast_to(population.neuron.threshold, population.shape))
            assert np.all(found - np.floor(found) == nir.HALF_UNIT)


def test_file_of_square_ungrouped_kernels_passes_nirs_type_check(tmp_path):
    nir.write(NETWORK, tmp_path / "network.nir")
    graph = nir_package.read(tmp_path / "network.nir", type_check=True)
    assert graph.check_types()
    assert graph.nodes["input"].output_type["output"].tolist() == list(NETWORK.source.shape)
    assert {type(node).__name__ for node in graph.nodes.values()} >= {"Input", "Conv2d", "IF", "I", "Output"}


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
