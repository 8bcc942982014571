"""Algorithm 1, recomputed with numpy one layer at a time."""

import copy

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from spikeport.export.errors import TrainingError
from spikeport.toolchain.conversion import layerwise
from spikeport.toolchain.conversion.threshold_balancing import convert
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.layers import ProjectionLayer
from spikeport.toolchain.nn.neurons import MINIMUM_THRESHOLD
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import INPUT
from spikeport.toolchain.nn.spiking import Spiking
from tests.toolchain.networks import NETWORKS, ann, images
from tests.toolchain.nn.plain_neurons import plain_spikes

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


def plain_conversion(ann, *, spiking):
    """Algorithm 1 in PyTorch's own operations, all steps and the whole network at once."""
    spiking, thresholds = msgspec.structs.replace(spiking, steps=SETTINGS["calibration_steps"]), []
    ann = copy.deepcopy(ann).train()
    with torch.no_grad():
        sent = [{INPUT: ann.normalized(batch.double())[None]} for batch in BATCHES]
        for node in ann.specification.nodes[:-1]:
            currents = [
                sum(
                    layer(values[layer.source].flatten(0, 1)).unflatten(0, values[layer.source].shape[:2])
                    for layer in ann.projections_into(node.name)
                )
                for values in sent
            ]
            if node.kind == "neurons":
                thresholds.append(max(percentile_of(each.numpy(), SETTINGS["percentile"]) for each in currents))
                neuron = {"threshold": thresholds[-1], "tau": spiking.tau}
                currents = [plain_spikes(each, spiking, **neuron) for each in currents]
            for values, each in zip(sent, currents, strict=True):
                values[node.name] = each
    return thresholds


@pytest.mark.parametrize(("part", "memory"), [(1000, 0), (2**25, 2**30)])
@pytest.mark.parametrize("name", NETWORKS)
def test_thresholds_are_those_of_the_plain_algorithm(monkeypatch, name, part, memory):
    """However many steps make a part, in memory or on the disk."""
    monkeypatch.setattr(layerwise, "PART", part)
    spiking = Spiking(tau=0.75, reset="subtractive") if part == 1000 else Spiking()
    model = deep_ann(NETWORKS[name])
    snn = convert(model, [batch.double() for batch in BATCHES], spiking=spiking, memory=memory, **SETTINGS)
    found = [neurons.threshold.item() for neurons in snn.neuron_list()]
    scale, least = SETTINGS["threshold_scale"], MINIMUM_THRESHOLD
    assert found == pytest.approx([max(scale * each, least) for each in plain_conversion(model, spiking=spiking)])
    assert snn.spiking == msgspec.structs.replace(spiking, steps=3)


def deep_ann(specification):
    """An ANN in float64 whose batch norms differ from each other and from what they are made as."""
    torch.manual_seed(1)
    model = ANN(specification).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.uniform_(-0.2, 0.8)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.3, 1.5)
    return model


@pytest.mark.parametrize("name", NETWORKS)
def test_statistics_are_the_means_over_the_batches(name):
    """PyTorch's own batch norm with cumulative averages, in the converted network, finds the same."""
    snn = convert(deep_ann(NETWORKS[name]), [batch.double() for batch in BATCHES], **SETTINGS)
    twin = copy.deepcopy(snn).train()
    norms = [module for module in twin.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    with torch.no_grad():
        for batch in BATCHES:
            twin(batch.double())
    for key, value in snn.state_dict().items():
        assert torch.allclose(value, twin.state_dict()[key], rtol=1e-9, atol=1e-12), key
    assert {norm.momentum for norm in snn.modules() if isinstance(norm, nn.BatchNorm2d)} <= {0.1}


def test_every_layer_is_computed_once_a_batch(monkeypatch):
    """And once more with the final thresholds for the statistics."""
    calls = []
    linear = ProjectionLayer.linear
    monkeypatch.setattr(ProjectionLayer, "linear", lambda *a, **k: calls.append(a[0].shape) or linear(*a, **k))
    convert(ann(), BATCHES, statistics="ann", **SETTINGS)
    assert len(calls) == 3 * len(BATCHES)
    convert(ann(), BATCHES, **SETTINGS)
    assert len(calls) == 9 * len(BATCHES)


def test_statistics_of_the_ann_stay_where_asked_for():
    model = deep_ann(NETWORKS["wide_resnet"])
    snn = convert(model, [batch.double() for batch in BATCHES], statistics="ann", **SETTINGS)
    for name, value in model.state_dict().items():
        assert torch.equal(snn.state_dict()[name], value), name
    other = convert(model, [batch.double() for batch in BATCHES], **SETTINGS)
    assert [a.threshold.item() for a in snn.neuron_list()] != [a.threshold.item() for a in other.neuron_list()]


def test_a_network_that_is_not_finetuned_follows_its_ann():
    """With the ANN's statistics, subtractive reset and thresholds at the largest current, rates are the ReLU's."""
    torch.manual_seed(0)
    model = deep_ann(NETWORKS["vgg"]).eval()
    batch = [images(20).double()]
    settings = {"steps": 400, "calibration_steps": 50, "percentile": 100.0, "threshold_scale": 1.0}
    snn = convert(model, batch, statistics="ann", spiking=Spiking(reset="subtractive"), **settings).eval()
    rates = snn.spikes(batch[0])["conv1"].mean(0) * snn.neurons_of("conv1").threshold
    (layer,) = model.projections_into("conv1")
    with torch.no_grad():
        expected = torch.relu(layer(model.normalized(batch[0])))
    assert torch.allclose(rates, expected, atol=2 * snn.neurons_of("conv1").threshold.item() / 400)


def test_no_batch_is_refused():
    with pytest.raises(TrainingError, match="no batch of images to calibrate with; expected one at least"):
        convert(ann(), (), **SETTINGS)
