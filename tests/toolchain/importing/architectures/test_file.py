"""A recipe's network from a file: its specification and weights, and what does not fit the data."""

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from spikeport.export.errors import RecipeError
from spikeport.toolchain import checkpoint
from spikeport.toolchain.choices import kinds
from spikeport.toolchain.importing.torch_module import from_torch
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.architectures.architecture import Architecture, Images

FILE = kinds(Architecture)["file"]
IMAGES = Images(shape=(1, 6, 6), classes=3, mean=(0.1,), std=(0.2,))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).eval()


def test_the_registry_holds_the_files_of_both_folders():
    assert list(kinds(Architecture)) == sorted(kinds(Architecture))
    assert {"file", "vgg", "wide_resnet"} <= kinds(Architecture).keys()


def test_a_recipes_table_gives_the_networks_own_logits(net, tmp_path):
    example = torch.rand(2, 1, 6, 6)
    torch.export.save(torch.export.export(net, (example,)), tmp_path / "model.pt2")
    table = {"kind": "file", "path": str(tmp_path / "model.pt2"), "mean": 0.5, "std": [0.25]}
    network = msgspec.convert(table, FILE)
    model = ANN(network.specification(IMAGES))
    assert not model.load_state_dict(network.weights()).missing_keys
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(example), net((example - 0.5) / 0.25), rtol=1e-5, atol=1e-5)


def test_a_checkpoint_knows_its_own_mean(net, tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint.write(from_torch(net, np.zeros((1, 1, 6, 6), np.float32), mean=0.3, std=0.4).model, path)
    network = FILE(path=str(path))
    assert network.specification(IMAGES).mean == pytest.approx((0.3,))
    assert list(network.weights()) == list(checkpoint.read_ann(path).state_dict())


def test_a_network_for_other_images_or_classes_is_refused(net, tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint.write(from_torch(net, np.zeros((1, 1, 6, 6), np.float32)).model, path)
    with pytest.raises(
        RecipeError, match=r"takes images \(1, 6, 6\) and has 3 classes; the data has images \(1, 8, 8\)"
    ):
        FILE(path=str(path)).specification(Images(shape=(1, 8, 8), classes=3, mean=(0.0,), std=(1.0,)))
    with pytest.raises(RecipeError, match=r"3 classes; the data has images \(1, 6, 6\) of 10 classes"):
        FILE(path=str(path)).nodes(Images(shape=(1, 6, 6), classes=10, mean=(0.0,), std=(1.0,)))
    with pytest.raises(RecipeError, match=r"network.path: nothing.onnx: no such file"):
        FILE(path="nothing.onnx").weights()
