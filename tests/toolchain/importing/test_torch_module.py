"""Modules as users write them give the logits of PyTorch, and say what they cannot be."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as every user writes it
from torch import nn
from torch.nn.utils import prune

import spikeport
from spikeport.toolchain.importing import aten
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import Convolution
from spikeport.toolchain.nn.spiking import Spiking
from tests.toolchain.importing.user_networks import ARCHITECTURES, module

QUICK = ("lenet", "audio", "image mlp", "biased batch norm", "oblong", "option a", "linears", "pooled", "inception")
"""Architectures whose test takes little time; together they have every kind of operation."""


def architectures():
    """Return all names; those that are not quick are slow."""
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ARCHITECTURES]


def logits(found, example, network):
    """Return the module's logits and those of its specification, for other images than the example."""
    images = torch.rand(5, *example.shape[1:], dtype=example.dtype, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        given = network.model(images.reshape(5, *network.specification.input_shape))
        return found(images), given


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", architectures())
def test_logits_in_double_precision_are_those_of_pytorch(name):
    found, example = module(name, dtype=torch.float64)
    expected, given = logits(found, example, spikeport.from_torch(found, example))
    given = torch.log_softmax(given, 1) if name == "lenet" else given
    torch.testing.assert_close(given, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logits_in_single_precision_are_those_of_pytorch(name):
    found, example = module(name)
    expected, given = logits(found, example, spikeport.from_torch(found, example))
    given = torch.log_softmax(given, 1) if name == "lenet" else given
    torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-5)


def test_pixel_statistics_of_user_and_module_join():
    found, example = module("normalized", dtype=torch.float64)
    mean, std = torch.tensor([0.1, 0.2, 0.3]).double(), 0.7
    network = spikeport.from_torch(found, example, mean=mean.tolist(), std=std)
    with torch.no_grad():
        expected = found((example - mean.view(3, 1, 1)) / std)
        torch.testing.assert_close(network.model(example), expected, rtol=1e-12, atol=1e-12)
    first = network.specification.nodes[0].projections[0]
    assert first.synapses is None
    assert first.norm
    expected = mean.numpy() + std * np.array([0.4914, 0.4822, 0.4465])
    np.testing.assert_allclose(network.specification.mean, expected, rtol=1e-6)


def test_a_module_stays_as_it_was():
    found, example = module("vgg without batch norm")
    found.train()
    found.classifier[2].eval()
    before = {name: tensor.clone() for name, tensor in found.state_dict().items()}
    spikeport.from_torch(found, example)
    assert found.training
    assert not found.classifier[2].training
    assert found.classifier[1].training
    assert all(torch.equal(tensor, before[name]) for name, tensor in found.state_dict().items())


def test_names_notes_and_text_follow_the_module():
    network = spikeport.from_torch(*module("lenet"))
    assert [node.name for node in network.specification.nodes] == ["conv1", "conv2", "fc1", "readout"]
    softmax, dropout = network.notes
    assert softmax.startswith("forward (LeNet: log_softmax) at the end is left out")
    assert "conv2_drop (torch.nn.Dropout2d), forward (LeNet: dropout)" in dropout
    assert network.text().splitlines()[0] == "conv1: neurons 6x24x24 from input"
    assert network.text().splitlines()[-1] == f"note: {dropout}"
    table = network.to_dict()
    assert table["weights"] == sum(p.numel() for p in module("lenet")[0].parameters() if p.ndim > 1)
    assert table["notes"] == [softmax, dropout]
    (tied,) = spikeport.from_torch(*module("tied")).notes
    assert tied.startswith("the weights of conv are used 3 times")


def test_batch_norm_keeps_its_settings():
    network = spikeport.from_torch(*module("biased batch norm"))
    first, second = network.model.projections_into("0")[0], network.model.projections_into("4")[0]
    assert (first.norm.eps, first.norm.momentum, first.norm.weight.requires_grad) == (1e-3, 0.3, False)
    assert (second.norm.momentum, second.norm.weight.requires_grad) == (0.01, True)
    assert first.synapses.bias is not None


def test_pruned_weights_stay_zero():
    found, example = module("mlp")
    prune.l1_unstructured(found[0], "weight", amount=0.8)
    network = spikeport.from_torch(found, example)
    (layer,) = network.model.projections_into("0")
    assert layer.synapses.mask.mean() == pytest.approx(0.2, abs=0.01)
    assert torch.equal(layer.synapses.mask != 0, found[0].weight != 0)
    assert any("80.0% of the weights of 1 layers are zero" in note for note in network.notes)


def test_a_specification_without_weights_trains_as_an_snn():
    """The loss of a spiking network built from a user's module falls."""
    found, example = module("option a")
    specification = spikeport.to_specification(found, example)
    torch.manual_seed(0)
    snn = SNN(specification, Spiking(steps=3))
    images, labels = torch.rand(16, 3, 9, 9), torch.arange(16) % 10
    optimizer = torch.optim.Adam(snn.parameters(), 0.05)
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(snn(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert snn.projections_into("conv1")[0].synapses.bias.grad.abs().sum() > 0


def test_a_first_reshape_makes_the_images():
    found = nn.Sequential(nn.Unflatten(1, (1, 6, 6)), nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))
    network = spikeport.from_torch(found, torch.rand(2, 36))
    assert network.specification.input_shape == (1, 6, 6)
    assert network.specification.nodes[0].projections[0].synapses == Convolution(
        channels=3, padding=(0, 0, 0, 0), bias=True
    )
    assert "the images have that shape from the start" in network.notes[0]
    images = torch.rand(3, 36)
    with torch.no_grad():
        torch.testing.assert_close(network.model(images.reshape(3, 1, 6, 6)), found(images))


def test_half_precision_becomes_single():
    found, example = module("mlp")
    network = spikeport.from_torch(found.bfloat16(), example)
    assert network.model.projections_into("0")[0].synapses.weight.dtype == torch.float32


class Forward(nn.Module):
    """A forward function over two layers."""

    def __init__(self, function, head=256):
        super().__init__()
        self.function, self.conv, self.head = function, nn.Conv2d(3, 4, 3, padding=1), nn.Linear(head, 3)

    def forward(self, x):
        return self.head(self.function(self, F.relu(self.conv(x))).flatten(1))


def layers(*middle, head=256):
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *middle, nn.Flatten(), nn.Linear(head, 3))


def squeezed(_, x):
    return x * torch.sigmoid(x.mean((2, 3), keepdim=True))


REFUSED = {
    "sigmoid": (layers(nn.Sigmoid()), r"1 \(torch.nn.Sigmoid\): .* 2 \(torch.nn.Flatten\) .*torch.nn.ReLU"),
    "gelu": (layers(nn.GELU()), r"1 \(torch.nn.GELU\): gelu has no form in spikes; expected torch.nn.ReLU"),
    "relu6": (layers(nn.ReLU6()), r"1 \(torch.nn.ReLU6\): .* expected torch.nn.ReLU"),
    "group norm": (layers(nn.GroupNorm(2, 4), nn.ReLU()), r"torch.nn.GroupNorm\): .*expected torch.nn.BatchNorm2d"),
    "response norm": (layers(nn.ReLU(), nn.LocalResponseNorm(2)), r"LocalResponseNorm\): .*expected torch.nn.Batch"),
    "squeeze": (Forward(squeezed), r"forward \(Forward: mul\): multiplies two values .*squeeze-and-excitation"),
    "shuffle": (layers(nn.ReLU(), nn.ChannelShuffle(2)), r"2 \(torch.nn.ChannelShuffle\): .*torch.cat and groups"),
    "no statistics": (layers(nn.BatchNorm2d(4, track_running_stats=False), nn.ReLU()), "track_running_stats=True"),
    "maxima of the image": (nn.Sequential(nn.MaxPool2d(2), layers(nn.ReLU(), head=64)), "0 .*largest of the image"),
    "maxima of sums": (layers(nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), nn.ReLU(), head=64), "1 .*a ReLU directly before"),
    "dilated maxima": (layers(nn.ReLU(), nn.MaxPool2d(2, dilation=2), head=36), "expected dilation=1"),
    "rounded up": (layers(nn.ReLU(), nn.AvgPool2d(3, ceil_mode=True), head=36), "expected ceil_mode=False"),
    "padding left out": (
        layers(nn.ReLU(), nn.AvgPool2d(3, 2, 1, count_include_pad=False), head=64),
        "expected count_include_pad=True",
    ),
    "uneven": (layers(nn.ReLU(), nn.AdaptiveAvgPool2d(3), head=36), "an output that divides 8x8: 2x2"),
    "ReLU at the end": (nn.Sequential(layers(nn.ReLU()), nn.ReLU()), r"1 \(torch.nn.ReLU\): .*take that ReLU away"),
    "no ReLU": (layers(), "no ReLU, so that nothing in it can spike"),
    "maps": (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1)),
        "ends the network in 2 maps of 6x6; expected one number",
    ),
    "last axis": (nn.Sequential(nn.Linear(8, 4), nn.ReLU()), r"acts on the last of 4 axes.*torch.nn.Flatten"),
    "cut": (Forward(lambda _, x: x[:, :, 1:-1, 1:-1], head=144), r"forward \(Forward: slice\): cuts a part out"),
    "part of the channels": (Forward(lambda _, x: torch.chunk(x, 2, 1)[0], head=128), "chunk .*torch.cat and groups"),
    "always dropout": (Forward(lambda _, x: F.dropout(x, 0.5)), r"F.dropout\(x, training=self.training\)"),
    "random": (Forward(lambda _, x: x + torch.rand_like(x)), "rand_like has no form"),
    "reflected": (layers(nn.ReLU(), nn.ReflectionPad2d(1), head=400), "pads with reflect"),
    "per position": (
        Forward(lambda self, x: x + self.head.weight[0, :64].view(8, 8)),
        "select|slice|one for each channel",
    ),
    "value-dependent": (Forward(lambda _, x: x if x.sum() > 0 else -x), "calls do not depend on the values"),
    "wrong example": (nn.Sequential(nn.Conv2d(5, 4, 3)), "does not run on the example of shape"),
}


SLOW = (
    "group norm",
    "response norm",
    "shuffle",
    "dilated maxima",
    "part of the channels",
    "random",
    "reflected",
    "cut",
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in REFUSED]
)
def test_what_has_no_form_is_named_with_its_place_and_the_nearest(name):
    found, message = REFUSED[name]
    with pytest.raises(spikeport.SpikeportError, match=message) as caught:
        spikeport.from_torch(found, torch.rand(2, 3, 8, 8))
    assert "expected" in str(caught.value)


class Pair(nn.Module):
    def forward(self, x):
        return F.relu(x), x


@pytest.mark.parametrize(
    ("found", "example", "settings", "message"),
    [
        (Pair(), torch.rand(2, 3), {}, "Pair gives a tuple; expected one tensor of logits"),
        (nn.ReLU(), "image", {}, "ReLU and str; expected a torch.nn.Module and one tensor"),
        (nn.Conv2d(3, 4, 3), torch.rand(3, 8, 8), {}, "gets 3 axes; expected 4, the batch first"),
        (nn.Conv3d(1, 1, 1), torch.rand(1, 1, 2, 2, 2), {}, r"the example is \(1, 1, 2, 2, 2\)"),
        (layers(nn.ReLU()), torch.rand(1, 3, 8, 8), {"std": 0}, "std is 0 for 3 channels; .*above zero"),
        (layers(nn.ReLU()), torch.rand(1, 3, 8, 8), {"mean": [1, 2]}, r"mean is \[1, 2\] for 3 channels"),
    ],
    ids=["two outputs", "no tensor", "no batch", "volumes", "std", "mean"],
)
def test_wrong_arguments_are_named(found, example, settings, message):
    with pytest.raises(spikeport.SpikeportError, match=message):
        spikeport.from_torch(found, example, **settings)


def test_logits_that_differ_are_refused(monkeypatch):
    """An operation that is translated wrongly is found by the comparison with the module."""
    monkeypatch.setitem(aten.CALLS, "avg_pool2d", aten.CALLS["max_pool2d"])
    with pytest.raises(spikeport.SpikeportError, match="the logits of Sequential and its specification differ by"):
        spikeport.from_torch(layers(nn.ReLU(), nn.AvgPool2d(2), head=64), torch.rand(2, 3, 8, 8))


def test_torch_is_loaded_when_it_is_needed():
    probe = "import sys, spikeport; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
