import pytest
import torch
from safetensors.torch import save_file

from spikeport.export.errors import ArchiveError
from spikeport.toolchain import checkpoint
from tests.toolchain.networks import ann, images, snn


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
    with pytest.raises(ArchiveError, match="format is None; expected 'spikeport checkpoint 1'"):
        checkpoint.read_snn(path)
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(ArchiveError, match="damaged or not a safetensors file"):
        checkpoint.read_snn(path)


def test_missing_tensor_is_an_error(tmp_path):
    model, path = snn(), tmp_path / "snn.safetensors"
    metadata = {"format": checkpoint.FORMAT, "kind": "SNN", "specification": "{}", "steps": "4"}
    save_file({"a": torch.zeros(1)}, path, metadata)
    with pytest.raises(ArchiveError, match="damaged checkpoint"):
        checkpoint.read_snn(path)
    checkpoint.write(model, path)
    assert checkpoint.read_snn(path).steps == 4
