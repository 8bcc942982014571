"""Algorithm 1, recomputed with numpy one layer at a time."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from spikeport.toolchain.conversion import convert
from spikeport.toolchain.nn.neurons import MINIMUM_THRESHOLD
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from tests.toolchain.networks import ann, images

SETTINGS = {"steps": 3, "calibration_steps": 12, "percentile": 90.0, "threshold_scale": 0.3}
BATCHES = (images(5, 1), images(5, 2), images(5, 3))


def integrate_and_fire(currents, threshold):
    """Hard-reset IF over the first axis."""
    potential, spikes = np.zeros_like(currents[0]), []
    for arriving in currents:
        potential = potential + arriving
        fired = potential >= threshold
        spikes.append(fired)
        potential = np.where(fired, 0, potential)
    return np.stack(spikes)


def percentile_of(values, percent):
    ordered = np.sort(values, axis=None)
    return ordered[round(ordered.size * percent / 100) - 1]


def block_over(block, inputs):
    """Apply pooling, synapses and batch norm with batch statistics to inputs of all steps at once."""
    block = copy.deepcopy(block).train()
    with torch.no_grad():
        flat = block(torch.from_numpy(inputs.astype(np.float32)).flatten(0, 1))
    return flat.unflatten(0, inputs.shape[:2]).numpy()


def expected_thresholds(model):
    """Return the unscaled thresholds, layer after layer with the layers below spiking at theirs."""
    steps, thresholds = SETTINGS["calibration_steps"], []
    inputs = [np.repeat(model.normalized(batch).numpy()[None], steps, axis=0) for batch in BATCHES]
    for node in model.neuron_nodes():
        (block,) = model.projections_into(node.name)
        currents = [block_over(block, given) for given in inputs]
        thresholds.append(max(percentile_of(each, SETTINGS["percentile"]) for each in currents))
        inputs = [integrate_and_fire(each, thresholds[-1]) for each in currents]
    return thresholds


def test_thresholds_follow_algorithm_1():
    model = ann()
    snn = convert(model, BATCHES, **SETTINGS)
    found = [neurons.threshold.item() for neurons in snn.neuron_list()]
    assert found == pytest.approx([0.3 * each for each in expected_thresholds(model)], rel=1e-5)
    assert len(set(found)) == 3


def test_weights_masks_and_affine_parameters_are_the_anns():
    model = ann()
    model.projections_into("conv1")[0].synapses.mask[0] = 0
    snn = convert(model, BATCHES, **SETTINGS)
    theirs = snn.state_dict()
    for name, value in model.state_dict().items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(theirs[name], value), name
    assert snn.steps == 3


def test_statistics_are_those_of_the_spiking_network():
    """Threshold-dependent batch norm: mean over batch and time of the weighted spikes."""
    snn = convert(ann(), BATCHES, **SETTINGS)
    (first,) = snn.projections_into("conv1")
    with torch.no_grad():
        weighted = torch.stack([first.synapses(snn.normalized(batch)).mean((0, 2, 3)) for batch in BATCHES])
    assert isinstance(first.norm, nn.BatchNorm2d)
    assert torch.allclose(first.norm.running_mean, weighted.mean(0), atol=1e-6)
    assert first.norm.momentum == 0.1


def test_thresholds_train_and_stay_positive():
    snn = SNN(ann().specification, Spiking(steps=4))
    snn.train()
    for neurons in snn.neuron_list():
        neurons.threshold.data.fill_(0.05)
    snn(images()).square().sum().backward()
    neurons = snn.neuron_list()[0]
    assert neurons.threshold.grad is not None
    assert neurons.threshold.grad.item() != 0
    neurons.threshold.data.fill_(-1.0)
    neurons.clamp_threshold()
    assert neurons.threshold.item() == pytest.approx(MINIMUM_THRESHOLD)
