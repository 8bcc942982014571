"""Zeros and norms of gradients by operation: against a network of PyTorch's modules with backward hooks."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from spikeport.export.errors import AttackError, NetworkError
from spikeport.toolchain.analysis import gradients as measuring
from spikeport.toolchain.analysis.gradients import gradients
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.specification import INPUT, READOUT, Linear, Node, Projection, Specification
from tests.toolchain.networks import IMAGES, NETWORKS, images, labels, snn
from tests.toolchain.nn.plain_neurons import plain_spikes

STEPS = 4


class Neurons(nn.Module):
    def __init__(self, spiking, threshold):
        super().__init__()
        self.spiking, self.threshold = spiking, threshold

    def forward(self, current):
        if self.spiking is None:
            return torch.relu(current)
        found = plain_spikes(
            current.unflatten(0, (STEPS, -1)), self.spiking, threshold=self.threshold, tau=torch.tensor(1.0).double()
        )
        return found.flatten(0, 1)


class Addition(nn.Module):
    def forward(self, first, second):
        return first + second


class Written(nn.Module):
    """SEW-ResNet of two blocks with max pooling, a module an operation; values are (T N, ...)."""

    def __init__(self, model):
        super().__init__()
        self.mean, self.std, self.steps = model.mean, model.std, getattr(model, "steps", 1)
        spiking = getattr(model, "spiking", None)
        made = {}
        for node in model.specification.nodes:
            for layer in model.projections_into(node.name):
                name = f"{layer.source} -> {node.name}"
                made |= {f"{kind}|{name}": module for kind, module in self.modules_of(layer)}
            if node.kind == "neurons":
                threshold = None if spiking is None else model.neurons_of(node.name).threshold.detach()
                made[f"neuron|{node.name}"] = Neurons(spiking, threshold)
            if len(node.projections) > 1:
                made[f"addition|{node.name}"] = Addition()
        self.named = {name.replace(".", "_"): module for name, module in made.items()}
        self.operations = nn.ModuleList(self.named.values())

    @staticmethod
    def modules_of(layer):
        if layer.projection.pool() is not None:
            kind = (
                ("max pooling", nn.MaxPool2d(3, 2, 1))
                if layer.source == "stem"
                else ("average pooling", nn.AvgPool2d(4 // 2))
            )
            yield kind
        if layer.synapses is not None and layer.synapses.convolution is None:
            yield "linear", _with(nn.Linear(*layer.synapses.weight.shape[::-1]), layer.synapses)
        elif layer.synapses is not None:
            kind, (wide, narrow, side, _) = layer.synapses.convolution, layer.synapses.weight.shape
            yield (
                "convolution",
                _with(nn.Conv2d(narrow, wide, side, kind.stride, side // 2, bias=False), layer.synapses),
            )
        if layer.norm is not None:
            norm = nn.BatchNorm2d(layer.norm.num_features)
            norm.load_state_dict(layer.norm.state_dict())
            yield "batch norm", norm

    def forward(self, pixels):
        x = ((pixels - self.mean) / self.std).repeat(self.steps, 1, 1, 1)
        stem = self.layer(INPUT, "stem", x)
        pool = self.named["max pooling|stem -> pool"](stem)
        last = pool
        for block in ("block1_1", "block2_1"):
            before = "pool" if block == "block1_1" else "block1_1"
            branch = self.layer(f"{block}_a", f"{block}_b", self.layer(before, f"{block}_a", last))
            short = self.layer(before, f"{block}_shortcut", last) if block == "block2_1" else last
            last = self.named[f"addition|{block}"](branch, short)
        pooled = self.named["average pooling|block2_1 -> readout"](last).flatten(1)
        logits = self.named["linear|block2_1 -> readout"](pooled)
        return logits.unflatten(0, (self.steps, -1)).mean(0)

    def layer(self, source, target, x):
        name = f"{source} -> {target}"
        x = self.named[f"batch norm|{name}"](self.named[f"convolution|{name}"](x))
        return self.named[f"neuron|{target}"](x)


def _with(module, synapses):
    module.weight.data = synapses.weight.detach()
    if synapses.bias is not None:
        module.bias.data = synapses.bias.detach()
    return module


def by_hooks(model, given, truth):
    """Return zeros (N,) and norms (N,) of every module's first input gradient."""
    written, found = Written(model).double().eval(), {}

    def hook(name):
        def keep(_module, arriving, _leaving):
            rows = arriving[0].reshape(-1, len(given), arriving[0].numel() // len(arriving[0]))
            found[name] = ((rows == 0).double().mean((0, 2)), rows.square().sum((0, 2)).sqrt())

        return keep

    for name, module in written.named.items():
        module.register_full_backward_hook(hook(name))
    pixels = given.clone().requires_grad_()
    functional.cross_entropy(written(pixels), truth, reduction="sum").backward()
    rows = pixels.grad.flatten(1)
    found["pixels"] = ((rows == 0).double().mean(1), rows.norm(dim=1))
    return found


def mean_of(values):
    values = values.numpy()
    return values.mean(), values.std(ddof=1) / math.sqrt(len(values))


def check(figure, zeros, norms):
    found = (figure.zeros, figure.zeros_error, figure.norm, figure.norm_error)
    np.testing.assert_allclose(found, (*mean_of(zeros), *mean_of(norms)), rtol=1e-9, atol=1e-12)


def spiking_model():
    return snn(specification=NETWORKS["sew_max"], steps=STEPS).double()


def rectified():
    torch.manual_seed(0)
    return ANN(NETWORKS["sew_max"]).double().eval()


@pytest.mark.parametrize("count", [STEPS, 5], ids=["as many images as steps", "another number"])
@pytest.mark.parametrize("make", [spiking_model, rectified])
def test_figures_are_those_of_hooks_on_modules_written_out(make, count, monkeypatch):
    """In batches of three, so that the last has another size."""
    monkeypatch.setattr(measuring, "BATCH", 3)
    model, given, truth = make(), images(count).double(), labels(count)
    expected = by_hooks(model, given, truth)
    found = gradients(model, given, truth)
    check(found.pixels, *expected.pop("pixels"))
    assert {f"{each.kind}|{each.layer}" for each in found.operations} == expected.keys()
    for each in found.operations:
        check(each, *expected[f"{each.kind}|{each.layer}"])
    for each in found.kinds:
        same = [values for name, values in expected.items() if name.startswith(f"{each.kind}|")]
        assert each.operations == len(same)
        check(each, *(torch.stack(values).mean(0) for values in zip(*same, strict=True)))
    assert found.clean == float((model(given).argmax(1) == truth).double().mean())
    assert found.steps == (STEPS if make is spiking_model else None)
    assert any(0 < each.zeros < 1 for each in found.operations)


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_and_the_gradient_by_the_pixels_are_the_networks(name):
    model, given, truth = snn(specification=NETWORKS[name]).double(), images().double(), labels()
    found = gradients(model, given, truth)
    pixels = given.clone().requires_grad_()
    loss = functional.cross_entropy(model(pixels), truth, reduction="sum")
    (expected,) = torch.autograd.grad(loss, pixels)
    check(found.pixels, (expected.flatten(1) == 0).double().mean(1), expected.flatten(1).norm(dim=1))
    assert [parameter.grad for parameter in model.parameters()] == [None] * len(list(model.parameters()))


def test_an_operation_that_no_gradient_reaches_is_all_zeros():
    """A readout without weights: everything before it gets a gradient of zeros."""
    model = spiking_model()
    model.projections_into(READOUT)[0].synapses.weight.data.zero_()
    found = gradients(model, images().double(), labels())
    last = found.operations[-1]
    assert (last.kind, last.zeros, last.norm) == ("linear", 1.0, 0.0)
    assert found.pixels == replace(found.pixels, zeros=1.0, zeros_error=0.0, norm=0.0, norm_error=0.0)


def test_one_image_has_no_standard_error():
    found = gradients(spiking_model(), images(1).double(), labels(1))
    assert found.pixels.zeros_error is None
    assert "±" not in found.text()


def without_neurons():
    readout = Node(name=READOUT, kind="readout", projections=(Projection(source=INPUT, synapses=Linear(features=5)),))
    return ANN(Specification(input_shape=IMAGES.shape, mean=IMAGES.mean, std=IMAGES.std, nodes=(readout,)))


@pytest.mark.parametrize(
    ("model", "count", "error", "sentence"),
    [
        (without_neurons, 2, NetworkError, "the network has no neurons; expected one layer"),
        (lambda: nn.Linear(3, 2), 2, NetworkError, "a Linear was given; expected an ANN or SNN of spikeport"),
        (spiking_model, 0, AttackError, "there are no images to differentiate at"),
    ],
)
def test_what_has_no_figures_is_one_sentence(model, count, error, sentence):
    with pytest.raises(error, match=sentence):
        gradients(model(), images(count).double(), labels(count))


def test_labels_that_are_no_classes_are_refused():
    with pytest.raises(AttackError, match="labels reach from 5 to 5; the network has classes 0 to 4"):
        gradients(spiking_model(), images(2).double(), torch.full((2,), 5))
