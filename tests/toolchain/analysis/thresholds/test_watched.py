"""Potentials near thresholds against the float network in float64, gradients against autograd."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from spikeport.export.executors import floating
from spikeport.export.passes import folded
from spikeport.toolchain.analysis.thresholds.watched import INPUT, watched
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.surrogates.arctan import Arctan
from spikeport.toolchain.nn.surrogates.rectangular import Rectangular
from spikeport.toolchain.robustness.deployed import Deployed
from tests.toolchain.analysis.thresholds.small import images, small

DELTAS = (0.05, 0.2, 1.0)
ROUNDING = 1e-5


@pytest.mark.parametrize("spiking", [{}, {"tau": 0.7, "reset": "subtractive"}], ids=["hard", "leaky, subtractive"])
def test_potentials_near_thresholds_and_spikes_are_those_of_the_lowered_network(spiking):
    model, (pixels, labels) = small(**spiking), images(6)
    network, found = folded(lower(model)), watched(model, pixels, labels, DELTAS)
    counts = {name: np.zeros((3, 6, len(DELTAS))) for name in found.near}
    fired = {name: np.zeros(6) for name in found.near}
    for step in floating.steps(network, Deployed(network).stimulus(pixels)):
        for name, potential in step.compared.items():
            threshold = network.population(name).neuron.threshold
            away = np.abs(potential - threshold).reshape(6, -1, 1) / threshold
            for row, slack in enumerate((-ROUNDING, 0, ROUNDING)):
                counts[name][row] += (away < np.array(DELTAS) + slack).sum(1)
            fired[name] += step.spikes[name].reshape(6, -1).sum(1)
    for name, near in found.near.items():
        assert (counts[name][0] <= near.numpy()).all()
        assert (near.numpy() <= counts[name][2]).all()
        assert near.sum() > 0
        assert (found.fired[name].numpy() == fired[name]).all()


def test_zeros_are_those_of_the_gradient_by_the_image():
    model, (pixels, labels) = small(surrogate=Rectangular(width=0.05)), images(5)
    found = watched(model, pixels, labels, DELTAS)
    asked = pixels.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(functional.cross_entropy(model(asked), labels, reduction="sum"), asked)
    assert (found.zeros[INPUT] == (gradient == 0).flatten(1).sum(1)).all()
    assert found.entries[INPUT] == 64
    assert found.zeros["conv2"].sum() > 0


def test_zeros_of_the_last_population_are_where_its_surrogate_is_zero():
    """In a network of one step nothing but the surrogate stands between the readout and what arrives."""
    model, (pixels, labels) = small(steps=1, surrogate=Rectangular(width=0.5)), images(5)
    with torch.no_grad():
        inside = model.currents(pixels, "dense1")[0] - model.neurons_of("dense1").threshold
    found = watched(model, pixels, labels, DELTAS)
    assert (found.zeros["dense1"] == (inside.abs() >= 0.25).sum(1)).all()
    assert found.entries["dense1"] == 8


def test_a_surrogate_without_an_end_leaves_no_zeros_and_the_network_is_as_it_was():
    model, (pixels, labels) = small(surrogate=Arctan()), images(4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = watched(model, pixels, labels, DELTAS)
    assert all(int(each.sum()) == 0 for each in found.zeros.values())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert not any(neurons._forward_pre_hooks for neurons in model.neuron_list())
