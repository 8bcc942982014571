"""Archives: equal after a round trip, small where sparse, and never half read or half written."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from spikeport.export import archive
from spikeport.export.errors import ArchiveError, OutputError
from spikeport.export.lava.doctor import small_network
from spikeport.export.network import Dense, IntegerNetwork
from tests.strategies import float_networks, integer_networks

NETWORK = small_network()
DATA = archive.to_bytes(NETWORK)


@given(st.one_of(float_networks(), integer_networks(floors=True)))
def test_round_trip_is_equal(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("archive") / "network.safetensors"
    archive.write(network, path)
    restored = archive.read(path)
    assert type(restored) is type(network)
    assert archive.to_bytes(restored) == path.read_bytes()
    for old, new in zip(network.projections, restored.projections, strict=True):
        synapses = [(p.synapses,) if isinstance(network, IntegerNetwork) else p.stages for p in (old, new)]
        for ours, theirs in zip(*synapses, strict=True):
            for name, value in vars(ours).items():
                assert np.array_equal(value, getattr(theirs, name))


@pytest.mark.parametrize(("density", "share"), [(0.1, 0.25), (0.01, 0.05)])
def test_sparse_weights_are_stored_sparse(density, share):
    rng = np.random.default_rng(0)
    weight = (rng.integers(1, 128, (1000, 1000)) * (rng.random((1000, 1000)) < density)).astype(np.int8)
    assert len(archive.to_bytes(with_weight(weight))) < share * weight.size


def with_weight(weight):
    """The small network with another dense projection; shapes need not be those of the original."""
    readout = replace(NETWORK.readout, shape=(len(weight),))
    source = replace(NETWORK.source, shape=(weight.shape[1],))
    projection = replace(NETWORK.projections[1], source="input", synapses=Dense(weight=weight))
    return IntegerNetwork(populations=(source, readout), projections=(projection,), steps=1)


def rewritten(change):
    """Return the archive's bytes with its description changed."""
    header_size = int.from_bytes(DATA[:8], "little")
    metadata = json.loads(DATA[8 : 8 + header_size])["__metadata__"]
    description = json.loads(metadata["spikeport"])
    description["network"] = change(description["network"]) or description["network"]
    return save(load(DATA), {"spikeport": json.dumps(description)})


def set_field(*path, value):
    def change(description):
        place = description
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def source(name, *, value):
    return set_field("fields", "populations", 0, "fields", "neuron", "fields", name, value=value)


def convolution(*path, value):
    return set_field("fields", "projections", 0, "fields", "synapses", "fields", *path, value=value)


NESTED: list = []
for _ in range(500):
    NESTED = [NESTED]
FAULTS = {
    "empty": b"",
    "text": b"hello, this is not an archive",
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00",
    "zip": b"PK\x03\x04" + bytes(100),
    "header only": DATA[:8],
    "header cut": DATA[:200],
    "data cut": DATA[:-10],
    "header too long": (2**40).to_bytes(8, "little") + DATA[8:],
    "other format": save({"a": np.zeros(3)}, {"spikeport": '{"format": "2"}'}),
    "no metadata": save({"a": np.zeros(3)}),
    "list": rewritten(lambda _: [1, 2]),
    "no network": rewritten(lambda d: d["fields"]["populations"][0]),
    "unknown class": rewritten(set_field("class", value="os.system")),
    "private class": rewritten(set_field("class", value="_Network")),
    "extra field": rewritten(set_field("fields", "colour", value="red")),
    "missing field": rewritten(lambda d: d["fields"].pop("steps") and None),
    "steps text": rewritten(set_field("fields", "steps", value="8")),
    "steps fraction": rewritten(set_field("fields", "steps", value=2.5)),
    "steps zero": rewritten(set_field("fields", "steps", value=0)),
    "shape text": rewritten(set_field("fields", "populations", 0, "fields", "shape", value=["a"])),
    "name number": rewritten(set_field("fields", "populations", 0, "fields", "name", value=3)),
    "levels text": rewritten(
        set_field("fields", "populations", 0, "fields", "neuron", "fields", "levels", value="many")
    ),
    "huge array": rewritten(
        set_field("fields", "projections", 1, "fields", "synapses", "fields", "weight", "shape", value=[2**40, 2**20])
    ),
    "object dtype": rewritten(
        set_field("fields", "projections", 1, "fields", "synapses", "fields", "weight", "dtype", value="|O")
    ),
    "absent array": rewritten(
        set_field("fields", "projections", 1, "fields", "synapses", "fields", "weight", "array", value="nothing")
    ),
    "stride text": rewritten(
        set_field("fields", "projections", 0, "fields", "synapses", "fields", "stride", value=["1", "1"])
    ),
    "exponent fraction": rewritten(set_field("fields", "projections", 0, "fields", "exponent", value=0.5)),
    "float population": rewritten(
        set_field("fields", "populations", 1, "class", value="FloatPopulation"),
    ),
    "delay text": rewritten(set_field("fields", "projections", 0, "fields", "delay", value="none")),
    "steps of 10^9": rewritten(set_field("fields", "steps", value=10**9)),
    "steps beyond 64 bit": rewritten(set_field("fields", "steps", value=10**4000)),
    "steps true": rewritten(set_field("fields", "steps", value=True)),
    "unit NaN": rewritten(source("unit", value=float("nan"))),
    "unit zero": rewritten(source("unit", value=0.0)),
    "unit negative": rewritten(source("unit", value=-1.0)),
    "delay of 10^18": rewritten(set_field("fields", "projections", 0, "fields", "delay", value=10**18)),
    "stride of 2^62": rewritten(convolution("stride", value=[2**62, 1])),
    "padding of 10^9": rewritten(convolution("padding", value=[10**9, 10**9])),
    "padding of 50,000": rewritten(convolution("padding", value=[50_000, 50_000])),
    "groups zero": rewritten(convolution("groups", value=0)),
    "kernel of size zero": rewritten(convolution("weight", "shape", value=[2, 1, 0, 3])),
    "weights of truth values": rewritten(convolution("weight", "dtype", value="|b1")),
    "weights of objects": rewritten(convolution("weight", "dtype", value="|V8")),
    "shape with a truth value": rewritten(convolution("weight", "shape", value=[True, 1, 3, 3])),
    "nested": rewritten(lambda _: NESTED),
    "sparse text": rewritten(convolution("weight", "sparse", value="yes")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_file_is_named_with_its_fault(tmp_path, fault):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(FAULTS[fault])
    with pytest.raises(ArchiveError, match=r"broken\.safetensors: "):
        archive.read(path)


@given(st.data())
def test_random_damage_gives_an_error_or_a_network(tmp_path_factory, data):
    broken = bytearray(DATA)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("fuzz") / "network.safetensors"
    path.write_bytes(bytes(broken[: data.draw(st.integers(0, len(broken)))]))
    try:
        assert isinstance(archive.read(path), IntegerNetwork)
    except ArchiveError as error:
        assert str(path) in str(error)


def test_sparse_indices_outside_the_array_are_refused(tmp_path):
    sparse = with_weight(np.eye(100, dtype=np.int8))
    data = archive.to_bytes(sparse)
    tensors = load(data)
    gaps = next(name for name in tensors if name.endswith("weight.gaps"))
    tensors[gaps] = tensors[gaps].copy()
    tensors[gaps][-1] = 255
    metadata = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    path = tmp_path / "network.safetensors"
    path.write_bytes(save(tensors, metadata))
    with pytest.raises(ArchiveError, match="points outside its 10000 entries"):
        archive.read(path)


def test_missing_file_and_wrong_kind_are_told_apart(tmp_path):
    with pytest.raises(ArchiveError, match="no such file"):
        archive.read(tmp_path / "nothing.safetensors")
    archive.write(NETWORK, tmp_path / "integer.safetensors")
    with pytest.raises(ArchiveError, match="holds an integer network; expected a float one"):
        archive.read_float(tmp_path / "integer.safetensors")


def test_failed_write_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OutputError, match=r"network\.safetensors: disk full"):
        archive.write(NETWORK, tmp_path / "network.safetensors")
    assert list(tmp_path.iterdir()) == []


def raw(description):
    """Return an archive whose description is the text given."""
    return save(load(DATA), {"spikeport": description})


DESCRIPTION = json.loads(DATA[8 : 8 + int.from_bytes(DATA[:8], "little")])["__metadata__"]["spikeport"]
TEXTS = {
    "two equal keys": (DESCRIPTION.replace('"steps"', '"steps": 3, "steps"'), "the key 'steps' stands twice"),
    "NaN": (DESCRIPTION.replace('"steps": ', '"steps": NaN, "x": '), "NaN is no finite number"),
    "10^5 deep": ("[" * 10**5 + "]" * 10**5, "nested too deeply"),
    "10^5 tables deep": ('{"a":' * 10**5 + "1" + "}" * 10**5, "nested too deeply"),
    "number of 5,000 digits": (DESCRIPTION.replace('"steps": ', f'"steps": {"9" * 5000}, "x": '), "digits"),
    "no JSON": ("spikeport", "Expecting value"),
}


@pytest.mark.parametrize("fault", TEXTS)
def test_description_that_cannot_be_parsed_is_named(tmp_path, fault):
    text, message = TEXTS[fault]
    path = tmp_path / "broken.safetensors"
    path.write_bytes(raw(text))
    with pytest.raises(ArchiveError, match=rf"broken\.safetensors: .*{message}"):
        archive.read(path)


def test_two_equal_keys_of_the_header_are_refused(tmp_path):
    size = int.from_bytes(DATA[:8], "little")
    header = DATA[8 : 8 + size].rstrip()
    header = header[:-1] + b',"__metadata__":{"spikeport":"x"}}'
    path = tmp_path / "broken.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + DATA[8 + size :])
    with pytest.raises(ArchiveError, match="the key '__metadata__' stands twice"):
        archive.read(path)


def test_small_file_cannot_ask_for_a_large_array(tmp_path):
    """A sparse array takes no room in the file: 3 GB in a file of 5 kB."""
    description = json.loads(DESCRIPTION)
    weight = description["network"]["fields"]["projections"][1]["fields"]["synapses"]["fields"]["weight"]
    weight.update(array="w", shape=[3, 2**30], sparse=True)
    tensors = {**load(DATA), "w.values": np.ones(1, np.int8), "w.gaps": np.ones(1, np.uint8)}
    path = tmp_path / "broken.safetensors"
    path.write_bytes(save(tensors, {"spikeport": json.dumps(description)}))
    with pytest.raises(ArchiveError, match=r"array w of shape .* would bring .* bytes of memory; at most"):
        archive.read(path)


def test_long_chain_is_read_in_linear_time(tmp_path):
    populations = [NETWORK.source, *(replace(NETWORK.readout, name=f"n{i}", shape=(1,)) for i in range(2_000))]
    first = replace(NETWORK.projections[1], source=NETWORK.source.name, target="n0", delay=0)
    first = replace(first, synapses=Dense(weight=np.ones((1, np.prod(NETWORK.source.shape)), np.int8)))
    spiking = replace(NETWORK.readout.neuron, threshold=5)
    populations = [population if i in {0, 2_000} else replace(population, neuron=spiking)
                   for i, population in enumerate(populations)]  # fmt: skip
    one = replace(first, synapses=Dense(weight=np.ones((1, 1), np.int8)))
    links = [replace(one, source=f"n{i}", target=f"n{i + 1}") for i in range(1_999)]
    path = tmp_path / "chain.safetensors"
    archive.write(IntegerNetwork(populations=tuple(populations), projections=(first, *links), steps=1), path)
    start = time.process_time()
    assert len(archive.read(path).populations) == 2_001
    assert time.process_time() - start < 5
