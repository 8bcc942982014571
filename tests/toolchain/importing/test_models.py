"""Files of trained networks: the reader is chosen by the end of the name, and every error names the file."""

import numpy as np
import pytest
import torch
from torch import nn

from spikeport.export.errors import ArchiveError, FormatError
from spikeport.toolchain import checkpoint
from spikeport.toolchain.importing.models import from_onnx, read_model
from spikeport.toolchain.importing.torch_module import from_torch
from tests.toolchain.importing.test_onnx_model import NODE, RNG, model_of, saved, weights

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
NODES = [
    NODE("Conv", ["x", "conv1.weight"], ["a"]),
    NODE("Relu", ["a"], ["b"]),
    NODE("GlobalAveragePool", ["b"], ["c"]),
    NODE("Flatten", ["c"], ["d"]),
    NODE("Gemm", ["d", "w"], ["y"]),
]
WEIGHTS = {"conv1.weight": weights(RNG, 4, 2, 3, 3), "w": weights(RNG, 4, 3)}


def test_an_onnx_model_gives_its_logits_and_names_populations_by_their_weights(tmp_path):
    path = saved(model_of(NODES, WEIGHTS, (2, "H", "W")), tmp_path)
    network = from_onnx(path, mean=(0.5, 0.25), std=2.0, shape=(2, 6, 7))
    images = torch.rand(3, 2, 6, 7)
    normalised = (images - torch.tensor([0.5, 0.25]).view(-1, 1, 1)) / 2
    expected = torch.conv2d(normalised, torch.from_numpy(WEIGHTS["conv1.weight"])).relu().mean((2, 3))
    with torch.no_grad():
        torch.testing.assert_close(network.model(images), expected @ torch.from_numpy(WEIGHTS["w"]))
    assert [node.name for node in network.specification.nodes] == ["conv1", "readout"]


def test_what_no_spiking_network_holds_is_refused_with_file_and_node(tmp_path):
    path = saved(model_of([NODES[0], NODE("GlobalAveragePool", ["a"], ["y"])], WEIGHTS, (2, 6, 7)), tmp_path)
    with pytest.raises(FormatError, match=r"model\.onnx: the network has no ReLU"):
        read_model(path)
    path = saved(model_of([*NODES[:2], NODE("Softmax", ["b"], ["y"], axis=1)], WEIGHTS, (2, 6, 7)), tmp_path)
    with pytest.raises(FormatError, match=r"model\.onnx: "):
        read_model(path)


def test_a_checkpoint_is_read_with_its_own_statistics(tmp_path):
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
    path = tmp_path / "model.safetensors"
    checkpoint.write(from_torch(net, np.zeros((1, 1, 2, 2), np.float32), mean=0.5).model, path)
    assert read_model(path).specification.mean == (0.5,)
    with pytest.raises(FormatError, match="a checkpoint holds its own mean and standard deviation; leave both out"):
        read_model(path, std=0.5)
    path.write_bytes(b"nothing")
    with pytest.raises(ArchiveError, match=r"model\.safetensors: "):
        read_model(path)


def test_other_files_are_refused_with_what_is_read(tmp_path):
    with pytest.raises(FormatError, match=r"the name ends in '\.h5'; expected '\.pt2' .*'\.onnx', or '\.safetensors'"):
        read_model(tmp_path / "model.h5")


@pytest.mark.parametrize("name", ["model.pt", "model.PTH"])
def test_a_pickled_model_is_answered_with_two_lines_that_work(name, tmp_path, monkeypatch):
    with pytest.raises(FormatError, match=r"a pickle, which can run code and is never loaded; .*from_torch") as found:
        read_model(tmp_path / name)
    lines = [line for line in str(found.value).replace("; then give", ";;").split(";") if "torch.export" in line]
    assert len(lines) == 2
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    images = torch.rand(5, 2, 6, 6)
    monkeypatch.chdir(tmp_path)
    exec("\n".join(line.rpartition(": ")[2].strip() for line in lines), {"torch": torch, **locals()})
    network = read_model(tmp_path / "model.pt2")
    with torch.no_grad():
        torch.testing.assert_close(network.model(images), model(images))
