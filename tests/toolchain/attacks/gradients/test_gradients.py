"""Gradients against formulas written out in float64: the neurons of a small network, and the slopes of every graph."""

import msgspec
import pytest
import torch
from torch.nn import functional

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.gradients.conversion import Conversion
from spikeport.toolchain.attacks.gradients.rate import Rate
from spikeport.toolchain.attacks.gradients.rate_approximation import RateApproximation
from spikeport.toolchain.attacks.gradients.surrogate import OtherSurrogate
from spikeport.toolchain.attacks.losses.divergence import Divergence
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.encoders.frames import Frames
from spikeport.toolchain.nn.surrogates.straight_through import StraightThrough
from tests.toolchain.networks import NETWORKS, SPECIFICATION, ann, images, labels, snn

NEURONS = {
    "if": {},
    "leak": {"tau": 0.7},
    "subtractive": {"reset": "subtractive"},
}
KINDS = {"rate": Rate(), "rate_approximation": RateApproximation(), "conversion": Conversion()}


def network(specification=SPECIFICATION, **spiking):
    model = snn(specification=specification).double()
    model.spiking = msgspec.structs.replace(model.spiking, **spiking)
    for neurons in model.neuron_list():
        neurons.tau.fill_(model.spiking.tau)
    return model


def pixels(count=6):
    return images(count).double()


def cross_entropy(logits):
    return functional.cross_entropy(logits, labels(len(logits)), reduction="none")


def by_the_gradient(gradient, model, given=None):
    return gradient(model, pixels() if given is None else given, cross_entropy)


def slope_written_out(kind, mean, rate, threshold, tau):
    """The derivative of a neuron's rate by its mean input, as the papers write it."""
    if kind == "rate":
        return (rate > 0).double()
    x = mean / threshold
    slope = torch.where((x >= 1 - tau) & (x <= 2), (1 - 0.2 + 0.2 * tau) / (tau + 1), torch.zeros_like(x))
    return torch.where((x >= 0) & (x < 1 - tau), torch.full_like(x, 0.2), slope) / threshold


def slopes_written_out(kind, model, given):
    """Return the slope of every population at its mean input and rate, without a leak."""
    spikes = model.spikes(given)
    return {
        node.name: slope_written_out(
            kind,
            model.currents(given, node.name).mean(0),
            spikes[node.name].mean(0),
            model.neurons_of(node.name).threshold,
            1.0,
        )
        for node in model.neuron_nodes()
    }


class Written(torch.nn.Module):
    """The network of `SPECIFICATION` as six lines of PyTorch, T steps one after the other, from its tensors' values."""

    def __init__(self, model, kind):
        super().__init__()
        self.model, self.kind, self.values = model, kind, model.state_dict()

    def layer(self, name, current):
        """Return the spikes of every step, which differentiate as the kind says."""
        threshold, tau, steps = self.values[f"neurons.{name}.threshold"], self.model.spiking.tau, len(current)
        potential, spikes = torch.zeros_like(current[0]), []
        for arriving in current.detach():
            potential = tau * potential + arriving
            fired = (potential >= threshold).double()
            hard = self.model.spiking.reset == "hard"
            potential = potential * (1 - fired) if hard else potential - threshold * fired
            spikes.append(fired)
        sent = torch.stack(spikes)
        slope = slope_written_out(self.kind, current.detach().mean(0), sent.sum(0) / steps, threshold, tau)
        return sent + slope * (current - current.detach())

    def conv(self, name, x):
        place = f"projections.{name}.0"
        mean, variance, weight, bias = (
            self.values[f"{place}.norm.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        )
        x = functional.conv2d(x, self.values[f"{place}.synapses.weight"], padding=1)
        return functional.batch_norm(x, mean, variance, weight, bias, eps=1e-5)

    def forward(self, x):
        x = (x - self.values["mean"]) / self.values["std"]
        first = self.layer("conv1", torch.stack([self.conv("conv1", x)] * self.model.steps))
        second = self.layer("conv2", torch.stack([self.conv("conv2", functional.avg_pool2d(s, 2)) for s in first]))
        dense = self.values["projections.dense1.0.synapses.weight"]
        third = self.layer("dense1", torch.stack([functional.linear(s.flatten(1), dense) for s in second]))
        return functional.linear(third.sum(0) / self.model.steps, self.values["projections.readout.0.synapses.weight"])


@pytest.mark.parametrize("kind", ["rate", "rate_approximation"])
@pytest.mark.parametrize("spiking", NEURONS.values(), ids=NEURONS)
def test_gradients_through_rates_are_those_of_the_network_written_out(spiking, kind):
    model = network(**spiking)
    found, losses = by_the_gradient(KINDS[kind], model)
    given = pixels().requires_grad_()
    written = cross_entropy(Written(model, kind)(given))
    (expected,) = torch.autograd.grad(written.sum(), given)
    assert torch.allclose(losses, written.detach(), rtol=1e-12, atol=1e-12)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert found.abs().max() > 1e-4


def linear(model, given, slopes):
    """Return the logits of the graph with every population's input times its slope."""
    values = {"input": model.normalized(given)}
    for node in model.specification.nodes:
        total = sum(layer(values[layer.source]) for layer in model.projections_into(node.name))
        values[node.name] = total * slopes[node.name] if node.kind == "neurons" else total
    return values["readout"]


@pytest.mark.parametrize("kind", ["rate", "rate_approximation"])
@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - {"sew_max"}))  # the largest spike of a step is not linear
def test_gradients_through_rates_are_those_of_the_linear_network_with_their_slopes(name, kind):
    """Pooling, streams, several paths: what a step gives is linear in the pixels, and so is the mean over steps."""
    model = network(NETWORKS[name])
    found, _ = by_the_gradient(KINDS[kind], model)
    with torch.no_grad():
        logits = model(pixels())
        slopes = slopes_written_out(kind, model, pixels())
    at = logits.requires_grad_()
    (leaving,) = torch.autograd.grad(cross_entropy(at).sum(), at)
    given = pixels().requires_grad_()
    (expected,) = torch.autograd.grad((linear(model, given, slopes) * leaving).sum(), given)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert found.abs().max() > 1e-6


@pytest.mark.parametrize("name", NETWORKS)
def test_twin_without_thresholds_is_the_relu_network_with_the_same_tensors(name):
    model = network(NETWORKS[name])
    twin = ANN(NETWORKS[name]).double().eval()
    left = twin.load_state_dict(model.state_dict(), strict=False)
    assert not left.missing_keys
    found, losses = by_the_gradient(Conversion(thresholds=False), model)
    given = pixels().requires_grad_()
    expected = cross_entropy(twin(given))
    assert torch.allclose(losses, expected.detach(), rtol=1e-12, atol=1e-12)
    assert torch.allclose(found, torch.autograd.grad(expected.sum(), given)[0], rtol=1e-9, atol=1e-12)


def test_twin_has_inputs_in_units_of_the_thresholds():
    model = network()
    values = model.state_dict()
    for after, before in (("conv2", "conv1"), ("dense1", "conv2"), ("readout", "dense1")):
        key = f"projections.{after}.0.synapses.weight"
        values[key] = values[key] / model.neurons_of(before).threshold
    twin = ANN(SPECIFICATION).double().eval()
    twin.load_state_dict(values, strict=False)
    found, losses = by_the_gradient(Conversion(), model)
    given = pixels().requires_grad_()
    expected = cross_entropy(twin(given))
    assert torch.allclose(losses, expected.detach(), rtol=1e-12, atol=1e-12)
    assert torch.allclose(found, torch.autograd.grad(expected.sum(), given)[0], rtol=1e-9, atol=1e-12)
    other, _ = by_the_gradient(Conversion(thresholds=False), model)
    assert not torch.allclose(found, other)


@pytest.mark.parametrize("kind", ["rate", "rate_approximation"])
def test_gradient_of_a_frame_passes_through_its_own_step(kind):
    model = network(encoder=Frames())
    frames = torch.rand(6, 4, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found, _ = by_the_gradient(KINDS[kind], model, frames)
    assert found.shape == frames.shape
    with torch.no_grad():
        logits = model(frames)
        slopes = slopes_written_out(kind, model, frames)
    at = logits.requires_grad_()
    (leaving,) = torch.autograd.grad(cross_entropy(at).sum(), at)
    given = frames.clone().requires_grad_()
    sums = sum((linear(model, given[:, step], slopes) * leaving).sum() / 4 for step in range(4))
    assert torch.allclose(found, torch.autograd.grad(sums, given)[0], rtol=1e-9, atol=1e-12)


def test_twin_is_given_the_mean_of_frames():
    model = network(encoder=Frames())
    frames = torch.rand(6, 4, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found, losses = by_the_gradient(Conversion(), model, frames)
    held = network()
    expected, same = by_the_gradient(Conversion(), held, frames.mean(1))
    assert torch.allclose(losses, same, rtol=1e-12)
    assert torch.allclose(found, (expected / 4)[:, None].expand_as(found), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "gradient", [Rate(), RateApproximation(), OtherSurrogate(surrogate=StraightThrough())], ids=repr
)
def test_loss_is_at_the_logits_of_the_model_itself(gradient):
    model = snn()
    _, losses = gradient(model, images(), cross_entropy)
    with torch.no_grad():
        assert torch.equal(losses, cross_entropy(model(images())))
    assert gradient.own_forward


@pytest.mark.parametrize("gradient", KINDS.values(), ids=KINDS)
def test_neurons_are_the_models_own_again_afterwards(gradient):
    model = snn()
    before, logits = dict(model.neurons.items()), model(images())
    by_gradient, _ = gradient(model, images(), cross_entropy)
    with pytest.raises(KeyError), gradient.applied(model):
        raise KeyError
    assert dict(model.neurons.items()) == before
    assert torch.equal(model(images()), logits)
    assert torch.equal(gradient(model, images(), cross_entropy)[0], by_gradient)


@pytest.mark.parametrize("name", KINDS)
def test_networks_without_spikes_are_refused(name):
    with pytest.raises(AttackError, match=f"the gradient '{name}' needs a spiking network, not ANN; use kind"):
        KINDS[name](ann(), images(), cross_entropy)


def test_a_loss_that_compares_with_clean_logits_is_given_those_of_the_twin():
    model = snn()
    for attack in (Fgsm(objective=Divergence(), gradient=Conversion()), Fgsm(objective=Divergence())):
        ascend = attack._ascent(model, images(), labels())
        assert ascend(images())[1].abs().max() < 1e-6
