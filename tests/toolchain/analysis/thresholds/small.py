"""A small spiking network on the digits that is not trained, and images for it."""

import torch

from spikeport.toolchain.nn.architectures.vgg import Vgg
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from tests.toolchain.analysis.networks import DIGITS


def small(**spiking):
    """Return an SNN whose batch norms shift, so that potentials lie on both sides of thresholds."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = SNN(Vgg(plan=(4, "P", 6), head=(8,)).specification(DIGITS), Spiking(**{"steps": 3, **spiking}))
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.normal_(module.running_mean, 0, 0.3)
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return model.eval()


def images(count, seed=0):
    """Return 8-bit pixels in [0, 1] and labels."""
    generator = torch.Generator().manual_seed(seed)
    found = torch.randint(0, 256, (count, 1, 8, 8), generator=generator).float() / 255
    return found, torch.arange(count) % 10
