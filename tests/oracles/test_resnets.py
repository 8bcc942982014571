"""SEW-ResNets and Spiking-ResNets are SpikingJelly's, in float64; `record_resnets.py` recorded theirs.

Parameters are counted for ImageNet; with equal weights the spikes of every layer are equal, and the gradients up to
rounding. What differs is stated in docs/gradients.md.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.architectures.architecture import Images
from spikeport.toolchain.nn.architectures.sew_resnet import SewResNet
from spikeport.toolchain.nn.architectures.spiking_resnet import SpikingResNet
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.nn.surrogates.arctan import Arctan
from tests.oracles.training import resnets

RECORDED = Path(__file__).parent / "training" / "spikingjelly_resnets.npz"
KINDS = {"sew": SewResNet, "spiking": SpikingResNet}
SPIKING = Spiking(steps=resnets.STEPS, train_threshold=False, surrogate=Arctan(alpha=2.0))
MOST = 1e-9
QUICK = {("sew", 18, "train"), ("spiking", 18, "eval")}


@cache
def recorded():
    with np.load(RECORDED, allow_pickle=False) as arrays:
        return dict(arrays)


def specification(kind, depth, side, classes):
    images = Images(shape=(3, side, side), classes=classes, mean=(0.0,) * 3, std=(1.0,) * 3)
    return KINDS[kind](depth=depth, stem="7x7").specification(images)


def layers(model):
    """Return synapses and batch norms in the order in which they stand."""
    found = [layer for node in model.specification.nodes for layer in model.projections_into(node.name)]
    return [each.synapses for each in found if each.synapses], [each.norm for each in found if each.norm]


def filled(kind, depth):
    model = SNN(specification(kind, depth, 32, resnets.CLASSES), SPIKING).double()
    synapses, norms = layers(model)
    with torch.no_grad():
        for index, each in enumerate(synapses):
            each.weight.copy_(torch.from_numpy(resnets.weights(index, tuple(each.weight.shape))))
        synapses[-1].bias.copy_(torch.from_numpy(resnets.weights(len(synapses), (resnets.CLASSES, 1))[:, 0]))
        for index, each in enumerate(norms):
            values = resnets.norm(index, each.num_features)
            for tensor, value in zip(
                (each.weight, each.bias, each.running_mean, each.running_var), values, strict=True
            ):
                tensor.copy_(torch.from_numpy(value))
    return model, synapses, norms


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=MOST, atol=MOST * np.abs(expected).max())


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("kind", "depth"),
    [each if each[1] == 18 else pytest.param(*each, marks=pytest.mark.slow) for each in resnets.NETWORKS],
)
def test_parameters_are_as_many_as_spikingjellys(kind, depth):
    """For 224 x 224 pixels and 1,000 classes, with thresholds that do not train."""
    ann, snn = ANN(specification(kind, depth, 224, 1000)), SNN(specification(kind, depth, 224, 1000), SPIKING)
    expected = int(recorded()[f"{kind}{depth},parameters"])
    assert sum(each.numel() for each in ann.parameters()) == expected
    assert sum(each.numel() for each in snn.parameters() if each.requires_grad) == expected


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("kind", "depth", "mode"),
    [
        case if case in QUICK else pytest.param(*case, marks=pytest.mark.slow)
        for case in ((*network, mode) for network in resnets.NETWORKS for mode in ("eval", "train"))
    ],
)
def test_spikes_and_gradients_are_spikingjellys(kind, depth, mode):
    theirs = {
        name: recorded()[f"{kind}{depth},{mode},{name}"] for name in ("logits", "spikes", "images", "weights", "norms")
    }
    model, synapses, norms = filled(kind, depth)
    model.train(mode == "train")
    pixels, wanted = (torch.from_numpy(each) for each in resnets.images())
    pixels.requires_grad_()
    logits = model(pixels)
    close(logits.detach().numpy(), theirs["logits"])
    (logits * wanted).sum().backward()
    close(resnets.sampled(pixels.grad.numpy(), resnets.PIXELS), theirs["images"])
    for layer, expected in zip(synapses, theirs["weights"], strict=True):
        close(resnets.sampled(layer.weight.grad.numpy()), expected)
    for layer, expected in zip(norms, theirs["norms"], strict=True):
        found = [resnets.sampled(each.grad.numpy()) for each in (layer.weight, layer.bias)]
        close(np.concatenate(found), expected)
    if mode == "train":
        check_moments(norms, recorded()[f"{kind}{depth},{mode},moments"])
    with torch.no_grad():
        spikes = model.spikes(pixels)
    assert [resnets.digest(each.numpy()) for each in spikes.values()] == [tuple(each) for each in theirs["spikes"]]


def check_moments(norms, theirs):
    """Running moments are theirs; those of the stem are of one step of a held image, not of T equal ones."""
    close(resnets.sampled(norms[1].running_var.numpy()), theirs[1])
    before = resnets.sampled(resnets.norm(0, 64)[3])[:-1]
    values = 2 * 16 * 16
    unbiased = (theirs[0][:-1] - 0.9 * before) / 0.1 * (resnets.STEPS * values - 1) / (resnets.STEPS * values)
    close(resnets.sampled(norms[0].running_var.numpy())[:-1], 0.9 * before + 0.1 * unbiased * values / (values - 1))
