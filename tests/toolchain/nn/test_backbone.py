"""Networks of both kinds against the paper's equations and sizes."""

import dataclasses
import math
from itertools import product

import numpy as np
import pytest
import torch

from spikeport.export.errors import RecipeError
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.architectures.architecture import Images
from spikeport.toolchain.nn.architectures.sew_resnet import SewResNet
from spikeport.toolchain.nn.architectures.spiking_resnet import SpikingResNet
from spikeport.toolchain.nn.architectures.vgg import VGG11, VGG16, Vgg
from spikeport.toolchain.nn.architectures.wide_resnet import WideResNet
from spikeport.toolchain.nn.layers import rounded
from tests.toolchain.networks import IMAGES, SPECIFICATION, ann, images, snn


def test_snn_is_driven_by_the_same_image_at_every_step():
    model = snn()
    with torch.no_grad():
        currents = model.currents(images(), "conv1")
    assert currents.shape == (1, 6, 4, 8, 8)


def test_logits_are_the_mean_readout_current():
    model = snn()
    with torch.no_grad():
        spikes = model.spikes(images())["dense1"]
        assert len(spikes) == 4
        (layer,) = model.projections_into("readout")
        readout = torch.stack([layer(step) for step in spikes])
        assert torch.allclose(model(images()), readout.mean(0), atol=1e-5)


def test_masked_weights_get_no_gradient():
    model = ann()
    synapses = model.projections_into("conv2")[0].synapses
    synapses.mask[:, 1] = 0
    model(images()).sum().backward()
    assert not synapses.weight.grad[:, 1].any()
    assert synapses.weight.grad[:, 0].any()


def neurons(specification):
    """Count neurons with a threshold."""
    shapes = specification.shapes()
    return sum(math.prod(shapes[node.name]) for node in specification.nodes if node.kind == "neurons")


def weights(specification):
    with torch.device("meta"):
        return sum(synapses.weight.numel() for synapses in ANN(specification).synapses().values())


CIFAR = Images(classes=10, shape=(3, 32, 32), mean=(0.5,) * 3, std=(0.25,) * 3)


def test_vgg16_of_the_papers_energy_table():
    """276,992 IF neurons and 15,302,848 weights."""
    specification = Vgg(plan=VGG16, head=(256, 256)).specification(CIFAR)
    assert (neurons(specification), weights(specification)) == (276_992, 15_302_848)


def test_wrn_28_4_of_the_paper():
    """933,888 IF neurons in 25 layers and 5,864,880 weights on 100 classes."""
    specification = WideResNet(depth=28, width=4).specification(dataclasses.replace(CIFAR, classes=100))
    assert (neurons(specification), weights(specification)) == (933_888, 5_864_880)
    assert sum(node.kind == "neurons" for node in specification.nodes) == 25


def test_vgg11_and_sew_resnet18():
    vgg = Vgg(plan=VGG11, head=(256, 256)).specification(CIFAR)
    assert sum(node.kind == "neurons" for node in vgg.nodes) == 10
    sew = SewResNet().specification(CIFAR)
    assert weights(sew) == 11_164_352  # torchvision's ResNet-18: 11,689,512 less batch norm, 7x7 stem and 1,000 classes
    assert sum(node.kind == "neurons" for node in sew.nodes) == 1 + 16 + 3


def test_layers_are_plain_data_and_build():
    shapes = [tuple(synapses.weight.shape) for synapses in ANN(SPECIFICATION).synapses().values()]
    assert shapes == [(4, 2, 3, 3), (6, 4, 3, 3), (8, 6 * 4 * 4), (5, 8)]
    assert SPECIFICATION.shapes() == {
        "input": (2, 8, 8),
        "conv1": (4, 8, 8),
        "conv2": (6, 4, 4),
        "dense1": (8, 1, 1),
        "readout": (5, 1, 1),
    }


def test_impossible_sizes_are_refused():
    with pytest.raises(RecipeError, match="nothing is left of an image of 8x8 pixels at 'conv1'"):
        Vgg(plan=("P", "P", "P", "P", 4), head=()).specification(IMAGES)
    for layers, place in (
        ({"plan": ("P",) * 6, "head": (5,)}, "dense1"),
        ({"plan": (4, *"PPPP"), "head": ()}, "readout"),
    ):
        with pytest.raises(RecipeError, match=rf"network: nothing is left of .* 8x8 pixels at '{place}'"):
            Vgg(**layers).specification(IMAGES)
    for nothing in ((), ("P",)):
        with pytest.raises(RecipeError, match=r"network: has no neurons"):
            Vgg(plan=nothing, head=()).specification(IMAGES)
    for kind in (SewResNet, SpikingResNet):
        with pytest.raises(RecipeError, match=r"network.blocks is empty; expected the number of blocks"):
            kind(blocks=()).specification(IMAGES)
        with pytest.raises(RecipeError, match=r"network.depth is 101; expected 18, 34, 50"):
            kind(depth=101).specification(IMAGES)
    with pytest.raises(RecipeError, match=r"network.plan pools the image by 'M'; expected 'M' behind channels"):
        Vgg(plan=("M", 4), head=()).specification(IMAGES)
    with pytest.raises(RecipeError, match=r"network.plan has 'P' and 'M' in a row; expected one kind"):
        Vgg(plan=(4, "P", "M"), head=()).specification(IMAGES)
    with pytest.raises(RecipeError, match=r"pools the map of 'conv1', 8x9, in windows of 2x2, which do not divide it"):
        Vgg(plan=(4, "M", 4), head=()).specification(dataclasses.replace(IMAGES, shape=(2, 8, 9)))
    with pytest.raises(RecipeError, match=r"network.depth is 27; expected 6n \+ 4"):
        WideResNet(depth=27).specification(IMAGES)


@pytest.mark.parametrize(("name", "bits"), [("conv1", 4), ("conv1", 2), *product(["conv2", "dense1"], [8, 4, 2])])
def test_rounded_weights_are_those_of_the_quantizer(name, bits):
    """With thresholds that are whole on the grid, max-abs scales give the integers that training rounded to.

    Average pooling spreads each weight over 2 x 2 entries. At 8 bits the registers, not the weights, limit what hears
    pixels.
    """
    model = snn().double().eval()
    (layer,) = model.projections_into(name)
    scaled = layer.synapses.weight.detach() * layer.factors()
    step = scaled.abs().max() / (2 ** (bits - 1) - 1)
    model.neurons_of(name).threshold.data.fill_(float(100 * step / layer.projection.pooling**2))
    (projection,) = quantize(folded(lower(model)), weight_bits=bits).incoming(name)
    found = projection.synapses.weight
    found = found[:, :, ::2, ::2] if name == "conv2" else found
    weight = rounded(layer.synapses.weight, layer.factors(), bits).detach() * scaled / layer.synapses.weight.detach()
    assert np.array_equal(found.ravel(), torch.round(weight / step).numpy().ravel())


def test_rounding_keeps_gradient_and_statistics():
    model = snn()
    model.round_weights(3)
    model.train()
    before = model.projections_into("conv1")[0].norm.running_mean.clone()
    model(images()).square().sum().backward()
    synapses = model.projections_into("conv2")[0].synapses
    assert synapses.weight.grad.abs().sum() > 0
    assert torch.equal(model.projections_into("conv1")[0].norm.running_mean, before)
    coarse = model(images())
    model.round_weights(None)
    model.eval()
    assert not torch.equal(coarse, model(images()))
