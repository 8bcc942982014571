"""Networks with and without masked gradients, on the digits, that are trained in a second or not at all."""

from functools import cache

import torch
from torch import nn
from torch.nn import functional

from spikeport.toolchain.data.dataset import pixels
from spikeport.toolchain.data.digits import Digits
from spikeport.toolchain.nn.architectures.architecture import Images
from spikeport.toolchain.nn.architectures.vgg import Vgg
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.nn.surrogates.rectangular import Rectangular

DIGITS = Images(classes=10, shape=(1, 8, 8), mean=(0.3,), std=(0.37,))
NARROW = Rectangular(width=0.25)


@cache
def digits():
    """Return pixels and labels: to train on, and held out."""
    found = Digits().found()
    return tuple((pixels(split.images), torch.from_numpy(split.labels.copy())) for split in (found.train, found.test))


def held_out(count):
    """Return the first held-out images with their labels."""
    _, (images, labels) = digits()
    return images[:count], labels[:count]


@cache
def linear():
    """Return a linear classifier by regularised least squares on the one-hot labels."""
    (images, labels), _ = digits()
    inputs = torch.cat([images.flatten(1), torch.ones(len(images), 1)], 1)
    solved = torch.linalg.solve(inputs.T @ inputs + 3 * torch.eye(65), inputs.T @ functional.one_hot(labels).float())
    layer = nn.Linear(64, 10)
    with torch.no_grad():
        layer.weight.copy_(10 * solved[:64].T)
        layer.bias.copy_(10 * solved[64])
    return nn.Sequential(nn.Flatten(), layer).eval()


class Saturated(nn.Module):
    """Logits so large that the softmax of the label is 1 in single precision, and the loss's gradient 0."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return 1e4 * self.model(images)


class Quantising(nn.Module):
    """A front end that rounds pixels to five levels; the derivative of rounding is 0."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(torch.round(4 * images) / 4)


class _Misleading(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images):
        ctx.save_for_backward(images)
        return images.clone()

    @staticmethod
    def backward(ctx, gradient):
        (images,) = ctx.saved_tensors
        on_grid = ((255 * images).round() / 255 - images).abs().amax((1, 2, 3), keepdim=True) < 1e-6
        return torch.where(on_grid, gradient, -gradient)


class Misleading(nn.Module):
    """Its gradient is right at images of 8 bits, and points the other way everywhere else."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(_Misleading.apply(images))


@cache
def undefended():
    """Return an SNN that is trained on clean images with a surrogate too narrow to attack by."""
    (images, labels), _ = digits()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SNN(Vgg(plan=(8, "P"), head=(32,)).specification(DIGITS), Spiking(steps=4, surrogate=NARROW))
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        for _ in range(8):
            for rows in torch.randperm(len(images)).split(64):
                optimizer.zero_grad()
                functional.cross_entropy(model(images[rows]), labels[rows]).backward()
                optimizer.step()
                for neurons in model.neuron_list():
                    neurons.threshold.data.clamp_(min=0.03)
    torch.set_num_threads(threads)
    return model.eval()
