"""What a stage is given, without a recipe's file: small data and a network, and evaluation on the test split."""

from types import SimpleNamespace

import numpy as np
import torch

from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.data.dataset import LEVEL
from spikeport.toolchain.evaluation import robustness
from spikeport.toolchain.nn.architectures.vgg import Vgg
from spikeport.toolchain.nn.spiking import Spiking
from tests.toolchain.networks import IMAGES
from tests.toolchain.training.small import dataset

TRAINING = {"epochs": 2, "learning_rate": 0.05, "batch_size": 20}


def run_in(folder, *, network=None, seed=5):
    """Return a run with what `Train` and `Prune` ask for."""
    folder.mkdir(parents=True, exist_ok=True)
    network, data = network or Vgg(plan=(4, "P", 6), head=()), dataset()

    def evaluated(model, *, keep=False):
        found = robustness(
            model, *data.test.tensors(), attack=Fgsm(), epsilon=8 * LEVEL, generator=torch.Generator().manual_seed(0),
            levels=255,
        )  # fmt: skip
        if keep:
            np.savez(folder / "adversarial.npz", images=found.images.numpy())
        return {"clean": found.clean, "robust": found.robust}

    return SimpleNamespace(
        recipe=SimpleNamespace(network=network, spiking=Spiking(steps=6)), data=data, folder=folder, seed=seed,
        generator=torch.Generator().manual_seed(seed), device="cpu", evaluated=evaluated,
        specification=lambda: network.specification(IMAGES),
    )  # fmt: skip
