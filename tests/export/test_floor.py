"""The floor of the potential: the same in every executor, through quantization, and refused where it cannot be said."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikeport.export import bounds, fidelity, passes
from spikeport.export.errors import FormatError, NetworkError, QuantizationError
from spikeport.export.executors import fast, floating, onnx, reference
from spikeport.export.formats import netx, nir, nir_portable
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
from spikeport.export.nir_import.graph import read
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record

CASE = Path(__file__).parent / "floor_case"


def integers(**neuron):
    """Two inputs of weights 1 and -3, one neuron, no readout behind it."""
    values = {"threshold": np.array(1), "bias_mantissa": np.zeros(()), **neuron}
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(2,), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="a", shape=(1,), neuron=IntegerNeuron(**values)),
        ),
        projections=(IntegerProjection(source="input", target="a", synapses=Dense(weight=np.int8([[1, -3]]))),),
        steps=6,
    )


FRAMES = np.array([[[0, 1], [0, 1], [1, 0], [1, 0], [1, 0], [1, 0]]])


@pytest.mark.parametrize(
    ("neuron", "expected"),
    [
        ({}, [0, 0, 0, 0, 0, 0]),
        ({"floor": -1}, [0, 0, 0, 0, 1, 0]),
        ({"floor": 0}, [0, 0, 0, 1, 0, 1]),
        ({"floor": 0, "reset_by": 5}, [0, 0, 0, 1, 0, 1]),
        ({"floor": -1, "reset_to": -3}, [0, 0, 0, 0, 1, 0]),
        ({"floor": 2, "threshold": 2}, [0, 0, 1, 1, 1, 1]),
        ({"floor": [-131072]}, [0, 0, 0, 0, 0, 0]),
    ],
)
def test_potential_ends_no_step_below_its_floor(neuron, expected):
    network = integers(**neuron)
    for executor in (reference, fast, onnx):
        spikes = record(executor.steps(network, stimulus(FRAMES, network)))["a"]
        assert spikes[0, :, 0].astype(int).tolist() == expected


def test_readout_has_a_floor_too():
    network = integers(threshold=None, floor=-2)
    for executor in (reference, fast, onnx):
        potential = record(executor.steps(network, stimulus(FRAMES, network)))["a"]
        assert (potential[0, :, 0] / 64).tolist() == [-2, -2, -1, 0, 1, 2]


def floats(**neuron):
    values = {"threshold": np.array(1.0), **neuron}
    return FloatNetwork(
        populations=(
            FloatPopulation(name="input", shape=(2,), neuron=Source(levels=1, unit=1.0)),
            FloatPopulation(name="a", shape=(1,), neuron=FloatNeuron(**values)),
        ),
        projections=(FloatProjection(source="input", target="a", stages=(Dense(weight=np.array([[0.5, -1.5]])),)),),
        steps=6,
    )


@pytest.mark.parametrize("threshold", [np.array(1.0), None])
def test_float_network_and_its_integers_agree(threshold):
    network = floats(threshold=threshold, floor=-1.0)
    given = stimulus(FRAMES, network)
    found = [record(executor.steps(network, given))["a"] for executor in (floating, onnx)]
    assert np.allclose(found[0], found[1])
    small = quantize(network)
    after = record(reference.steps(small, stimulus(FRAMES, small)))["a"]
    assert np.allclose(found[0], after if threshold is not None else after / (64 * small.neurons[0].neuron.scale))
    assert found[0].any()


def test_sinabs_floor_of_minus_the_threshold_keeps_its_spikes_in_integers():
    """sinabs 3.1.3: neuron '1' of this file fires at steps 2 to 5; without its floor never."""
    network, _ = read(CASE / "s.nir", steps=6, dialect="sinabs")
    frames = np.load(CASE / "x.npy")
    for floor, expected in ((True, [0, 0, 1, 1, 1, 1]), (False, [0, 0, 0, 0, 0, 0])):
        populations = tuple(
            replace(p, neuron=replace(p.neuron, most=1, floor=-p.neuron.threshold if floor else None))
            if p.name == "1"
            else p
            for p in network.populations
        )
        small = quantize(passes.folded(replace(network, populations=populations)))
        for executor in (reference, fast, onnx):
            spikes = record(executor.steps(small, stimulus(frames, small)))["1"]
            assert spikes.reshape(6).astype(int).tolist() == expected


def test_floor_below_every_potential_is_the_smallest_that_is_held():
    network = quantize(floats(floor=-1e9))
    assert network.neurons[0].neuron.floor == -131072
    assert not record(reference.steps(network, stimulus(FRAMES, network)))["a"].any()


@pytest.mark.parametrize(
    ("neuron", "message"),
    [
        ({"floor": -1e-6}, "a: floor is too small for Loihi's integers"),
        ({"floor": 1.0 - 1e-6}, "a: floor and threshold are less than a unit apart in Loihi's integers"),
    ],
)
def test_floor_that_rounding_changes_is_refused(neuron, message):
    with pytest.raises(QuantizationError, match=message):
        quantize(floats(**neuron))


def test_floor_is_a_register():
    with pytest.raises(NetworkError, match=r"floor lies in -131072\.\.131071, found -131073"):
        integers(floor=-131073)


def test_formats_that_cannot_say_a_floor_refuse_it(tmp_path):
    network = integers(floor=-1)
    for writer, name in ((nir, "NIR"), (nir_portable, "NIR"), (netx, "netx")):
        with pytest.raises(FormatError, match=f"population a has a floor of its potential, which {name} cannot say"):
            writer.write(network, tmp_path / "a.file")
    assert list(tmp_path.iterdir()) == []


def test_floor_keeps_the_potential_in_its_register():
    """Inhibition alone would leave the register after some thousand steps; the floor ends it."""
    low = integers(floor=-100)
    long = replace(low, steps=100_000, projections=(replace(low.projections[0], exponent=7),))
    assert bounds.is_safe(long)
    first, second = long.populations
    free = replace(second, neuron=replace(second.neuron, floor=None))
    assert not bounds.is_safe(replace(long, populations=(first, free)))


@pytest.mark.lava
def test_lava_has_a_neuron_with_a_floor():
    for network in (integers(floor=-1), integers(threshold=None, floor=-2), integers(floor=[0], reset_by=5)):
        found = fidelity.check(network, stimulus(FRAMES, network), ["lava"])[0]
        assert found["lava"].mismatches == 0
