"""Record what torchattacks and foolbox make of images, in an environment of both: python record_attacks.py OUT.npz.

    pip install torch numpy && pip install --no-deps torchattacks==3.5.1 foolbox==3.3.4 eagerpy==0.30.0
    pip install requests typing-extensions gitpython

Everything is in single precision and starts from one seed, so that random starts are the same draws. The network is
plain PyTorch; its weights go into the file.
"""

import sys

import numpy as np
import torch
import torchattacks
from foolbox import PyTorchModel
from foolbox.attacks import LinfFastGradientAttack, LinfProjectedGradientDescentAttack
from torch import nn

SEED, EPSILON, STEPS = 11, 8 / 255, 10


def network():
    """Return a small trained-looking network: convolution, ReLU, pooling, dense."""
    torch.manual_seed(SEED)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * 16, 5),
    ).eval()  # fmt: skip


def main(path):
    """Attack and write."""
    model = network()
    images = torch.randint(0, 256, (16, 3, 8, 8)).float() / 255
    labels = model(images).argmax(1)
    labels[::4] = (labels[::4] + 1) % 5
    found = {f"weights/{name}": value for name, value in model.state_dict().items()}
    found |= {"images": images, "labels": labels, "seed": torch.tensor(SEED), "epsilon": torch.tensor(EPSILON).double()}
    size = 2.5 * EPSILON / STEPS
    theirs = {
        "torchattacks/fgsm": torchattacks.FGSM(model, eps=EPSILON),
        "torchattacks/pgd": torchattacks.PGD(model, eps=EPSILON, alpha=size, steps=STEPS, random_start=True),
        "torchattacks/pgd_plain": torchattacks.PGD(model, eps=EPSILON, alpha=size, steps=STEPS, random_start=False),
        "torchattacks/tpgd": torchattacks.TPGD(model, eps=EPSILON, alpha=size, steps=STEPS),
    }
    for name, attack in theirs.items():
        torch.manual_seed(SEED)
        found[name] = attack(images, labels)
    wrapped = PyTorchModel(model, bounds=(0, 1), device="cpu")
    for name, attack in {
        "foolbox/fgsm": LinfFastGradientAttack(),
        "foolbox/pgd_plain": LinfProjectedGradientDescentAttack(abs_stepsize=size, steps=STEPS, random_start=False),
    }.items():
        found[name] = attack.run(wrapped, images, labels, epsilon=EPSILON)
    arrays = {name: value.detach().numpy() for name, value in found.items()}
    arrays["versions"] = np.array([f"torchattacks 3.5.1, foolbox 3.3.4, torch {torch.__version__}"])
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
