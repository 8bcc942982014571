"""Neurons and surrogate gradients against the paper's equations."""

import pytest
import torch

from export.errors import RecipeError
from tests.toolchain.networks import SPECIFICATION, ann, images, snn
from toolchain.nn.networks import ANN, IntegrateAndFire
from toolchain.nn.specification import Convolution, Linear, Pooling, vgg
from toolchain.nn.surrogate import piecewise_linear


def test_neuron_fires_at_the_threshold_and_resets_to_zero():
    neurons = IntegrateAndFire()
    currents = torch.tensor([[0.5, 1.0, -1.0], [0.5, 0.25, 2.0], [0.5, 0.5, 0.5]])
    expected = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    assert torch.equal(neurons(currents), expected)


def test_surrogate_is_the_triangle_of_eq_13():
    distance = torch.linspace(-2, 2, 81, dtype=torch.float64, requires_grad=True)
    for width in (0.5, 1.0):
        (slope,) = torch.autograd.grad(piecewise_linear(distance, width).sum(), distance)
        expected = torch.clamp(width - distance.detach().abs(), min=0) / width**2
        assert torch.equal(slope, expected)
        assert slope.sum().item() * 0.05 == pytest.approx(1.0)
    assert torch.equal(piecewise_linear(distance).detach(), (distance.detach() >= 0).double())


def test_gradient_passes_through_time_and_reset():
    """The same neuron written out step by step in autograd gives the same gradient."""
    neurons = IntegrateAndFire()
    torch.manual_seed(0)
    currents = torch.randn(5, 7, requires_grad=True)
    weights = torch.randn(5, 7)
    (found,) = torch.autograd.grad((neurons(currents) * weights).sum(), currents)
    potential, total = torch.zeros(7), torch.zeros(())
    for step in range(5):
        potential = potential + currents[step]
        fired = piecewise_linear(potential - neurons.threshold)
        potential = potential - potential * fired
        total = total + (fired * weights[step]).sum()
    (expected,) = torch.autograd.grad(total, currents)
    assert torch.allclose(found, expected)
    assert found[0].abs().sum() > 0


def test_snn_is_driven_by_the_same_image_at_every_step():
    model = snn()
    with torch.no_grad():
        currents = model.currents(images(), 0)
    assert currents.shape == (4, 6, 4, 8, 8)
    assert all(torch.equal(currents[0], step) for step in currents)


def test_logits_are_the_mean_readout_current():
    model = snn()
    with torch.no_grad():
        spikes = model.spikes(images())[-1]
        readout = torch.stack([model.block_list()[-1](step) for step in spikes])
        assert torch.allclose(model(images()), readout.mean(0), atol=1e-5)


def test_masked_weights_get_no_gradient():
    model = ann()
    synapses = model.block_list()[1].synapses
    synapses.mask[:, 1] = 0
    model(images()).sum().backward()
    assert not synapses.weight.grad[:, 1].any()
    assert synapses.weight.grad[:, 0].any()


def test_vgg_is_plain_data_and_builds():
    kinds = [type(layer) for layer in SPECIFICATION.layers]
    assert kinds == [Convolution, Pooling, Convolution, Linear, Linear]
    shapes = [tuple(synapses.weight.shape) for synapses in ANN(SPECIFICATION).synapses().values()]
    assert shapes == [(4, 2, 3, 3), (6, 4, 3, 3), (8, 6 * 4 * 4), (5, 8)]


def test_too_many_poolings_are_refused():
    with pytest.raises(RecipeError, match="pools 4 times, which leaves nothing of an image of 8x8"):
        vgg([4, "P", "P", "P", "P"], [], classes=2, input_shape=(1, 8, 8), mean=(0.0,), std=(1.0,))
