"""The spiking network: what it sends, what it keeps, how its parts are exchanged."""

import weakref

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from spikeport.toolchain.nn.surrogates.piecewise_linear import PiecewiseLinear
from tests.toolchain.networks import NETWORKS, images, snn


def input_gradient(model):
    pixels = images().requires_grad_()
    return torch.autograd.grad(model(pixels).square().sum(), pixels)[0]


def test_surrogates_are_exchanged_at_run_time_and_come_back():
    model = snn()
    trained, logits = input_gradient(model), model(images())
    with model.surrogate(PiecewiseLinear(width=3.0)):
        other, same = input_gradient(model), model(images())
        pixels = images().requires_grad_()
        late = model(pixels).square().sum()
    assert not torch.equal(trained, other)
    assert torch.equal(logits, same)
    assert torch.equal(torch.autograd.grad(late, pixels)[0], other)
    assert torch.equal(input_gradient(model), trained)
    with pytest.raises(KeyError), model.surrogate(PiecewiseLinear(width=3.0)):
        raise KeyError
    assert model.spiking.surrogate == PiecewiseLinear()


@pytest.mark.parametrize("specification", NETWORKS.values(), ids=NETWORKS)
def test_logits_are_those_of_the_spikes_one_layer_at_a_time(specification):
    """The forward pass averages windows inside the loops; ``spikes`` gives the spikes themselves."""
    model = snn(specification=specification).double()
    (readout,) = model.projections_into("readout")
    with torch.no_grad():
        spikes, logits = model.spikes(images().double()), model(images().double())
        if readout.source in spikes:
            steps = torch.stack([readout(step) for step in spikes[readout.source]])
            assert torch.allclose(logits, steps.mean(0), rtol=1e-12, atol=1e-12)
    assert all(set(each.unique().tolist()) <= {0, 1} for each in spikes.values())


def test_rates_are_watched_where_asked_for():
    model = snn()
    with torch.no_grad():
        spikes = model.spikes(images())
        model(images())
        assert model.rates == {}
        model.watch_rates = True
        model(images())
    assert list(model.rates) == ["conv1", "conv2", "dense1"]
    assert model.rates == {name: pytest.approx(each.mean().item()) for name, each in spikes.items()}
    assert 0 < model.rates["conv1"] < 1


def test_gradient_by_the_pixels_alone_computes_no_gradient_of_a_weight():
    """The forward pass and one product a synapse and step; with the weights' gradients two, without padding."""
    model, pixels = snn(), images().requires_grad_()

    def operations(differentiate):
        loss = model(pixels).sum()
        with FlopCounterMode(display=False) as counter:
            differentiate(loss)
        return counter.get_total_flops()

    with FlopCounterMode(display=False) as counter:
        model(images())
    forward = counter.get_total_flops()
    assert operations(lambda loss: torch.autograd.grad(loss, pixels)) == forward
    assert forward < operations(lambda loss: loss.backward()) <= 2 * forward


def test_steps_belong_to_the_settings():
    model = snn(steps=4)
    model.steps = 7
    assert model.spiking.steps == model.steps == 7
    assert len(model.spikes(images())["dense1"]) == 7


def test_spikes_are_gone_after_the_forward_pass():
    """What stays of a layer are its current and its spikes as bytes."""
    model, sent = snn().train(), []
    for layer in model.neuron_list():
        layer.register_forward_hook(lambda _, __, spikes: sent.append(weakref.ref(spikes.values)))
    logits = model(images())
    assert [values() for values in sent] == [None] * 3
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
