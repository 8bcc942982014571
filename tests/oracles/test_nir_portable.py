"""The portable NIR file in snnTorch, Norse and SpikingJelly: their recorded outputs are our integers' own.

``nir/portable.zip``: networks, files, inputs, and what the three frameworks made of them (`nir/import_portable.py`).
"""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikeport.export import archive
from spikeport.export.errors import FormatError
from spikeport.export.executors import floating, reference
from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.formats import nir_portable
from spikeport.export.lava.doctor import small_network
from spikeport.export.nir_import import nodes
from spikeport.export.nir_import.dialect import PORTABLE_FACTOR
from spikeport.export.nir_import.graph import read
from spikeport.export.nir_import.origin import dialect_of
from spikeport.export.real_numbers import unit_of
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record

pytestmark = pytest.mark.oracle
RECORDINGS = Path(__file__).parent / "nir" / "portable.zip"
FRAMEWORKS = ("snntorch", "norse", "spikingjelly")


@pytest.fixture(params=["dense", "conv"])
def recorded(request, tmp_path):
    with zipfile.ZipFile(RECORDINGS) as file:
        file.extractall(tmp_path)
    network = archive.read_integer(tmp_path / f"{request.param}.safetensors")
    with np.load(tmp_path / f"{request.param}.npz") as given, np.load(tmp_path / f"{request.param}_out.npz") as out:
        return network, tmp_path / f"{request.param}.nir", given["input"].swapaxes(0, 1), dict(out)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_output_currents_are_the_references(recorded, framework):
    """A single spike that differs in any layer and step would change them."""
    network, _, inputs, outputs = recorded
    trace = record(reference.steps(network, stimulus(inputs, network)))
    currents = np.diff(trace["readout"], axis=1, prepend=0) / 2**ACTIVATION_SHIFT * unit_of(network.readout.neuron)
    found = outputs[framework].swapaxes(0, 1).reshape(currents.shape) / PORTABLE_FACTOR
    assert np.array_equal(found, currents)
    assert all(0.05 < trace[population.name].mean() < 0.6 for population in network.spiking)


def test_todays_file_holds_the_recorded_numbers(recorded, tmp_path):
    network, path, _, _ = recorded
    nir_portable.write(network, tmp_path / "today.nir")
    today, then = nodes.read(tmp_path / "today.nir"), nodes.read(path)
    assert sorted(today.edges) == sorted(then.edges)
    for name, node in then.nodes.items():
        assert node.kind == today.nodes[name].kind
        for key, value in node.values.items():
            assert np.array_equal(value, today.nodes[name].values[key])


def test_a_file_without_metadata_is_known_by_its_neurons_and_fires_as_the_integers(recorded):
    """Time constants of 2^60 steps of 1e-4 are nobody else's; sinabs, whose rules fit them too, resets otherwise."""
    network, path, inputs, _ = recorded
    found, dialect = read(path, steps=network.steps, levels=1)
    assert (dialect.name, dialect.reset) == ("spikeport", "hard")
    expected = record(reference.steps(network, stimulus(inputs, network)))
    spikes = record(floating.steps(found, stimulus(inputs, found)))
    for population, own in zip(network.spiking, found.spiking, strict=True):
        assert np.array_equal(spikes[own.name].reshape(expected[population.name].shape), expected[population.name])
    assert dialect_of(nodes.read(path), "spikeport") == dialect


def changed(**fields):
    network = small_network()
    first = network.populations[1]
    populations = (network.source, replace(first, neuron=replace(first.neuron, **fields)), network.readout)
    return replace(network, populations=populations)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (changed(threshold=np.arange(1, 5).reshape(4, 1, 1)), "thresholds of its own"),
        (changed(reset_to=3), "conv1 resets to a value; snnTorch resets to zero only"),
        (changed(decay_v=100), "conv1 rounds its decay"),
        (
            replace(small_network(), projections=tuple(replace(p, delay=1) for p in small_network().projections)),
            "input -> conv1 has a delay or company",
        ),
    ],
)
def test_what_the_importers_cannot_take_is_refused(network, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        nir_portable.write(network, tmp_path / "network.nir")
    assert list(tmp_path.iterdir()) == []
