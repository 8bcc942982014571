"""Activity of layers against the values themselves."""

import pytest
import torch

from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.training.activity import rates
from tests.toolchain.networks import NETWORKS, images


@pytest.mark.parametrize("name", NETWORKS)
def test_rate_of_an_ann_is_the_share_of_units_above_zero(name):
    torch.manual_seed(0)
    model, values = ANN(NETWORKS[name]).eval(), {}
    for node in NETWORKS[name].nodes:
        for layer in model.projections_into(node.name):
            layer.register_forward_hook(
                lambda _, __, out, name=node.name: values.update({name: values.get(name, 0) + out.detach()})
            )
    model(images())
    expected = {node.name: float((values[node.name] > 0).float().mean()) for node in model.neuron_nodes()}
    values.clear()
    assert rates(model.train(), images()) == pytest.approx(expected)
    assert model.training
    assert 0 < min(expected.values()) < 1


@pytest.mark.parametrize("name", ["vgg", "sew_resnet"])
def test_rate_of_an_snn_is_spikes_per_neuron_and_step(name):
    torch.manual_seed(0)
    model = SNN(NETWORKS[name], Spiking(steps=5)).eval()
    with torch.no_grad():
        for neurons in model.neuron_list():
            neurons.threshold.fill_(0.3)
        expected = {name: float(spikes.mean()) for name, spikes in model.spikes(images()).items()}
    assert rates(model, images()) == pytest.approx(expected)


def test_other_modules_have_no_rates():
    assert rates(torch.nn.Linear(2, 2), images()) == {}
