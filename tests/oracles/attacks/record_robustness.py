"""Record the robust accuracy of one of our ANNs under four libraries: python record_robustness.py OUT_FOLDER.

Runs with spikeport, scikit-learn and

    pip install --no-deps torchattacks==3.5.1 foolbox==3.3.4 eagerpy==0.30.0 adversarial-robustness-toolbox==1.20.1
    pip install requests typing-extensions gitpython six tqdm
    git clone https://github.com/fra31/auto-attack && git -C auto-attack checkout a392200

with auto-attack on the path. It trains the ANN on the digits and writes ``digits.safetensors`` (its checkpoint) and
``robustness.npz``: which of the 500 held-out images every attack leaves classified rightly, at every epsilon, and some
images. Starts are drawn from one seed, so that those of PGD and APGD are the same draws as ours.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torchattacks
from art.attacks.evasion import (
    AutoProjectedGradientDescent,
    FastGradientMethod,
    ProjectedGradientDescent,
)
from art.attacks.evasion import (
    SquareAttack as ArtSquare,
)
from art.estimators.classification import PyTorchClassifier
from autoattack.autopgd_base import APGDAttack, APGDAttack_targeted
from autoattack.square import SquareAttack
from foolbox import PyTorchModel
from foolbox.attacks import LinfFastGradientAttack, LinfProjectedGradientDescentAttack
from torch import nn

from spikeport.toolchain import checkpoint
from spikeport.toolchain.data.dataset import pixels
from spikeport.toolchain.data.digits import Digits
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.architectures.vgg import Vgg
from spikeport.toolchain.objectives.adversarial import Adversarial
from spikeport.toolchain.stages.run import images_of
from spikeport.toolchain.training.settings import Training
from spikeport.toolchain.training.trainer import fit

SEED, LEVELS, STEPS, QUERIES, SEEDS, KEPT = 11, (16, 32, 48), 10, 500, 2, 60


def trained(data, folder):
    """Return an ANN of the toolchain, trained a little against attacks."""
    torch.manual_seed(SEED)
    model = ANN(Vgg(plan=(8, "P", 16), head=()).specification(images_of(data)))
    settings = Training(epochs=6, learning_rate=0.05)
    fit(model, data, Adversarial(epsilon=16), settings, folder=folder / "fit", seed=SEED)
    checkpoint.write(model, folder / "digits.safetensors")
    return checkpoint.read(folder / "digits.safetensors").eval()


def seeded(run):
    """Return what ``run`` gives for each of the seeds; numpy and PyTorch draw from it."""
    found = []
    for seed in range(SEED, SEED + SEEDS):
        torch.manual_seed(seed)
        np.random.seed(seed)
        found.append(run(seed))
    return found


def one(run):
    """Return what ``run`` gives from the first seed, for attacks without many random numbers."""
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    return [run(SEED)]


def attacks(model, images, labels, eps):
    """Yield names with lists of attacked images, one per seed."""
    size = 2.5 * eps / STEPS
    for loss in ("ce", "dlr"):
        attack = APGDAttack(model, eps=eps, loss=loss, device="cpu", seed=SEED)
        yield f"autoattack/apgd_{loss}", one(lambda _, attack=attack: attack.perturb(images, labels))
    targeted = APGDAttack_targeted(model, eps=eps, device="cpu", seed=SEED)
    yield "autoattack/apgd_t", one(lambda _: targeted.perturb(images, labels))
    yield (
        "autoattack/square",
        seeded(
            lambda seed: SquareAttack(model, eps=eps, n_queries=QUERIES, device="cpu", seed=seed).perturb(
                images, labels
            )
        ),
    )
    for name, attack in {
        "fgsm": torchattacks.FGSM(model, eps=eps),
        "pgd": torchattacks.PGD(model, eps=eps, alpha=size, steps=STEPS, random_start=True),
        "apgd_ce": torchattacks.APGD(model, eps=eps, steps=100, loss="ce", seed=SEED),
        "apgd_dlr": torchattacks.APGD(model, eps=eps, steps=100, loss="dlr", seed=SEED),
        "apgd_t": torchattacks.APGDT(model, eps=eps, steps=100, seed=SEED),
    }.items():
        yield f"torchattacks/{name}", one(lambda _, attack=attack: attack(images, labels))
    yield (
        "torchattacks/square",
        seeded(lambda seed: torchattacks.Square(model, eps=eps, n_queries=QUERIES, seed=seed)(images, labels)),
    )
    wrapped = PyTorchModel(model, bounds=(0, 1), device="cpu")
    for name, attack in {
        "fgsm": LinfFastGradientAttack(),
        "pgd_plain": LinfProjectedGradientDescentAttack(abs_stepsize=size, steps=STEPS, random_start=False),
    }.items():
        yield f"foolbox/{name}", one(lambda _, attack=attack: attack.run(wrapped, images, labels, epsilon=eps))
    yield from art(model, images, labels, eps)


def art(model, images, labels, eps):
    """Yield the same for ART."""
    estimator = PyTorchClassifier(
        model=model, loss=nn.CrossEntropyLoss(), input_shape=(1, 8, 8), nb_classes=10, clip_values=(0, 1),
        device_type="cpu",
    )  # fmt: skip
    common, size = {"estimator": estimator, "eps": eps, "batch_size": 500}, 2.5 * eps / STEPS
    auto = {"eps_step": 2 * eps, "max_iter": 100, "nb_random_init": 1, "verbose": False}
    given = (images.numpy(), labels.numpy())
    for name, attack in {
        "fgsm": FastGradientMethod(**common),
        "pgd_plain": ProjectedGradientDescent(
            **common, eps_step=size, max_iter=STEPS, num_random_init=0, verbose=False
        ),
        "apgd_ce": AutoProjectedGradientDescent(**common, **auto, loss_type="cross_entropy"),
        "apgd_dlr": AutoProjectedGradientDescent(**common, **auto, loss_type="difference_logits_ratio"),
    }.items():
        yield f"art/{name}", one(lambda _, attack=attack: torch.from_numpy(attack.generate(*given)))
    square = ArtSquare(**common, max_iter=QUERIES, verbose=False)
    yield "art/square", seeded(lambda _: torch.from_numpy(square.generate(*given)))


def best(model, images, labels):
    """Return the images with the largest objective that AutoAttack's APGD meets, whatever their class."""
    found = {}
    for loss in ("ce", "dlr"):
        attack = APGDAttack(model, eps=LEVELS[1] / 255, loss=loss, device="cpu")
        (attacked,) = one(lambda _, attack=attack: attack.perturb(images, labels, best_loss=True))
        found[f"autoattack/best_{loss}/images"] = attacked[:KEPT].detach().numpy()
    return found


def main(folder):
    """Train, attack and write."""
    torch.set_num_threads(1)
    data = Digits().load(SEED)
    model = trained(data, folder)
    images, labels = pixels(data.test.images), torch.from_numpy(data.test.labels.copy())
    right = model(images).argmax(1) == labels
    found = {"levels": np.array(LEVELS), "seed": np.array(SEED), "right": right.numpy()}
    for level in LEVELS:
        for name, attacked in attacks(model, images[right], labels[right], level / 255):
            kept = torch.stack([model(at).argmax(1) == labels[right] for at in attacked])
            found[f"{name}/{level}/right"] = kept.numpy()
            if level == LEVELS[1] and not name.endswith("square"):
                found[f"{name}/images"] = attacked[0][:KEPT].detach().numpy()
            print(name, level, [f"{100 * int(each.sum()) / len(labels):.1f}" for each in kept], flush=True)
    found |= best(model, images[right], labels[right])
    found["versions"] = np.array(
        [f"autoattack a392200, torchattacks 3.5.1, foolbox 3.3.4, ART 1.20.1, torch {torch.__version__}"]
    )
    np.savez_compressed(folder / "robustness.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
