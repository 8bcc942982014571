"""The file of Loihi 1's registers, read back, is the network: a chip that runs it gives the reference's spikes."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import biases
from spikeport.export.errors import FormatError, NetworkError
from spikeport.export.executors import reference
from spikeport.export.formats import loihi1
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
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import record
from tests.oracles.hardware.emulators.chip import load, synapses
from tests.strategies import integer_networks, seeds


def chip_run(chip):
    """Run a file as its description says, one step per spike: the potentials and spikes of each population."""
    state = {each.name: np.zeros((2, each.size), np.int64) for each in chip.neurons}
    fired = {name: [np.zeros(each.size, bool)] * 64 for name, each in chip.populations.items()}
    lists = [(p, synapses(p, p.weights, chip.populations[p.source].shape)) for p in chip.projections]
    rows = {each.name: [] for each in chip.neurons}
    for step in range(chip.steps + chip.last_start):
        now = {
            chip.source.name: chip.spikes[step].astype(bool) if step < chip.steps else fired[chip.source.name][-1] * 0
        }
        for each in chip.neurons:
            arrived = np.zeros(each.size, np.int64)
            for projection, (sources, targets, weights) in lists:
                if projection.target == each.name:
                    active = fired[projection.source][projection.delay][sources]
                    np.add.at(arrived, targets, weights * active)
            u, v = state[each.name]
            r = {name: values.astype(np.int64) for name, values in each.registers.items()}
            bias = (r["bias_mantissa"] << r["bias_exponent"]) * (step >= each.start)
            u = np.sign(u) * (np.abs(u) * (4095 - r["decay_u"]) >> 12) + arrived
            v = np.sign(v) * (np.abs(v) * (4096 - r["decay_v"]) >> 12) + u + bias
            now[each.name] = v > r["threshold_mantissa"] << 6
            state[each.name] = np.stack([u, np.where(now[each.name], 0, v)])
            if each.start <= step < each.start + chip.steps:
                rows[each.name].append((state[each.name][1], now[each.name]))
        fired = {name: [now[name].astype(bool), *past[:-1]] for name, past in fired.items()}
    return {name: [np.array(kind) for kind in zip(*found, strict=True)] for name, found in rows.items()}


def spiking(network):
    """Return the network with spikes as input, thresholds above zero and decays that Loihi 1 holds."""

    def neuron(each):
        if isinstance(each, Source):
            return Source(levels=1)
        fields = {name: getattr(each, name) for name in ("bias_mantissa", "bias_exponent")}
        threshold = None if each.threshold is None else np.maximum(each.threshold, 1)
        decays = {"decay_u": np.maximum(each.decay_u, 1), "decay_v": np.minimum(each.decay_v, 4095)}
        return IntegerNeuron(threshold=threshold, **fields, **decays)

    populations = tuple(
        IntegerPopulation(name=p.name, shape=p.shape, neuron=neuron(p.neuron)) for p in network.populations
    )
    return IntegerNetwork(populations=populations, projections=network.projections, steps=network.steps)


@given(drawn=integer_networks(resets=("zero",)), seed=seeds, rate=st.sampled_from([0.2, 0.7]))
def test_file_holds_the_network_with_delays_loops_and_biases(tmp_path_factory, drawn, seed, rate):
    network, path = spiking(drawn), tmp_path_factory.mktemp("loihi1") / "network.npz"
    try:
        loihi1.write(network, path)
    except (FormatError, NetworkError) as error:
        assert "loop" in str(error) or "weights from" in str(error) or "can reach" in str(error)
        return
    spikes = np.random.default_rng(seed).random((network.steps, *network.source.shape)) < rate
    np.save(path.with_suffix(".spikes.npy"), spikes.reshape(len(spikes), -1))
    found = chip_run(load(path))
    stimulus = Stimulus(values=spikes[None].astype(np.uint8), steps=network.steps, held=False)
    trace = record(reference.steps(network, stimulus))
    for population in network.neurons:
        silent = population.neuron.threshold is None
        expected = trace[population.name].reshape(network.steps, -1)
        assert np.array_equal(found[population.name][0 if silent else 1], expected), population.name


def test_description_says_names_starts_and_geometry(tmp_path):
    dense = Dense(weight=np.array([[1, -1]], np.int8))
    neuron = IntegerNeuron(threshold=np.array(1), bias_mantissa=np.array(3), bias_exponent=2)
    populations = (
        IntegerPopulation(name="input", shape=(2,), neuron=Source(levels=1)),
        IntegerPopulation(name="a", shape=(1,), neuron=neuron),
        IntegerPopulation(name="b", shape=(1,), neuron=IntegerNeuron(threshold=None, bias_mantissa=np.array(0))),
    )
    projections = (
        IntegerProjection(source="input", target="a", synapses=dense),
        IntegerProjection(source="input", target="b", synapses=dense),
        IntegerProjection(source="a", target="b", synapses=Dense(weight=np.array([[5]], np.int8)), exponent=2),
    )
    network = IntegerNetwork(populations=populations, projections=projections, steps=3)
    loihi1.write(network, tmp_path / "a.npz")
    arrays = np.load(tmp_path / "a.npz")
    told = json.loads(str(arrays["description"]))
    assert (told["format"], told["version"], told["steps"]) == ("loihi1", 1, 3)
    assert [(each["name"], each["shape"], each["start"]) for each in told["populations"]] == [
        ("input", [2], 0), ("a", [1], 1), ("b", [1], 2),
    ]  # fmt: skip
    assert [(each["delay"], each["weight_exponent"], each["sign_mode"]) for each in told["projections"]] == [
        (0, -7, "mixed"), (1, -7, "mixed"), (0, -3, "excitatory"),
    ]  # fmt: skip
    assert arrays["projections/2/mantissa"].tolist() == [[160]]
    assert (arrays["populations/1/bias_mantissa"], arrays["populations/1/bias_exponent"]) == ([3], [2])
    assert (arrays["populations/1/decay_u"], arrays["populations/2/threshold_mantissa"]) == ([4095], [131071])


def test_refused_network_leaves_no_file(tmp_path):
    source = IntegerPopulation(name="input", shape=(1,), neuron=Source(levels=255))
    neuron = IntegerPopulation(name="a", shape=(1,), neuron=IntegerNeuron(threshold=1, bias_mantissa=0))
    synapses = IntegerProjection(source="input", target="a", synapses=Dense(weight=np.ones((1, 1), np.int8)))
    with pytest.raises(FormatError, match="a spike of Loihi 1 is one bit"):
        loihi1.write(IntegerNetwork(populations=(source, neuron), projections=(synapses,), steps=1), tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_host_of_an_image_finds_its_weights_and_the_chip_the_rest(tmp_path):
    rng, kernel = (
        np.random.default_rng(0),
        Convolution(weight=np.array([[[[3, -2], [0, 100]]]], np.int8), padding=(1, 0)),
    )
    neuron = IntegerNeuron(threshold=np.array(500), bias_mantissa=np.array(-77))
    populations = (
        IntegerPopulation(name="image", shape=(1, 3, 3), neuron=Source(levels=255)),
        IntegerPopulation(name="a", shape=(1, 4, 2), neuron=neuron),
        IntegerPopulation(name="b", shape=(2,), neuron=IntegerNeuron(threshold=None, bias_mantissa=np.array(0))),
    )
    projections = (
        IntegerProjection(source="image", target="a", synapses=kernel, exponent=1),
        IntegerProjection(source="a", target="b", synapses=Dense(weight=np.full((2, 8), 3, np.int8))),
    )
    network = BiasNetwork(populations=populations, projections=projections, steps=5)
    loihi1.write(network, tmp_path / "a.npz")
    arrays = np.load(tmp_path / "a.npz")
    told = json.loads(str(arrays["description"]))
    assert [(each["source"], each["target"]) for each in told["projections"]] == [("a", "b")]
    (host,) = told["host"]
    assert (host["source"], host["target"], host["weight_exponent"], host["padding"]) == ("image", "a", 1, [1, 0])
    image = rng.integers(0, 256, (1, 3, 3))
    geometry = {name: host[name] for name in ("stride", "padding", "dilation", "groups")}
    on_host = SimpleNamespace(**geometry)
    sources, targets, weights = synapses(on_host, arrays["host/0/weight"].astype(int), (1, 3, 3))
    drive = np.full(8, -77)
    np.add.at(drive, targets, 64 * (weights << host["weight_exponent"]) * image.reshape(-1)[sources])
    assert np.array_equal(drive, biases.drives(network, image[None])["a"].reshape(-1))
    assert (arrays["populations/1/bias_mantissa"] << arrays["populations/1/bias_exponent"]).tolist() == [-77] * 8


def test_sums_of_the_host_are_no_load_of_the_accumulator(tmp_path):
    """A pixel of 255 levels and weight 127 is beyond 21 bits of synapses, but not beyond the bias register."""
    one = IntegerNeuron(threshold=np.array(1000), bias_mantissa=np.array(0))
    populations = (
        IntegerPopulation(name="image", shape=(2,), neuron=Source(levels=255)),
        IntegerPopulation(name="a", shape=(1,), neuron=one),
    )
    both = IntegerProjection(source="image", target="a", synapses=Dense(weight=np.full((1, 2), 127, np.int8)))
    network = BiasNetwork(populations=populations, projections=(both,), steps=1)
    loihi1.write(network, tmp_path / "a.npz")
    with pytest.raises(FormatError, match="a spike of Loihi 1 is one bit"):
        loihi1.write(IntegerNetwork(populations=populations, projections=(both,), steps=1), tmp_path / "b.npz")
