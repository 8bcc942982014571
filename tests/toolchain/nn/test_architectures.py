"""The papers' networks, small, all the way: PyTorch, integers, archive, and every executor on every neuron and step."""

import dataclasses
import math

import pytest

from spikeport.export import archive, bounds, fidelity
from spikeport.export.executors import reference
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import random_stimulus
from spikeport.export.trace import record
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.architectures.sew_resnet import SewResNet
from spikeport.toolchain.nn.architectures.spiking_resnet import SpikingResNet
from spikeport.toolchain.nn.architectures.vgg import VGG11, VGG16, Vgg
from spikeport.toolchain.nn.architectures.wide_resnet import WideResNet
from tests.toolchain.networks import IMAGES, snn

THIN = dataclasses.replace(IMAGES, shape=(2, 16, 16))


def thin(plan, divisor=32):
    """Return the same plan with a few channels."""
    return tuple(entry if entry == "P" else max(2, entry // divisor) for entry in plan)


NETWORKS = {
    "vgg11": Vgg(plan=thin(VGG11[:-3]), head=(8, 8)),
    "vgg16": Vgg(plan=thin(VGG16), head=(8, 8)),
    "wrn28": WideResNet(depth=28, width=2, channels=2),
    "sew18": SewResNet(channels=3),
}
"""The topology of VGG-11 (its last pooling would leave nothing of 16 pixels), VGG-16, WRN-28 and SEW-ResNet-18."""

SHORT = {"channels": 2, "blocks": (1, 1)}
SMALL = {
    "sew18_max": SewResNet(stem="7x7", **SHORT),
    "sew50_max": SewResNet(depth=50, pooling="max", **SHORT),
    "sew18_average": SewResNet(stem="7x7", pooling="average", **SHORT),
    "spiking18_max": SpikingResNet(stem="7x7", **SHORT),
    "spiking50_max": SpikingResNet(depth=50, pooling="max", **SHORT),
    "spiking18_average": SpikingResNet(pooling="average", **SHORT),
    "vgg_max": Vgg(plan=(2, "M", 3, "M", "M", 4), head=(6,)),
    "wrn10": WideResNet(depth=10, width=1, channels=2),
}
"""Maxima of spikes, each a population of its own, and blocks whose neurons stand behind the sum."""


def integers(name):
    model = snn(specification=(NETWORKS | SMALL)[name].specification(THIN), steps=8)
    return quantize(folded(lower(model)))


def samples(network, steps):
    """Return how many samples give about ``steps`` neuron steps."""
    neurons = sum(math.prod(population.shape) for population in network.neurons)
    return max(1, -(-steps // (neurons * network.steps)))


def agree(network, executors, steps, compared):
    found, _ = fidelity.check(network, random_stimulus(network, samples(network, steps), 0), executors)
    compared(found)
    assert {name: each.mismatches for name, each in found.items()} == dict.fromkeys(executors, 0)
    assert min(each.compared for each in found.values()) >= steps
    return found


@pytest.mark.parametrize(
    "name", ["vgg16", "wrn28", *(pytest.param(n, marks=pytest.mark.slow) for n in ("vgg11", "sew18"))]
)
def test_archive_onnx_and_nir_are_exact(name, tmp_path, compared):
    """Ten million neuron steps over the four networks."""
    network = integers(name)
    archive.write(network, tmp_path / "network.safetensors")
    restored = archive.read_integer(tmp_path / "network.safetensors")
    assert archive.digest(restored) == archive.digest(network)
    assert bounds.is_safe(restored)
    agree(restored, ["onnx", "nir"], 1_300_000, compared)


@pytest.mark.lava
@pytest.mark.parametrize(
    "name", ["vgg16", *(pytest.param(n, marks=pytest.mark.slow) for n in ("vgg11", "wrn28", "sew18"))]
)
def test_lava_is_exact(name, compared):
    """WRN-28 and its relays take a minute in Lava; SEW-ResNet-18 has residual paths and relays, too."""
    agree(integers(name), ["lava"], 30_000, compared)


@pytest.mark.parametrize(
    "name", [name if name == "sew18_max" else pytest.param(name, marks=pytest.mark.slow) for name in SMALL]
)
def test_pooled_and_residual_networks_are_exact_everywhere(name, compared):
    """ONNX, NIR and the reference, against the fast executor."""
    agree(integers(name), ["reference", "onnx", "nir"], 50_000, compared)


@pytest.mark.slow
@pytest.mark.lava
@pytest.mark.parametrize("name", SMALL)
def test_pooled_and_residual_networks_are_exact_in_lava(name, compared):
    agree(integers(name), ["lava"], 10_000, compared)


@pytest.mark.slow
@pytest.mark.lava
@pytest.mark.parametrize("name", NETWORKS)
def test_a_hundred_million_neuron_steps_are_exact(name, compared):
    network = integers(name)
    agree(network, ["onnx", "nir"], 12_500_000, compared)
    agree(network, ["lava"], 500_000, compared)


@pytest.mark.parametrize("name", [*NETWORKS, *SMALL])
def test_spikes_reach_every_layer(name):
    """A silent layer would make the comparison worth nothing."""
    network = integers(name)

    trace = record(reference.steps(network, random_stimulus(network, 8, 0)))
    silent = [population.name for population in network.spiking if not trace[population.name].any()]
    assert len(silent) <= len(network.spiking) // 10, silent
