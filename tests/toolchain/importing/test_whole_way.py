"""Imported networks go the whole way: ANN, SNN, float network, folded, integers, the same in both executors."""

import numpy as np
import pytest
import torch

import spikeport
from spikeport.export.executors import fast, floating, reference
from spikeport.export.passes import folded
from spikeport.export.quantize import quantize
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import record
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from tests.toolchain.importing.user_networks import ARCHITECTURES, module

STEPS = 4


def levels(specification, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, *specification.input_shape), dtype=np.uint8)


def spiking(name):
    """Return the SNN with an architecture's weights; a fifth of the currents reach the thresholds and none is one."""
    network = spikeport.from_torch(*module(name, dtype=torch.float64))
    snn = SNN(network.specification, Spiking(steps=STEPS)).double().eval()
    snn.load_state_dict(network.model.state_dict(), strict=False)
    images = torch.from_numpy(levels(network.specification) / 255.0)
    with torch.no_grad():
        for node in snn.neuron_nodes():
            currents = snn.currents(images, node.name).flatten()
            snn.neurons_of(node.name).threshold.fill_(max(0.0317, 0.9731 * float(currents.quantile(0.8))))
    return snn


def compared(snn, network, images):
    """Compare every spike of a float network with PyTorch's, and the logits."""
    with torch.no_grad():
        expected = snn.spikes(torch.from_numpy(images / 255.0))
        logits = snn(torch.from_numpy(images / 255.0)).flatten(1).numpy()
    found = record(floating.steps(network, stimulus(images, network)))
    for name, spikes in expected.items():
        assert np.array_equal(spikes.numpy().swapaxes(0, 1).reshape(found[name].shape) == 1, found[name]), name
        assert found[name].any(), name
    np.testing.assert_allclose(found["readout"][:, -1] / STEPS, logits, rtol=1e-9, atol=1e-9)


QUICK = ("audio", "biased batch norm", "oblong", "ceil pooling", "option a", "pooled")


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ARCHITECTURES]
)
def test_every_step_to_integers_computes_the_same(name):
    """Lowered and folded networks give PyTorch's spikes, the fast executor the integers of the reference."""
    snn = spiking(name)
    images = levels(snn.specification)
    compared(snn, lower(snn), images)
    network = folded(lower(snn))
    compared(snn, network, images)
    integer = quantize(network, weight_bits=8)
    pixels = stimulus(images[:2], integer)
    expected, found = (record(executor.steps(integer, pixels)) for executor in (reference, fast))
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
