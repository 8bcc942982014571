"""Networks, images and members that the tests of the worst case share; other processes import them as well."""

import os
import signal
from contextlib import suppress

import torch
from torch import nn

from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.attacks.losses.margin import Margin
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.rfgsm import Rfgsm
from tests.toolchain.networks import images

EPSILON = 16 / 255
MEMBERS = [
    Member(name="weak", attack=Pgd(steps=1, step_size=0.01, start="none")),
    Member(name="random", attack=Rfgsm()),
    Member(name="sign", attack=Fgsm()),
    Member(name="strong", attack=Pgd(steps=6)),
    Member(name="margin", attack=Pgd(steps=6, objective=Margin())),
]


def network(seed=3):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 5)).double().eval()


def data(count=48, wrong=4):
    """Images, with labels that the network gives all but the first ``wrong`` of."""
    clean = images(count).double()
    with torch.no_grad():
        labels = network()(clean).argmax(1)
    labels[:wrong] = (labels[:wrong] + 1) % 5
    return clean, labels


class Integers(nn.Module):
    """Scores of a network as whole numbers, which have no gradient."""

    def __init__(self):
        super().__init__()
        self.network = network()

    def forward(self, images):
        return (self.network(images) * 1000).long()


class Ending(nn.Module):
    """A network that, in another process than the first, notes which and kills the one that started it."""

    def __init__(self, network, notes):
        super().__init__()
        self.network, self.notes, self.first = network, notes, os.getpid()

    def forward(self, images):
        if os.getpid() != self.first:
            (self.notes / str(os.getpid())).touch()
            with suppress(ProcessLookupError):
                os.kill(self.first, signal.SIGKILL)
        return self.network(images)


class Nan(AttackLoss, frozen=True, kw_only=True, tag="nan"):
    def __call__(self, logits, labels, clean=None):
        del labels, clean
        return logits[:, 0] * torch.nan
