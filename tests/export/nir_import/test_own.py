"""A NIR file of ours goes through ``quantize`` and comes back as the integers that it was written from."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given

import spikeport
from spikeport.export import archive, bounds
from spikeport.export.errors import FormatError
from spikeport.export.executors import reference
from spikeport.export.formats import nir
from spikeport.export.lava.doctor import small_network
from spikeport.export.nir_import import own
from spikeport.export.stimulus import random_stimulus
from spikeport.export.trace import record
from tests.strategies import cases, integer_networks

NETWORK = small_network()


@given(network=integer_networks(leaky=False, resets=("zero", "value")))
@cases(40)
def test_integers_come_back(tmp_path_factory, network):
    """The same bytes of an archive, but for parameters that were written out for every neuron."""
    path = tmp_path_factory.mktemp("own") / "network.nir"
    nir.write(network, path, unproven=True)
    found = own.integers(path)
    assert [p.name for p in found.populations] == [p.name for p in network.populations]
    assert found.source.neuron == network.source.neuron
    assert [described(p) for p in network.projections] == [described(p) for p in found.projections]
    for ours, theirs in zip(network.neurons, found.neurons, strict=True):
        for name in ("bias_mantissa", "reset_to", "decay_u", "decay_v"):
            values = (np.broadcast_to(getattr(each.neuron, name), ours.shape) for each in (ours, theirs))
            assert np.array_equal(*values), name
        assert (ours.neuron.scale, ours.neuron.bias_exponent) == (theirs.neuron.scale, theirs.neuron.bias_exponent)
        if ours.neuron.threshold is None:
            assert theirs.neuron.threshold is None
        else:
            levels = (np.broadcast_to(each.neuron.level, ours.shape) for each in (ours, theirs))
            assert np.array_equal(*levels)
    assert found.bounds == bounds.prove(network)


def described(projection):
    weight = projection.synapses.weight
    return (projection.source, projection.target, projection.exponent, projection.delay, weight.shape, weight.tobytes())


def test_demo_network_comes_back_with_the_same_digest(tmp_path):
    integers = spikeport.quantize("examples/digits/network_float.safetensors").network
    spikeport.export_network(integers, tmp_path / "network.nir", to="nir")
    back = spikeport.quantize(tmp_path / "network.nir")
    assert archive.digest(back.network) == archive.digest(integers)
    assert back.assumptions == (f"read {tmp_path / 'network.nir'}: the integers that spikeport wrote",)


def test_other_weight_bits_read_the_file_as_real_numbers(tmp_path):
    nir.write(NETWORK, tmp_path / "network.nir")
    settings = spikeport.QuantizeSettings(weight_bits=4)
    made = spikeport.quantize(tmp_path / "network.nir", settings=settings).network
    assert all(np.abs(p.synapses.weight).max() <= 7 for p in made.projections)


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: kept["neurons"]["conv1"].__setitem__(0, 2 * kept["neurons"]["conv1"][0]),
        lambda kept: kept["projections"].update({next(iter(kept["projections"])): [1, 0]}),
        lambda kept: kept["projections"].update(more=[0, 0]),
        lambda kept: kept["neurons"].update(other=[1.0, 0]),
        lambda kept: kept["neurons"].update(conv1=[float("nan"), 0]),
        lambda kept: kept["neurons"].update(conv1=5),
        lambda kept: kept.pop("unit"),
        lambda kept: kept.update(neurons=[1, 2]),
    ],
)
def test_metadata_that_do_not_fit_the_numbers_are_refused(tmp_path, damage):
    path = tmp_path / "network.nir"
    nir.write(NETWORK, path)
    with h5py.File(path, "r+") as file:
        entry = file[f"node/metadata/{own.KEY}"]
        kept = json.loads(entry[()])
        damage(kept)
        entry[()] = json.dumps(kept).encode()
    with pytest.raises(
        FormatError, match=r"network\.nir: the numbers are not the integers that the metadata 'integers'"
    ):
        own.integers(path)


def test_weights_that_another_program_changed_are_refused(tmp_path):
    path = tmp_path / "network.nir"
    nir.write(NETWORK, path)
    with h5py.File(path, "r+") as file:
        weight = file["node/nodes/input_to_conv1/weight"]
        weight[...] = weight[...] * 1.01
    with pytest.raises(FormatError, match=r"the weights of input_to_conv1 are others"):
        own.integers(path)


def test_file_of_an_earlier_version_is_read_as_real_numbers(tmp_path):
    """Without that entry the scale is chosen anew; the spikes are the same."""
    path = tmp_path / "network.nir"
    nir.write(NETWORK, path)
    with h5py.File(path, "r+") as file:
        del file[f"node/metadata/{own.KEY}"]
    assert own.integers(path) is None
    made = spikeport.quantize(path).network
    driven = random_stimulus(NETWORK, 20, 0)
    ours = record(reference.steps(NETWORK, driven))
    theirs = record(reference.steps(made, replace(driven)))
    for population in NETWORK.spiking:
        assert np.array_equal(ours[population.name], theirs[population.name])


def test_levels_that_contradict_the_metadata_are_refused(tmp_path):
    path = tmp_path / "network.nir"
    spikeport.export_network(small_network(), path, to="nir")
    for told in (None, 255):
        assert (
            spikeport.import_nir(path, settings=spikeport.ImportSettings(levels=told)).network.source.neuron.levels
            == 255
        )
    with pytest.raises(FormatError, match=r"network\.nir: its metadata say 255 levels, 15 are told; expected the same"):
        spikeport.import_nir(path, settings=spikeport.ImportSettings(levels=15))
