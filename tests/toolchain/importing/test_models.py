"""Files of trained networks: the reader is chosen by the end of the name, and every error names the file."""

import numpy as np
import onnxruntime
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


def first(kind, constant):
    """Return a model that does something with its input first, with small numbers behind it."""
    nodes = [NODE(kind, ["x", "k"], ["s"]), NODE("Conv", ["s", "conv1.weight"], ["a"]), *NODES[1:]]
    return model_of(nodes, {**WEIGHTS, "k": np.array(constant, np.float32)}, (2, 6, 7))


@pytest.mark.parametrize(
    ("kind", "constant"),
    [("Div", 255), ("Mul", 1 / 255), ("Div", 127.5), ("Sub", [[[103.9]], [[116.8]]])],
)
def test_a_model_for_levels_of_255_is_told_that_images_are_pixels(tmp_path, kind, constant):
    """With std 1/255 its logits are those that it gives for levels."""
    path = saved(first(kind, constant), tmp_path)
    with pytest.raises(FormatError, match=r"node 0 .*: turns levels from 0 to 255 into smaller .* std 1/255"):
        read_model(path)
    levels = np.random.default_rng(0).integers(0, 256, (3, 2, 6, 7))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": levels.astype(np.float32)})
    with torch.no_grad():
        found = read_model(path, std=1 / 255).model(torch.from_numpy(levels / 255).float())
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-3)
    assert read_model(path, std=1.0).notes == ()


def test_norms_of_pixels_are_read_without_a_question(tmp_path):
    for kind, constant in (("Div", 0.2), ("Sub", 0.5), ("Mul", 2.0)):
        assert read_model(saved(first(kind, constant), tmp_path)).notes == ()


def test_a_module_for_levels_of_255_is_told_that_images_are_pixels():
    class Levels(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.flat, self.a, self.b = nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(4, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.b(self.a(self.flat(self.norm(x))).relu())

    module = Levels().eval()
    assert from_torch(module, torch.zeros(1, 1, 2, 2)).notes == ()
    module.norm.running_mean.fill_(120)
    with pytest.raises(FormatError, match="turns levels from 0 to 255 into smaller numbers"):
        from_torch(module, torch.zeros(1, 1, 2, 2))
