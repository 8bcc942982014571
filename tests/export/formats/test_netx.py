"""lava-dl's format: written and read back equal, recorded outputs come out, and netx itself runs it in Lava."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import archive
from spikeport.export.errors import FormatError, OutputError
from spikeport.export.executors import reference
from spikeport.export.formats import netx
from spikeport.export.lava import environment
from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.netx_reader import DIALECTS
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from tests.spent import processor_seconds
from tests.strategies import cases, inputs, integer_networks, reshaped_networks

SHARED = Path(os.environ.get("SPIKEPORT_NETX_DATA", Path(__file__).parents[4] / "shared" / "data" / "netx"))
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"lava-dl's recordings are not in {SHARED}")


def chain(seed=0, *, levels=255, steps=6, spiking=True):
    """Conv, strided conv with bias, dense; thresholds and decays one a layer."""
    rng = np.random.default_rng(seed)
    shapes = [(2, 8, 7), (3, 8, 7), (4, 4, 4)]
    kernels = [(3, 2, 3, 3), (4, 3, 3, 3)]
    populations = [IntegerPopulation(name="input", shape=shapes[0], neuron=Source(levels=levels, unit=1 / levels))]
    projections = []
    for index, (shape, kernel) in enumerate(zip(shapes[1:], kernels, strict=True)):
        neuron = IntegerNeuron(
            threshold=int(rng.integers(20, 60)) * (levels if index == 0 else 1),
            bias_mantissa=64 * rng.integers(-5, 6, (shape[0], 1, 1) if index else shape), bias_exponent=0,
            decay_u=4096 if index else 3000, decay_v=0 if index else 500,
        )  # fmt: skip
        populations.append(IntegerPopulation(name=f"conv{index + 1}", shape=shape, neuron=neuron))
        synapses = Convolution(
            weight=rng.integers(-20, 21, kernel).astype(np.int8), padding=(1, 1), stride=(1 + index,) * 2
        )
        projections.append(
            IntegerProjection(source=populations[-2].name, target=f"conv{index + 1}", synapses=synapses, exponent=index)
        )
    neuron = IntegerNeuron(threshold=40 if spiking else None, bias_mantissa=64 * rng.integers(-5, 6, 5))
    populations.append(IntegerPopulation(name="dense1", shape=(5,), neuron=neuron))
    weight = rng.integers(-127, 128, (5, 64)).astype(np.int8)
    projections.append(IntegerProjection(source="conv2", target="dense1", synapses=Dense(weight=weight)))
    return IntegerNetwork(populations=tuple(populations), projections=tuple(projections), steps=steps)


@given(seed=st.integers(0, 1000))
@cases(40)
def test_round_trip_keeps_every_spike(tmp_path_factory, seed):
    network = chain(seed)
    path = tmp_path_factory.mktemp("netx") / "network.net"
    netx.write(network, path)
    restored = netx.read(path, steps=network.steps, levels=255)
    images = np.random.default_rng(seed).integers(0, 256, (3, *network.source.shape))
    before, after = (record(reference.steps(n, stimulus(images, n))) for n in (network, restored))
    for old, new in zip(network.neurons, restored.neurons, strict=True):
        assert np.array_equal(before[old.name], after[new.name])
        assert before[old.name].any()


@given(data=st.data(), network=integer_networks())
def test_what_is_written_is_the_network_and_the_rest_is_refused(tmp_path_factory, data, network):
    path = tmp_path_factory.mktemp("netx") / "network.net"
    try:
        netx.write(network, path)
    except FormatError as error:
        assert "netx" in str(error)
        assert not path.exists()
        return
    restored = netx.read(path, steps=network.steps, levels=network.source.neuron.levels)
    driven = data.draw(inputs(network))
    before, after = (record(reference.steps(n, stimulus(driven, n))) for n in (network, restored))
    for old, new in zip(network.spiking, restored.spiking, strict=False):
        assert np.array_equal(before[old.name], after[new.name])


@given(
    data=st.data(), network=st.one_of(reshaped_networks(), integer_networks(resets=("zero",), delays=False, least=-3))
)
def test_what_is_written_gives_the_same_spikes_and_the_rest_is_refused(tmp_path_factory, data, network):
    """Convolutions into vectors, dense layers onto images, exponents up to 9, thresholds below zero."""
    path = tmp_path_factory.mktemp("netx") / "network.net"
    try:
        netx.write(network, path)
    except FormatError as error:
        assert "netx" in str(error)
        assert "would be read as another" not in str(error)
        assert not list(path.parent.iterdir())
        return
    restored = netx.read(path, steps=network.steps, levels=network.source.neuron.levels)
    driven = data.draw(inputs(network))
    before, after = (record(reference.steps(n, stimulus(driven, n))) for n in (network, restored))
    for old, new in zip(network.neurons, restored.neurons, strict=True):
        assert np.array_equal(before[old.name].reshape(after[new.name].shape), after[new.name])


def with_weights(index, **changes):
    network = chain()
    projections = list(network.projections)
    projections[index] = replace(projections[index], **changes)
    return replace(network, projections=tuple(projections))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (with_weights(0, exponent=12), "input -> conv1 has weights of exponent 12; netx holds 8 bits"),
        (
            with_weights(2, exponent=1, synapses=Dense(weight=np.full((5, 64), -128, np.int8))),
            r"conv2 -> dense1 has weights -256\.\.-256; netx holds -255\.\.254, where none is positive",
        ),
    ],
)
def test_weights_that_netx_would_change_are_refused(tmp_path, network, message):
    with pytest.raises(FormatError, match=message):
        netx.write(network, tmp_path / "network.net")
    assert list(tmp_path.iterdir()) == []


def test_sums_that_lava_wraps_are_refused(tmp_path):
    """Weights of 8 bits at exponent 7 over 64 spikes stay below 2^20; graded input of 16 bits does not."""
    network = with_weights(0, exponent=7)
    source = replace(network.source, neuron=Source(levels=2**16))
    wide = replace(network, populations=(source, *network.populations[1:]))
    with pytest.raises(FormatError, match=r"netx runs in Lava\. projection input -> conv1: sums of weights and inputs"):
        netx.write(wide, tmp_path / "network.net")
    assert list(tmp_path.iterdir()) == []


def test_file_that_reads_back_as_another_network_is_not_written(tmp_path, monkeypatch):
    """Faults of the writer: another number in any layer."""
    right = netx._file
    for key in ("weight", "bias", "neuron/iDecay", "neuron/vDecay", "neuron/vThMant", "stride", "padding"):

        def wrong(layers, key=key):
            layers[2][key] = layers[2][key] + 1
            return right(layers)

        monkeypatch.setattr(netx, "_file", wrong)
        with pytest.raises(FormatError, match="its file would be read as another one: "):
            netx.write(chain(), tmp_path / "network.net")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_a_sentence():
    with pytest.raises(OutputError, match="/dev/full: no space left"):
        netx.write(chain(), Path("/dev/full"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reset_by": 3}, "conv1 does not reset to zero, or fires at v == threshold; netx cannot say it"),
        ({"inclusive": True}, "conv1 does not reset to zero, or fires at v == threshold"),
        ({"threshold": np.arange(168).reshape(3, 8, 7)}, "conv1 has thresholds or decays of its own per neuron"),
        ({"bias_mantissa": 65}, "conv1 has a bias that is no multiple of 64"),
    ],
)
def test_what_netx_cannot_say_is_refused_with_the_way_out(tmp_path, change, message):
    network = chain()
    first = network.populations[1]
    changed = replace(first, neuron=replace(first.neuron, **change))
    populations = (network.populations[0], changed, *network.populations[2:])
    with pytest.raises(FormatError, match=message):
        netx.write(replace(network, populations=populations), tmp_path / "network.net")
    assert list(tmp_path.iterdir()) == []


def events(array, *, steps, neurons, column=2):
    """Return events (neuron, _, time) as spikes (steps, neurons)."""
    spikes = np.zeros((steps, neurons), np.uint8)
    spikes[np.rint(array[:, column]).astype(int), array[:, 0].astype(int)] = 1
    return spikes


@needs_data
def test_oxford_network_gives_its_recorded_output():
    """slayer's recording of the trained network, two steps later as it delays each layer by one."""
    steps = 1900
    network = netx.read(SHARED / "oxford.net", steps=steps, dialect="slayer-0.3")
    driven = events(np.load(SHARED / "oxford_input.npy"), steps=steps, neurons=200)
    found = record(reference.steps(network, stimulus(driven[None], network)))["dense2"][0]
    recorded = events(np.load(SHARED / "oxford_ground_truth.npy"), steps=steps, neurons=200).astype(bool)
    assert recorded.sum() == 10178
    assert np.array_equal(found[:-2], recorded[2:])


@needs_data
def test_small_convolutional_network_gives_its_recorded_layers():
    """Recorded frame 0 lies before the first step."""
    network = netx.read(SHARED / "tiny.net", steps=15)
    frames = np.load(SHARED / "tinynet_input.npy").astype(np.uint8)
    driven = np.moveaxis(frames, -1, 1)[:, 1:]
    trace = record(reference.steps(network, stimulus(driven, network)))
    for name, recording in (("conv1", "tinynet_layer1"), ("conv2", "tinynet_output")):
        recorded = np.moveaxis(np.load(SHARED / f"{recording}.npy"), -1, 1)[:, 1:].astype(bool)
        assert np.array_equal(trace[name], recorded)
        assert recorded.any()


@needs_data
def test_mnist_network_is_read_with_its_sizes():
    network = netx.read(SHARED / "mnist.net", steps=16)
    assert [p.shape for p in network.populations] == [(784,), (128,), (64,), (10,)]
    assert {int(p.neuron.decay_v) for p in network.neurons} == {410}
    with h5py.File(SHARED / "mnist.net") as file:
        for index, projection in enumerate(network.projections):
            weight = projection.synapses.weight.astype(int) << projection.exponent
            assert np.array_equal(weight, file[f"layer/{index}/weight"][()])


def break_file(path, change):
    with h5py.File(path, "a") as file:
        change(file)


def set_to(key, value):
    def change(file):
        del file[key]
        file[key] = value

    return change


FAULTS = {
    "no layers": (lambda f: f.pop("layer"), "'layer' is missing; expected a group"),
    "layer missing": (lambda f: f["layer"].pop("2"), "'layer' holds .*; expected groups 0, 1, 2"),
    "unknown layer": (set_to("layer/2/type", np.array([b"pool"])), "layer 2 is a 'pool'; netx does not load it either"),
    "no neuron": (lambda f: f["layer/1"].pop("neuron"), "'neuron' is missing; expected a group"),
    "sigma-delta": (
        set_to("layer/1/neuron/type", "SDNN"),
        "layer 1 .conv.: has SDNN neurons; sigma-delta neurons send graded changes of an activation, not spikes",
    ),
    "resonator": (set_to("layer/1/neuron/type", "RF_PHASE"), "layer 1 .conv.: has RF_PHASE neurons; its state is"),
    "other neuron": (set_to("layer/1/neuron/type", "X"), "layer 1 .conv.: has X neurons; expected CUBA or LOIHI"),
    "average": (set_to("layer/2/type", np.array([b"average"])), "layer 2 is a 'average'; it computes a mean"),
    "other block": (set_to("layer/2/type", np.array([b"x"])), "layer 2 is a 'x'; expected flatten, dense, dense_rec"),
    "empty layer": (lambda f: [f["layer/2"].pop(key) for key in list(f["layer/2"])], "layer 2 is empty, as slayer"),
    "fraction": (set_to("layer/1/weight", np.full((3, 2, 3, 3, 1), 0.5)), "weights are no whole numbers"),
    "too wide": (set_to("layer/1/weight", np.array([1, 99999] * 27).reshape(3, 2, 3, 3, 1)), "weights span 1..99999"),
    "NaN weight": (
        set_to("layer/1/weight", np.full((3, 2, 3, 3, 1), np.nan)),
        "weight holds numbers that are not finite",
    ),
    "threshold": (set_to("layer/1/neuron/vThMant", 2**20), "threshold lies in"),
    "decay": (set_to("layer/1/neuron/vDecay", 5000), "decay_v lies in 0..4096"),
    "text as number": (set_to("layer/1/neuron/iDecay", "slow"), "iDecay is the text 'slow'"),
    "bias": (set_to("layer/2/bias", np.full(4, 9999)), "bias_mantissa lies in"),
    "input shape": (set_to("layer/0/shape", np.array([2, 8])), "over 2 channels cannot read|shape"),
    "stride": (
        set_to("layer/1/stride", np.array([0, 1])),
        "stride is .0, 1.; expected one or two whole numbers from 1 to 65,536",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_file_is_named_with_its_place(tmp_path, fault):
    change, message = FAULTS[fault]
    path = tmp_path / "broken.net"
    netx.write(chain(), path)
    break_file(path, change)
    with pytest.raises(FormatError, match=rf"broken\.net: .*({message})"):
        netx.read(path, steps=4, levels=255)


def add(key, value):
    def change(file):
        file[key] = value

    return change


KEYS = {
    "graded spikes": (set_to("layer/1/neuron/gradedSpike", True), "gradedSpike is true; only neurons with binary"),
    "graded as number": (set_to("layer/1/neuron/gradedSpike", 1), "gradedSpike is 1; expected true or false"),
    "refractory": (set_to("layer/1/neuron/refDelay", 3), "refDelay is 3; only 1 is read"),
    "weight exponent": (add("layer/1/neuron/wgtExp", 2), "wgtExp is 2; only 0 is read"),
    "another theta": (add("layer/1/neuron/theta", 3), "theta is 3; expected 64 vThMant"),
    "unknown neuron key": (add("layer/1/neuron/leak", 3), "'neuron' has a key 'leak', which is not read; known are"),
    "unknown layer key": (add("layer/1/gain", 3), r"layer 1 .conv.: it has a key 'gain', which is not read"),
    "unknown input key": (add("layer/0/delay", 3), r"layer 0 .input. has a key 'delay', which is not read"),
    "unknown key": (add("version", 3), "the file has a key 'version', which is not read"),
    "unknown simulation key": (add("simulation/noise", 3), "'simulation' has a key 'noise', which is not read"),
    "fractional shape": (set_to("layer/1/shape", np.array([3, 8, 7.5])), "shape is .*; expected .* whole numbers"),
    "other shape": (set_to("layer/1/shape", np.array([3, 8, 8])), r"shape is \(3, 8, 8\); expected \(3, 8, 7\)"),
    "shape of more": (set_to("layer/1/shape", np.arange(1, 7)), "shape is .*; expected one, two, three or four whole"),
    "other flatten": (
        set_to("layer/3/shape", np.array([63])),
        r"layer 3 .flatten.: shape is \(63,\); expected \(64,\)",
    ),
    "other inputs": (set_to("layer/4/inFeatures", 63), "inFeatures is 63; expected 64 as in weight"),
    "other outputs": (set_to("layer/4/outFeatures", 4), r"weight has shape \(5, 64\); expected .* with 4 outputs"),
    "other channels": (set_to("layer/1/inChannels", 3), "inChannels is 3; expected 2 as in weight"),
    "other kernel": (
        set_to("layer/1/kernelSize", np.array([5, 5])),
        r"kernelSize is \[5, 5\]; expected \(3, 3\) as in",
    ),
    "stride": (set_to("layer/1/stride", np.array([2**62, 1])), "stride is .*; expected .* from 1 to 65,536"),
    "padding": (set_to("layer/1/padding", 10**9), "padding is .*; expected .* from 0 to 65,536"),
    "large padding": (
        set_to("layer/1/padding", 50_000),
        "layer 1 .conv.: padding .50000, 50000. of a kernel that reaches over 3 x 3",
    ),
    "NaN padding": (set_to("layer/1/padding", np.nan), "padding is nan; expected one or two whole numbers"),
    "groups": (set_to("layer/1/groups", np.zeros(0)), "groups is an empty array"),
    "delay": (add("layer/1/delay", 10**18), "delay is .*; expected .* from 0 to 100,000"),
    "negative delay": (add("layer/1/delay", -1), "delay is -1; expected"),
    "number of delays": (add("layer/1/delay", np.zeros(4)), "delay is .*; expected one, three or 168 whole numbers"),
    "truth weight": (set_to("layer/1/weight", np.ones((3, 2, 3, 3, 1), bool)), "weight is .*; expected numbers"),
    "empty weight": (set_to("layer/1/weight", np.ones((3, 2, 0, 3, 1))), "weight is an empty array"),
    "scalar weight": (set_to("layer/1/weight", 3.0), r"weight has shape \(\); expected"),
    "infinite bias": (set_to("layer/2/bias", np.full(4, np.inf)), "bias holds numbers that are not finite"),
    "recurrent": (set_to("layer/4/type", np.array([b"dense_rec"], "S10")), "layer 4 .dense_rec.: weight_rec is"),
    "no recurrence": (add("layer/4/weight_rec", np.zeros((5, 5))), "it has a key 'weight_rec', which is not read"),
    "norm": (add("layer/1/neuron/weight_exp", 2), "'neuron' has a key 'weight_exp', a power of two of slayer's batch"),
    "graded bits": (add("layer/1/neuron/messageBits", 8), "'neuron' has a key 'messageBits', the bits of graded"),
    "clipped weights": (set_to("layer/4/weight", np.resize([4.0, 300.0, -4.0], (5, 64))), "netx clips the weights"),
    "hidden readout": (set_to("layer/1/neuron/vThMant", 2**18 - 1), "never fires, and a layer reads it; only the last"),
}


@pytest.mark.parametrize("key", KEYS)
def test_key_that_changes_spikes_is_read_or_refused_by_name(tmp_path, key):
    change, message = KEYS[key]
    path = tmp_path / "other.net"
    netx.write(chain(), path)
    break_file(path, change)
    with pytest.raises(FormatError, match=rf"other\.net: .*({message})"):
        netx.read(path, steps=4, levels=255)


def add_input_neurons(path, **changes):
    """Give the input layer neurons as lava-dl's input blocks have them, with a weight and a bias."""
    neuron = {"type": "LOIHI", "iDecay": 4096, "vDecay": 1024, "vThMant": 25, "refDelay": 1, "wgtExp": 0, "theta": 1600}
    values = {**{f"neuron/{key}": value for key, value in neuron.items()}, "weight": [36.0], "bias": [34.0], **changes}
    with h5py.File(path, "a") as file:
        for key, value in values.items():
            if value is not None:
                file[f"layer/0/{key}"] = value


def test_neurons_of_the_input_layer_are_left_out_and_this_is_said(tmp_path):
    """The network is the one of a file without them."""
    netx.write(chain(levels=1), tmp_path / "plain.net")
    netx.write(chain(levels=1), tmp_path / "neurons.net")
    add_input_neurons(tmp_path / "neurons.net")
    read = {"steps": 6, "dialect": "lava", "levels": None}
    plain, nothing = netx.read_and_left_out(tmp_path / "plain.net", **read)
    network, said = netx.read_and_left_out(tmp_path / "neurons.net", **read)
    assert nothing == ()
    assert said == ("the neurons of the input layer (with weight and bias) are left out: the input is their spikes",)
    assert archive.to_bytes(network) == archive.to_bytes(plain)


INPUT_NEURONS = {
    "other type": ({"neuron/type": "SIGMA"}, "has SIGMA neurons; expected CUBA or LOIHI"),
    "decay": ({"neuron/vDecay": 5000}, "decay_v lies in 0..4096"),
    "threshold": ({"neuron/vThMant": np.nan}, "vThMant holds numbers that are not finite"),
    "unknown key": ({"neuron/leak": 3}, "'neuron' has a key 'leak', which is not read"),
    "missing": ({"neuron/iDecay": None}, "iDecay is missing"),
    "refractory": ({"neuron/refDelay": 2}, "refDelay is 2; only 1 is read"),
    "fraction": ({"weight": 0.5}, "weights are no whole numbers"),
    "many weights": ({"weight": np.ones(3)}, r"weight has shape \(3,\); expected one number, or 2, one per channel"),
    "many biases": ({"bias": np.ones(5)}, "bias"),
    "text": ({"bias": "much"}, "bias is the text 'much'"),
    "weight alone": (
        {f"neuron/{key}": None for key in ("type", "iDecay", "vDecay", "vThMant", "refDelay", "wgtExp", "theta")},
        "has a weight and no neurons; expected a neuron of CUBA or LOIHI",
    ),
}


@pytest.mark.parametrize("fault", INPUT_NEURONS)
def test_neurons_of_the_input_layer_are_checked_as_any(tmp_path, fault):
    changes, message = INPUT_NEURONS[fault]
    netx.write(chain(levels=1), tmp_path / "a.net")
    add_input_neurons(tmp_path / "a.net", **changes)
    with pytest.raises(FormatError, match=rf"a\.net: layer 0 .input.: .*{message}"):
        netx.read(tmp_path / "a.net", steps=4)


def test_graded_input_does_not_go_with_neurons_of_the_input_layer(tmp_path):
    netx.write(chain(), tmp_path / "a.net")
    add_input_neurons(tmp_path / "a.net")
    with pytest.raises(FormatError, match="has neurons, whose spikes are the input; levels is 255, expected 1"):
        netx.read(tmp_path / "a.net", steps=4, levels=255)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 10**9}, "number of steps is 1,000,000,000; expected one whole number from 1 to 100,000"),
        ({"steps": 0}, "number of steps is 0"),
        ({"steps": None}, "give the number of steps"),
        ({"steps": True}, "number of steps is the truth value true"),
        ({"steps": 4, "levels": 0}, "levels is 0; expected one whole number from 1 to 16,777,215"),
        ({"steps": 4, "levels": 2**70}, "levels is a number of 71 bits"),
    ],
)
def test_options_go_through_the_same_checks(tmp_path, options, message):
    netx.write(chain(), tmp_path / "a.net")
    with pytest.raises(FormatError, match=rf"a\.net: .*{message}"):
        netx.read(tmp_path / "a.net", **options)


def test_long_run_is_proven_in_seconds(tmp_path):
    """Intervals that settle, or fall by the same every step, need not be followed to the last step."""
    netx.write(chain(), tmp_path / "a.net")
    start = processor_seconds()
    assert netx.read(tmp_path / "a.net", steps=100_000, levels=255).steps == 100_000
    assert processor_seconds() - start < 5


def layer_file(path, layer, shape, delays):
    """Write layers (weights, kind, options) behind an input of ``shape``; a delay per layer, or None."""
    with h5py.File(path, "w") as file:
        file["layer/0/type"], file["layer/0/shape"] = np.array([b"input"], "S10"), np.array(shape)
        for index, ((kind, weight, options), delay) in enumerate(zip(layer, delays, strict=True), 1):
            group = file.create_group(f"layer/{index}")
            group["type"], group["weight"] = np.array([kind.encode()], "S10"), weight
            neuron = {"iDecay": 4096, "vDecay": 300, "vThMant": 9, "refDelay": 1, "gradedSpike": False, "type": "CUBA"}
            sizes = {"outFeatures": len(weight)} if kind != "conv" else {"stride": 1, "padding": 1, "dilation": 1}
            for key, value in {**sizes, **options}.items():
                group[key] = value
            for key, value in neuron.items():
                group[f"neuron/{key}"] = value
            if delay is not None:
                group["delay"] = delay


def delayed(spikes, delay):
    """Return spikes (N, T, *shape) held back by ``delay`` steps per neuron, channel, or for all."""
    shape = spikes.shape[2:]
    per = np.asarray(delay).reshape(-1, *(1,) * (len(shape) - 1)) if np.size(delay) in (1, shape[0]) else delay
    per = np.broadcast_to(np.reshape(per, shape) if np.size(per) == np.prod(shape) else per, shape)
    result = np.zeros_like(spikes)
    for place in np.ndindex(shape):
        steps = spikes.shape[1] - int(per[place])
        if steps > 0:
            result[(slice(None), slice(int(per[place]), None), *place)] = spikes[(slice(None), slice(steps), *place)]
    return result


@st.composite
def delayed_layers(draw):
    """Draw two or three layers of any kind; hidden delays per channel in front of convolutions, else per neuron."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    shape, layers, shapes = (2, 3, 3), [], []
    for _ in range(draw(st.integers(0, 2))):
        groups = draw(st.sampled_from([1, 2]))
        layers.append(("conv", rng.integers(-9, 15, (4, shape[0] // groups, 3, 3, 1)), {"groups": groups}))
        shape = (4, 3, 3)
        shapes.append(shape)
    for _ in range(draw(st.integers(1, 2))):
        layers.append(("dense", rng.integers(-9, 15, (3, int(np.prod(shape)))), {}))
        shape = (3,)
        shapes.append(shape)
    delays = []
    for index, each in enumerate(shapes):
        before_conv = index + 1 < len(layers) and layers[index + 1][0] == "conv"
        sizes = [1, each[0]] + ([] if before_conv else [int(np.prod(each))])
        size = draw(st.sampled_from([None, *sizes]))
        delays.append(None if size is None else rng.integers(0, 4, size).astype(np.float32))
    return layers, delays, rng.integers(0, 2, (2, 9, 2, 3, 3))


@given(drawn=delayed_layers())
@cases(24)
def test_axonal_delays_hold_back_the_spikes_of_their_layer(tmp_path_factory, drawn):
    assert_delays(tmp_path_factory.mktemp("delays"), *drawn)


def test_axonal_delays_of_channels_go_with_their_group(tmp_path):
    rng = np.random.default_rng(0)
    first, second = rng.integers(-9, 15, (4, 1, 3, 3, 1)), rng.integers(-9, 15, (4, 2, 3, 3, 1))
    layers = [("conv", first, {"groups": 2}), ("conv", second, {"groups": 2})]
    layers.append(("dense", rng.integers(-9, 15, (3, 36)), {}))
    assert_delays(tmp_path, layers, [np.arange(4.0), np.arange(4.0)[::-1], None], rng.integers(0, 2, (2, 9, 2, 3, 3)))


def assert_delays(folder, layers, delays, inputs):
    """Compare with an oracle that runs one layer at a time and shifts its spikes."""
    layer_file(folder / "all.net", layers, inputs.shape[2:], delays)
    network = netx.read(folder / "all.net", steps=9)
    found = record(reference.steps(network, stimulus(inputs, network)))[network.readout.name]
    spikes = inputs
    for layer, delay in zip(layers, delays, strict=True):
        layer_file(folder / "one.net", [layer], spikes.shape[2:], [None])
        single = netx.read(folder / "one.net", steps=9)
        spikes = record(reference.steps(single, stimulus(spikes.astype(np.uint8), single)))[single.readout.name]
        spikes = delayed(spikes, 0 if delay is None else delay)
    assert np.array_equal(found, spikes)


def test_recorded_case_of_axonal_delays(tmp_path):
    """lava-dl: delays 0 and 2; the spike of step 0 leaves neuron 1 at step 2."""
    layer_file(tmp_path / "a.net", [("dense", np.array([[64.0], [64.0]]), {})], (1,), [np.array([0.0, 2.0])])
    network = netx.read(tmp_path / "a.net", steps=4)
    spikes = record(reference.steps(network, stimulus(np.array([[[1], [0], [0], [0]]]), network)))["dense1"]
    assert spikes[0].astype(int).tolist() == [[1, 0], [0, 0], [0, 1], [0, 0]]


def test_delays_that_cannot_be_said_are_refused_by_name(tmp_path):
    conv = ("conv", np.ones((2, 2, 3, 3, 1)), {"groups": 1})
    layer_file(tmp_path / "a.net", [conv, conv], (2, 3, 3), [np.arange(18.0), None])
    with pytest.raises(FormatError, match="conv1 -> conv2: delays differ between neurons of one channel"):
        netx.read(tmp_path / "a.net", steps=4)
    biased = ("dense", np.ones((2, 18)), {"bias": np.ones(2)})
    layer_file(tmp_path / "b.net", [biased], (2, 3, 3), [np.arange(2.0)])
    with pytest.raises(FormatError, match="dense1, the last layer, has a delay, and neurons that spike without input"):
        netx.read(tmp_path / "b.net", steps=4, dialect="slayer")
    recurrent = ("dense_rec", np.ones((2, 18)), {"weight_rec": np.ones((2, 2))})
    layer_file(tmp_path / "c.net", [recurrent], (2, 3, 3), [np.arange(2.0)])
    with pytest.raises(FormatError, match=r"netx delays the spikes that come back as well, .* --dialect slayer"):
        netx.read(tmp_path / "c.net", steps=4)
    with pytest.raises(FormatError, match="dense_rec1, the last layer, has delays of its own per neuron, and hears"):
        netx.read(tmp_path / "c.net", steps=4, dialect="slayer")


CASES = Path(__file__).parent / "netx_cases"


def run(network, frames):
    """Return the spikes (or potentials) of the last layer for input frames (T, N)."""
    return record(reference.steps(network, stimulus(np.array(frames)[None], network)))[network.readout.name][0]


def test_affine_block_at_the_end_is_a_readout_whose_potential_is_the_score():
    """Without neurons, with the threshold of slayer's Affine block, and with the largest of Loihi."""
    frames = np.zeros((4, 8), int)
    frames[0] = 1
    expected = {
        "off": [[512, 2432, 896]] * 4,
        "on": [[512, 2432, 896], [496, 2358, 869], [481, 2287, 842], [466, 2218, 816]],
        "pilotnet": [[512, 2432, 896]] * 4,
    }
    for name, potentials in expected.items():
        for dialect in DIALECTS:
            network = netx.read(CASES / f"{name}.net", steps=4, dialect=dialect)
            assert [p.name for p in network.silent] == ["dense2"]
            assert run(network, frames).tolist() == potentials


def test_readout_may_keep_the_theta_of_the_layers_before_it(tmp_path):
    """As lava-dl's own PilotNet does: theta 1,600 beside the largest threshold, which alone is used."""
    path = tmp_path / "pilotnet.net"
    path.write_bytes((CASES / "pilotnet.net").read_bytes())
    with h5py.File(path, "a") as file:
        last = max(file["layer"], key=int)
        file[f"layer/{last}/neuron/theta"] = 1600
    plain, found = (netx.read(each, steps=4) for each in (CASES / "pilotnet.net", path))
    assert archive.to_bytes(found) == archive.to_bytes(plain)


def test_largest_threshold_at_the_end_is_said_to_be_a_readout():
    read = {"steps": 4, "dialect": "lava", "levels": None}
    assert "read as a readout that never fires" in netx.read_and_left_out(CASES / "pilotnet.net", **read)[1][0]
    assert netx.read_and_left_out(CASES / "on.net", **read)[1] == ()


def test_recurrent_block_hears_its_own_spikes_one_step_later():
    """Weights of 64 in front and between the two neurons, threshold 32: the spike goes to and fro."""
    network = netx.read(CASES / "rec.net", steps=4)
    assert [(p.source, p.delay) for p in network.projections] == [("input", 0), ("dense_rec1", 1)]
    frames = [[1, 0], [0, 0], [0, 0], [0, 0]]
    assert run(network, frames).astype(int).tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]


def test_case_of_axonal_delays_as_lava_dl_writes_it():
    network = netx.read(CASES / "delay.net", steps=4)
    assert run(network, [[1], [0], [0], [0]]).astype(int).tolist() == [[1, 0], [0, 0], [0, 1], [0, 0]]


def test_delay_of_a_layer_with_bias_follows_the_dialect(tmp_path):
    """netx holds back the input, so the bias acts from step 0; slayer holds back the spikes."""
    layer_file(tmp_path / "a.net", [("dense", np.full((1, 1), 4.0), {"bias": np.array([8])})], (1,), [np.array([2.0])])
    frames = [[1], [0], [0], [0], [0], [0]]
    found = run(netx.read(tmp_path / "a.net", steps=6), frames)
    layer_file(tmp_path / "b.net", [("dense", np.full((1, 1), 4.0), {"bias": np.array([8])})], (1,), [None])
    late = run(netx.read(tmp_path / "b.net", steps=6), [[0], [0], *frames[:4]])
    assert found.tolist() == late.tolist()
    layers = [("dense", np.full((1, 1), 4.0), {"bias": np.array([8])}), ("dense", np.full((1, 1), 16.0), {})]
    layer_file(tmp_path / "c.net", layers, (1,), [np.array([2.0]), None])
    plain = run(netx.read(tmp_path / "b.net", steps=6, dialect="slayer"), frames)
    held = run(netx.read(tmp_path / "c.net", steps=6, dialect="slayer"), frames)
    assert plain[:4].tolist() == held[2:].tolist()
    assert not held[:2].any()


def test_delay_of_a_convolution_is_said_to_be_slayers(tmp_path):
    conv = ("conv", np.ones((2, 2, 3, 3, 1)), {"groups": 1})
    layer_file(tmp_path / "a.net", [conv, conv], (2, 3, 3), [np.arange(2.0), None])
    said = {
        dialect: netx.read_and_left_out(tmp_path / "a.net", steps=4, dialect=dialect, levels=None)[1]
        for dialect in DIALECTS
    }
    assert said["slayer"] == said["slayer-0.3"] == ()
    assert said["lava"] == ("layer 1 (conv) has a delay, which is read as slayer's; netx in Lava does not read it",)


@st.composite
def recurrent_chains(draw):
    """Draw a chain of dense layers, some recurrent; the last fires or is a readout, with any potential."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    populations = [IntegerPopulation(name="input", shape=(4,), neuron=Source(levels=1, unit=1.0))]
    projections = []
    count = draw(st.integers(1, 3))
    for index in range(count):
        silent = index == count - 1 and draw(st.booleans())
        neuron = IntegerNeuron(
            threshold=None if silent else rng.integers(0, 200),
            bias_mantissa=64 * rng.integers(-4, 5, draw(st.sampled_from([(), (3,)]))) * draw(st.integers(0, 1)),
            decay_u=draw(st.sampled_from([4096, 1000])),
            decay_v=draw(st.sampled_from([0, 300])),
        )
        name = f"l{index}"
        populations.append(IntegerPopulation(name=name, shape=(3,), neuron=neuron))
        ends = [(populations[-2].name, 0)] + [(name, 1)] * (not silent and draw(st.booleans()))
        for source, delay in ends:
            size = 4 if source == "input" else 3
            weight = Dense(weight=rng.integers(-120, 127, (3, size)).astype(np.int8))
            exponent = draw(st.integers(0, 1))
            projections.append(
                IntegerProjection(source=source, target=name, synapses=weight, delay=delay, exponent=exponent)
            )
    return IntegerNetwork(populations=tuple(populations), projections=tuple(projections), steps=draw(st.integers(1, 8)))


@given(network=recurrent_chains(), data=st.data())
@cases(40)
def test_recurrent_blocks_and_readouts_come_back_equal(tmp_path_factory, network, data):
    path = tmp_path_factory.mktemp("netx") / "network.net"
    netx.write(network, path)
    restored = netx.read(path, steps=network.steps)
    assert [p.neuron.threshold is None for p in network.neurons] == [
        p.neuron.threshold is None for p in restored.neurons
    ]
    driven = data.draw(inputs(network))
    before, after = (record(reference.steps(n, stimulus(driven, n))) for n in (network, restored))
    for old, new in zip(network.neurons, restored.neurons, strict=True):
        assert np.array_equal(before[old.name], after[new.name])


def test_readout_beyond_the_largest_threshold_is_written_as_affine_block(tmp_path):
    """Its potential can leave the proof; netx still never fires there, and saturates as the definition does."""
    network = replace(chain(spiking=False), steps=3000)
    netx.write(network, tmp_path / "network.net")
    with h5py.File(tmp_path / "network.net") as file:
        assert file["layer/4/neuron/vThMant"][()] == 2**18 - 1
    assert netx.read(tmp_path / "network.net", steps=3000, levels=255).silent[0].shape == (5,)


def test_threshold_that_stands_for_a_readout_is_not_written(tmp_path):
    network = chain()
    last = network.populations[-1]
    high = replace(last, neuron=replace(last.neuron, threshold=2**17 - 1))
    with pytest.raises(FormatError, match="dense1 fires above 131,071; in a netx file that stands for a readout"):
        netx.write(replace(network, populations=(*network.populations[:-1], high)), tmp_path / "network.net")


def test_recurrent_convolution_is_refused(tmp_path):
    network = chain()
    loop = IntegerProjection(
        source="conv1",
        target="conv1",
        synapses=Convolution(weight=np.ones((3, 3, 3, 3), np.int8), padding=(1, 1)),
        delay=1,
    )
    with pytest.raises(FormatError, match="conv1 convolves what it gets or its own spikes; netx has recurrent blocks"):
        netx.write(replace(network, projections=(*network.projections, loop)), tmp_path / "network.net")


IN_LAVA = """
import json, sys
import numpy as np
from lava.lib.dl.netx.hdf5 import Network
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer

path, images, steps, out = sys.argv[1], np.load(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
network = Network(net_config=path, input_message_bits=8, reset_interval=steps, reset_offset=1)
depth, total = len(network), len(images) * steps + len(network)
frames = np.repeat(images, steps, axis=0).transpose(3, 2, 1, 0)
source = RingBuffer(data=frames.astype(np.int32))
sink = Sink(shape=network.out.shape, buffer=total)
source.s_out.connect(network.inp)
network.out.connect(sink.a_in)
network.run(condition=RunSteps(num_steps=total), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
np.save(out, sink.data.get())
network.stop()
"""


def has_netx():
    try:
        marker = json.loads((environment.folder() / environment.MARKER).read_text())
    except OSError:
        return False
    return set(environment.NETX_PACKAGES) <= set(marker["packages"])


@pytest.mark.oracle
@pytest.mark.skipif(not has_netx(), reason="lava-dl is not installed; spikeport lava install --netx (5.6 GB)")
def test_netx_loads_and_runs_it_with_the_references_spikes(tmp_path):
    """Two samples back to back; lava-dl's own loader turns the shapes into Lava's order."""
    network = chain(3)
    netx.write(network, tmp_path / "network.net")
    images = np.random.default_rng(0).integers(0, 256, (2, *network.source.shape))
    np.save(tmp_path / "images.npy", images)
    script = tmp_path / "run.py"
    script.write_text(IN_LAVA)
    arguments = [tmp_path / "network.net", tmp_path / "images.npy", str(network.steps), tmp_path / "out.npy"]
    subprocess.run(
        [environment.python(), script, *arguments], check=True, timeout=300, env={"PATH": "/usr/bin"}, cwd=tmp_path
    )
    expected = record(reference.steps(network, stimulus(images, network)))["dense1"]
    found = np.load(tmp_path / "out.npy")[:, 3 : 3 + len(images) * network.steps].T.reshape(expected.shape)
    assert expected.any()
    assert np.array_equal(found.astype(bool), expected)
