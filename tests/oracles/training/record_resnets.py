"""Records SpikingJelly 2.0.0's SEW-ResNets and Spiking-ResNets, in an environment of its own.

python record_resnets.py spikingjelly_resnets.npz        (pip install spikingjelly==2.0.0)

In float64, with batch norm in evaluation (``eval``) and in training (``train``): logits, spikes of every layer (number
and digest), gradients by the images and by the weights, running moments of two layers; and the number of parameters
for ImageNet. The neurons are in training in both: SpikingJelly differentiates them alone there.
"""

import sys
import types

import numpy as np
import torch

torchvision = types.ModuleType("torchvision.models.utils")  # they take one function of it, to download weights
torchvision.load_state_dict_from_url = None
sys.modules["torchvision.models.utils"] = torchvision

import resnets  # noqa: E402
from spikingjelly.activation_based import functional, layer, neuron, surrogate  # noqa: E402
from spikingjelly.activation_based.model import sew_resnet, spiking_resnet  # noqa: E402


def made(kind, depth, **settings):
    """Return a network."""
    home, extra = (sew_resnet, {"cnf": "ADD"}) if kind == "sew" else (spiking_resnet, {})
    make = getattr(home, f"{home.__name__.rpartition('.')[2]}{depth}")
    neurons = {"spiking_neuron": neuron.IFNode, "surrogate_function": surrogate.ATan(alpha=2.0)}
    return make(**extra, **neurons, **settings)


def filled(model):
    """Give the layers their values, in the order in which they stand."""
    synapses = [each for each in model.modules() if isinstance(each, layer.Conv2d | layer.Linear)]
    norms = [each for each in model.modules() if isinstance(each, layer.BatchNorm2d)]
    with torch.no_grad():
        for index, each in enumerate(synapses):
            each.weight.copy_(torch.from_numpy(resnets.weights(index, tuple(each.weight.shape))))
        model.fc.bias.copy_(torch.from_numpy(resnets.weights(len(synapses), (resnets.CLASSES, 1))[:, 0]))
        for index, each in enumerate(norms):
            values = resnets.norm(index, each.num_features)
            for tensor, value in zip(
                (each.weight, each.bias, each.running_mean, each.running_var), values, strict=True
            ):
                tensor.copy_(torch.from_numpy(value))
    return synapses, norms


def recorded(kind, depth, mode):
    """Return what one network gives in one mode."""
    model = made(kind, depth, num_classes=resnets.CLASSES).double()
    functional.set_step_mode(model, "m")
    synapses, norms = filled(model)
    if mode == "eval":
        for each in norms:
            each.eval()
    spikes = []
    for each in model.modules():
        if isinstance(each, neuron.IFNode):
            each.register_forward_hook(lambda module, _, found: spikes.append((module, found)))
    pixels, wanted = (torch.from_numpy(each) for each in resnets.images())
    pixels.requires_grad_()
    logits = model(pixels.expand(resnets.STEPS, *pixels.shape)).mean(0)
    (logits * wanted).sum().backward()
    by_module = dict(spikes)
    ordered = [by_module[each] for each in model.modules() if isinstance(each, neuron.IFNode)]
    found = {
        "logits": logits.detach().numpy(),
        "spikes": np.array([resnets.digest(each.detach().numpy()) for each in ordered], np.int64),
        "images": resnets.sampled(pixels.grad.numpy(), resnets.PIXELS),
        "weights": np.array([resnets.sampled(each.weight.grad.numpy()) for each in synapses]),
        "norms": np.array(
            [[*resnets.sampled(each.weight.grad.numpy()), *resnets.sampled(each.bias.grad.numpy())] for each in norms]
        ),
        "moments": np.array([resnets.sampled(each.running_var.numpy()) for each in (norms[0], norms[1])]),
    }
    return {f"{kind}{depth},{mode},{name}": values for name, values in found.items()}


def main(path):
    """Record every network."""
    arrays = {}
    for kind, depth in resnets.NETWORKS:
        arrays[f"{kind}{depth},parameters"] = sum(each.numel() for each in made(kind, depth).parameters())
        for mode in ("eval", "train"):
            arrays |= recorded(kind, depth, mode)
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
