import json
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load, save_file

from spikeport.export import archive
from spikeport.export.errors import ArchiveError
from spikeport.export.tensors import metadata
from spikeport.toolchain import checkpoint
from spikeport.toolchain.choices import kinds
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate
from tests.toolchain.networks import SPECIFICATION, ann, images, snn

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("make", "read"), [(ann, checkpoint.read_ann), (snn, checkpoint.read_snn)])
def test_round_trip_gives_the_same_model(tmp_path, make, read):
    model, path = make(), tmp_path / "model.safetensors"
    checkpoint.write(model, path)
    restored = read(path)
    assert restored.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, restored.state_dict()[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        assert torch.equal(restored.eval()(images()), model.eval()(images()))


def test_wrong_kind_is_named(tmp_path):
    checkpoint.write(ann(), tmp_path / "ann.safetensors")
    with pytest.raises(ArchiveError, match=r"ann\.safetensors: holds an ANN; expected an SNN"):
        checkpoint.read_snn(tmp_path / "ann.safetensors")


def test_missing_truncated_and_foreign_files_are_named(tmp_path):
    path = tmp_path / "snn.safetensors"
    with pytest.raises(ArchiveError, match="no such file; expected a checkpoint; run the stage that writes it first"):
        checkpoint.read_snn(path)
    checkpoint.write(snn(), path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ArchiveError, match=r"snn\.safetensors: damaged"):
        checkpoint.read_snn(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ArchiveError, match="format is None; expected 'spikeport checkpoint 2'"):
        checkpoint.read_snn(path)
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(ArchiveError, match="damaged or not a safetensors file"):
        checkpoint.read_snn(path)


def test_an_archive_and_a_checkpoint_are_told_apart_in_words(tmp_path):
    with pytest.raises(ArchiveError, match=r"holds a network for executors and chips \(an archive, .* or the .pt2 or"):
        checkpoint.read_ann(ROOT / "examples" / "digits" / "network_float.safetensors")
    checkpoint.write(snn(), tmp_path / "snn.safetensors")
    with pytest.raises(ArchiveError, match=r"snn.safetensors: holds a network as it was trained \(a checkpoint\); exp"):
        archive.read(tmp_path / "snn.safetensors")


def test_missing_tensor_is_an_error(tmp_path):
    model, path = snn(), tmp_path / "snn.safetensors"
    metadata = {"format": checkpoint.FORMAT, "kind": "SNN", "specification": "{}", "steps": "4"}
    save_file({"a": torch.zeros(1)}, path, metadata)
    with pytest.raises(ArchiveError, match="damaged checkpoint"):
        checkpoint.read_snn(path)
    checkpoint.write(model, path)
    assert checkpoint.read_snn(path).steps == 4


def test_equal_models_give_equal_bytes(tmp_path):
    """Metadata of several keys come in random order; 20 files agreed by chance once in 10^27."""
    for index in range(20):
        checkpoint.write(snn(), tmp_path / f"{index}.safetensors")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_checkpoint_with_a_key_per_value_is_read(tmp_path):
    """As they were written first."""
    model, path = snn(), tmp_path / "old.safetensors"
    metadata = {
        "format": checkpoint.FORMAT,
        "kind": "SNN",
        "specification": msgspec.json.encode(model.specification).decode(),
        "steps": str(model.steps),
    }
    save_file(model.state_dict(), path, metadata)
    restored = checkpoint.read_snn(path)
    assert restored.steps == model.steps
    assert all(torch.equal(value, restored.state_dict()[name]) for name, value in model.state_dict().items())


OLD = """{"input_shape":[2,8,8],"mean":[0.4,0.5],"std":[0.2,0.3],"nodes":[
{"name":"conv1","edges":[{"source":"input","pooling":1,"synapses":{"type":"convolution","channels":4,"kernel":3,
"stride":1},"norm":true}],"kind":"neurons"},
{"name":"conv2","edges":[{"source":"conv1","pooling":2,"synapses":{"type":"convolution","channels":6,"kernel":3,
"stride":1},"norm":true}],"kind":"neurons"},
{"name":"dense1","edges":[{"source":"conv2","pooling":1,"synapses":{"type":"linear","features":8},"norm":false}],
"kind":"neurons"},
{"name":"readout","edges":[{"source":"dense1","pooling":1,"synapses":{"type":"linear","features":5},"norm":false}],
"kind":"readout"}]}"""


def test_checkpoint_of_version_0_1_is_read(tmp_path):
    """Its specification has fewer fields, and its tensors are called links."""
    model, path = snn(), tmp_path / "old.safetensors"
    tensors = {name.replace("projections.", "links."): tensor for name, tensor in model.state_dict().items()}
    values = {"format": "spikeport checkpoint 1", "kind": "SNN", "specification": OLD, "steps": "4"}
    save_file(tensors, path, {checkpoint.KEY: json.dumps(values)})
    restored = checkpoint.read_snn(path)
    assert restored.specification == model.specification
    with torch.no_grad():
        assert torch.equal(restored.eval()(images()), model(images()))


def changed(path, change):
    """Write a checkpoint with other values."""
    checkpoint.write(snn(), path)
    data = path.read_bytes()
    values = json.loads(metadata(data)[checkpoint.KEY])
    change(values)
    save_file(load(data), path, {checkpoint.KEY: json.dumps(values)})


def specified(change):
    def apply(values):
        specification = json.loads(values["specification"])
        change(specification)
        values["specification"] = json.dumps(specification)

    return apply


def edge(**values):
    return specified(lambda s: s["nodes"][1]["edges"][0].update(values))


FAULTS = {
    "no groups": (specified(lambda s: s["nodes"][0]["edges"][0]["synapses"].update(groups=0)), "damaged .*groups"),
    "negative padding": (
        specified(lambda s: s["nodes"][0]["edges"][0]["synapses"].update(padding=[-1, 0, 0, 0])),
        "damaged .*padding",
    ),
    "an unknown field": (edge(gain=2), "damaged .*gain"),
    "pooling of nothing": (edge(pooling={"type": "maximum", "kernel": 0}), "kernel is 0; expected 1 or more"),
    "channels elsewhere": (edge(channels=[3, 40]), "its specification says|damaged checkpoint"),
    "several shapes": (
        specified(lambda s: s["nodes"][1]["edges"].append({"source": "conv1"})),
        "'conv2': its projections give the shapes",
    ),
    "steps of 10^9": (lambda values: values.update(steps=str(10**9)), "number of steps is .*; expected one whole"),
    "steps of 5,000 digits": (lambda values: values.update(steps="9" * 5000), "damaged checkpoint .*digits"),
    "wide layer": (
        specified(lambda s: s["nodes"][0]["edges"][0]["synapses"].update(channels=10**9)),
        "its specification says|damaged checkpoint",
    ),
    "large kernel": (
        specified(lambda s: s["nodes"][0]["edges"][0]["synapses"].update(kernel=10**6)),
        "its specification says|damaged checkpoint",
    ),
    "no nodes": (specified(lambda s: s.update(nodes=[{"name": "a", "edges": []}])), "damaged checkpoint"),
    "no list": (lambda values: values.update(specification="[" * 10**5), "damaged checkpoint"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_hostile_values_are_refused_before_anything_is_made(tmp_path, name):
    change, message = FAULTS[name]
    path = tmp_path / "bad.safetensors"
    changed(path, change)
    with pytest.raises(ArchiveError, match=rf"bad\.safetensors: .*({message})"):
        checkpoint.read_snn(path)


@pytest.mark.parametrize("kind", kinds(Surrogate).values())
def test_settings_of_the_neurons_are_kept(tmp_path, kind):
    spiking = Spiking(steps=3, tau=0.5, reset="subtractive", train_threshold=False, train_tau=True, surrogate=kind())
    model = SNN(SPECIFICATION, spiking)
    checkpoint.write(model, tmp_path / "snn.safetensors")
    restored = checkpoint.read_snn(tmp_path / "snn.safetensors")
    assert restored.spiking == spiking
    assert restored.state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize(
    ("spiking", "message"),
    [
        ('{"surrogate": {"kind": "none"}}', "its surrogate is 'none'; there are arctan, "),
        ('{"encoder": 3}', "its encoder is None; there are direct"),
        ('{"surrogate": {"kind": "arctan", "alpha": -1}}', "damaged checkpoint .*alpha"),
        ("[]", "its spiking settings are no table"),
        ('{"tau": 2}', "damaged checkpoint .*tau"),
        ('{"steps": 1e9}', "damaged checkpoint .*steps"),
    ],
)
def test_hostile_settings_are_refused(tmp_path, spiking, message):
    changed(tmp_path / "bad.safetensors", lambda values: values.update(spiking=spiking))
    with pytest.raises(ArchiveError, match=rf"bad\.safetensors: {message}"):
        checkpoint.read_snn(tmp_path / "bad.safetensors")
