"""Float networks as NIR: the file gives the same spikes, or is refused and not written."""

from dataclasses import replace

import nir as nir_package
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spikeport.export.errors import FormatError
from spikeport.export.executors import floating
from spikeport.export.formats import nir_float
from spikeport.export.network import (
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    MaxPooling,
    Source,
)
from spikeport.export.nir_import.graph import read
from spikeport.export.passes import folded
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.strategies import float_networks, inputs, seeds


@st.composite
def networks(draw):
    """Draw trained networks with leaks, synaptic currents, biases, resets to a value, and delays."""
    network, rng = draw(float_networks()), np.random.default_rng(draw(seeds))
    populations = []
    for population in network.populations:
        neuron = population.neuron
        if isinstance(neuron, FloatNeuron):
            decay = rng.choice([0.0, 0.25, 1.0, rng.uniform(0.01, 0.99)], draw(st.sampled_from([(), population.shape])))
            neuron = replace(
                neuron,
                reset_by=None if draw(st.integers(0, 9)) else neuron.reset_by,
                decay_potential=decay,
                decay_current=np.array(draw(st.sampled_from([1.0, 1.0, 0.3]))),
                bias=rng.normal(0, 0.3, draw(st.sampled_from([(), population.shape]))) * draw(st.integers(0, 1)),
                inclusive=draw(st.booleans()),
                reset_to=np.array(draw(st.sampled_from([0.0, -0.5]))),
            )
        populations.append(replace(population, neuron=neuron))
    return replace(network, populations=tuple(populations))


@given(data=st.data(), network=networks())
def test_the_file_gives_the_same_spikes_or_is_refused(tmp_path_factory, data, network):
    path, network = tmp_path_factory.mktemp("nir") / "network.nir", folded(network)
    sources = {projection.source for projection in network.projections if projection.source != projection.target}
    assume(sum(population.name not in sources for population in network.neurons) == 1)  # one readout
    try:
        nir_float.write(network, path)
    except FormatError as error:
        assert not list(path.parent.iterdir())
        resets = any(p.neuron.reset_by is not None for p in network.spiking)
        assert resets or "a synaptic current, a bias and no leak" in str(error), error
        return
    restored = nir_float.read_back(path)
    driven = stimulus(data.draw(inputs(network)), network)
    ours, theirs = record(floating.steps(network, driven)), record(floating.steps(restored, driven))
    for population in network.spiking:
        assert np.array_equal(ours[population.name], theirs[population.name])
    for population in network.silent:
        expected, found = ours[population.name], theirs[population.name]
        assert np.all(np.abs(expected - found) <= np.abs(expected).max(initial=0) * 2.0**-40)


def small(neuron, **changes):
    """Return two inputs, one neuron ``n`` that gets their sum, and a readout."""
    populations = (
        FloatPopulation(name="input", shape=(2,), neuron=Source(levels=1, unit=0.5)),
        FloatPopulation(name="n", shape=(1,), neuron=neuron),
        FloatPopulation(name="readout", shape=(1,), neuron=FloatNeuron(threshold=None)),
    )
    projections = (
        FloatProjection(source="input", target="n", stages=(Dense(weight=np.array([[0.1, 0.2]])),)),
        FloatProjection(source="n", target="readout", stages=(Dense(weight=np.ones((1, 1))),), delay=2),
    )
    return replace(FloatNetwork(populations=populations, projections=projections, steps=8), **changes)


def test_the_nir_package_reads_the_nodes(tmp_path):
    neuron = FloatNeuron(threshold=np.array(1.0), decay_potential=np.array(0.25), decay_current=np.array(0.5))
    nir_float.write(small(neuron), tmp_path / "n.nir")
    nodes = nir_package.read(tmp_path / "n.nir").nodes
    assert type(nodes["n"]).__name__ == "CubaLIF"
    assert (nodes["n"].tau_mem, nodes["n"].tau_syn, nodes["n"].r, nodes["n"].w_in) == (4, 2, 4, 2)
    assert nodes["n"].v_threshold.dtype == np.float64
    assert nodes["n"].v_threshold < 1.0 == np.nextafter(nodes["n"].v_threshold, 2)
    assert type(nodes["readout"]).__name__ == "I"


def test_a_threshold_that_fires_where_it_is_met_still_does_and_units_are_kept(tmp_path):
    """Half a unit times 0.1 + 0.2 is exactly the threshold after one step."""
    met = 0.5 * 0.1 + 0.5 * 0.2
    for inclusive in (True, False):
        network = small(FloatNeuron(threshold=np.array(met), inclusive=inclusive))
        nir_float.write(network, tmp_path / f"{inclusive}.nir")
        restored = read(tmp_path / f"{inclusive}.nir")[0]
        assert restored.source.neuron == network.source.neuron
        spikes = record(floating.steps(restored, stimulus(np.array([[1, 1]]), restored)))["n"]
        assert bool(spikes[0, 0, 0]) is inclusive


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"most": None}, "population n fires several times a step, which NIR cannot say"),
        ({"reset_by": np.array(1.0)}, "population n resets by subtraction"),
        ({"reset_by": np.array(1.0), "overhang": True}, "population n resets by subtraction"),
        ({"refractory": 2}, "population n rests after a spike"),
        ({"floor": np.array(-1.0)}, "population n has a floor under its potential"),
        (
            {"decay_current": np.array(0.5), "bias": np.array(0.1)},
            "population n has a synaptic current, a bias and no leak",
        ),
        (
            {"decay_potential": np.array(0.25 + 1e-8)},
            "its file would be read as another one: population n has other neurons",
        ),
    ],
)
def test_what_nir_cannot_say_is_refused_and_nothing_written(tmp_path, fields, message):
    with pytest.raises(FormatError, match=message):
        nir_float.write(small(FloatNeuron(threshold=np.array(1.0), **fields)), tmp_path / "n.nir")
    assert not list(tmp_path.iterdir())


def test_populations_that_folding_adds_are_named_as_the_reason(tmp_path):
    network = small(FloatNeuron(threshold=np.array(1.0)))
    shapes = {"input": (2,), "n": (1, 2, 2), "readout": (1,)}
    populations = tuple(replace(p, shape=shapes[p.name]) for p in network.populations)
    stages = (MaxPooling(size=(2, 2), stride=(2, 2)), Dense(weight=np.ones((1, 1))))
    projections = (
        replace(network.projections[0], stages=(Dense(weight=np.ones((4, 2))),)),
        replace(network.projections[1], stages=stages),
    )
    pooled = replace(network, populations=populations, projections=projections)
    with pytest.raises(FormatError, match=r"folding adds or removes populations \(n_pool\)"):
        nir_float.write(pooled, tmp_path / "n.nir")
    nir_float.write(folded(pooled), tmp_path / "n.nir")
