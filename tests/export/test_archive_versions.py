"""Archives written by every version that there was are read, whatever the code calls its types today."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from spikeport.export import archive, bounds
from spikeport.export.errors import ArchiveError
from spikeport.export.network import (
    BiasNetwork,
    Coding,
    Convolution,
    FloatNetwork,
    IntegerNetwork,
    MaxPooling,
    Normalization,
)

FILES = Path(__file__).parent / "archives"
"""Written by the version that the name says; a new version adds two files and changes none."""
NAMES = (
    *("AveragePooling", "BiasNetwork", "Bounds", "Coding", "Convolution", "Dense", "FloatNetwork", "FloatNeuron"),
    *(
        "FloatPopulation",
        "FloatProjection",
        "IntegerNetwork",
        "IntegerNeuron",
        "IntegerPopulation",
        "IntegerProjection",
    ),
    *("MaxPooling", "Normalization", "Reshape", "Source"),
)


def test_there_are_files_of_every_version():
    versions = range(1, archive.VERSION + 1)
    expected = {f"{kind}_{version}" for kind in ("float", "integer") for version in versions}
    expected |= {f"bias_{version}" for version in versions if version >= 3}
    assert {path.stem for path in FILES.iterdir()} == expected
    assert set(archive._UPGRADES) == set(versions) - {archive.VERSION}


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_float_archive_of_every_version_is_read(version):
    network = archive.read_float(FILES / f"float_{version}.safetensors")
    assert [population.name for population in network.populations] == ["input", "a", "m", "readout"]
    assert network.steps == 5
    neuron = network.population("a").neuron
    values = {field.name: getattr(neuron, field.name) for field in fields(neuron)}
    assert values.pop("bias").shape == (3, 1, 1)
    assert {name: None if value is None else float(value) for name, value in values.items()} == {
        "threshold": 0.5, "decay_current": 0.25, "decay_potential": 0.125, "inclusive": 0.0, "reset_to": -0.25,
        "reset_by": None, "gain": 2.0, "start": 0.125, "most": 2.0, "floor": -1.0, "refractory": 1.0, "overhang": 0.0,
    }  # fmt: skip
    first, pooled, mean, last = network.projections
    assert [type(stage) for stage in first.stages] == [Normalization, Convolution]
    assert first.stages[1].padding == (1, 1)
    assert (type(pooled.stages[0]), pooled.stages[0].size, mean.delay) == (MaxPooling, (2, 2), 1)
    assert 0 < np.count_nonzero(last.stages[0].weight) < 10


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_integer_archive_of_every_version_is_read(version):
    """From version 2 on, integer neurons may have a floor."""
    network = archive.read_integer(FILES / f"integer_{version}.safetensors")
    floors = [population.neuron.floor for population in network.neurons]
    assert [floor is None for floor in floors] == [version == 1] + [True] * (len(floors) - 1)
    assert network.bounds.keys() == {population.name for population in network.neurons}
    assert all(bound.u_max > 0 for bound in network.bounds.values())


def test_archive_of_a_network_that_codes_its_input_is_read():
    """From version 4 on, a source may have a coding."""
    codings = {
        name: archive.read(FILES / f"{name}.safetensors").source.neuron.coding for name in ("float_3", "float_4")
    }
    assert codings == {"float_3": None, "float_4": Coding(encoder="rsc", seed=7, settings=(("sigma", 0.25),))}


@pytest.mark.parametrize("version", [3, 4])
def test_archive_of_a_network_whose_input_are_biases_is_read(version):
    """From version 3 on, a network may be a `BiasNetwork`."""
    network = archive.read_integer(FILES / f"bias_{version}.safetensors")
    assert type(network) is BiasNetwork
    assert [projection.target for projection in network.host] == ["conv1"]
    assert network.bounds == bounds.prove(network)


@pytest.mark.parametrize("kind", ["float", "integer", "bias"])
def test_archive_of_this_version_is_written_as_it_was(kind):
    path = FILES / f"{kind}_{archive.VERSION}.safetensors"
    assert archive.to_bytes(archive.read(path)) == path.read_bytes()


def test_names_of_types_in_files_are_fixed():
    assert tuple(sorted(archive._CLASSES)) == NAMES


def changed(data, change):
    """Return the bytes of an archive with its description changed."""
    size = int.from_bytes(data[:8], "little")
    text = json.loads(data[8 : 8 + size])["__metadata__"][archive.KEY]
    return save(load(data), {archive.KEY: change(text)})


def test_older_description_goes_through_every_upgrade(monkeypatch):
    """In version 3 of this test, `steps` was called `length` in version 2 and `duration` in version 1."""
    data = archive.to_bytes(archive.read(FILES / "integer_1.safetensors"))
    data = changed(data, lambda text: text.replace(f"network {archive.VERSION}", "network 1"))
    old = changed(data, lambda text: text.replace('"steps"', '"duration"'))

    def renamed(before, after):
        def upgrade(description):
            values = description["network"]["fields"]
            values[after] = values.pop(before)
            return description

        return upgrade

    with pytest.raises(ArchiveError, match=r"duration is 8; expected no such field|duration"):
        archive.from_bytes(old)
    monkeypatch.setattr(archive, "VERSION", 3)
    monkeypatch.setattr(archive, "_UPGRADES", {1: renamed("duration", "length"), 2: renamed("length", "steps")})
    network = archive.from_bytes(old)
    assert isinstance(network, IntegerNetwork)
    assert archive.to_bytes(network) == changed(data, lambda text: text.replace("network 1", "network 3"))


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("spikeport network 5", "written by a newer spikeport, as version 5 of the format; this one reads 4"),
        ("spikeport network 0", "format is 'spikeport network 0'; expected 'spikeport network 4'"),
        ("spikeport network one", "format is 'spikeport network one'"),
        ("spikeport network", "format is 'spikeport network'"),
        ("torch network 1", "format is 'torch network 1'"),
    ],
)
def test_other_versions_are_named(tmp_path, version, message):
    path = tmp_path / "other.safetensors"
    data = (FILES / "float_1.safetensors").read_bytes()
    path.write_bytes(changed(data, lambda text: text.replace("spikeport network 1", version)))
    with pytest.raises(ArchiveError, match=rf"other\.safetensors: .*{message}"):
        archive.read(path)


def test_upgrade_may_not_return_something_else(monkeypatch):
    monkeypatch.setattr(archive, "VERSION", 2)
    monkeypatch.setattr(archive, "_UPGRADES", {1: lambda _: {}})
    with pytest.raises(ArchiveError, match="'network' is missing"):
        archive.read(FILES / "float_1.safetensors")
    monkeypatch.undo()
    assert isinstance(archive.read(FILES / "float_1.safetensors"), FloatNetwork)
