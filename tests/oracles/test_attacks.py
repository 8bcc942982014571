"""FGSM and PGD against torchattacks and foolbox: the same network, images and random numbers, in single precision.

The libraries clip the step, ours the pixel, which may differ in the last bit; where a gradient is zero but rounding,
another processor may take the other sign. So pixels agree to 1e-6, all but one in a thousand. The gradient of a
divergence is nearly zero at the start beside the clean image, where its rounding decides: all but two in a hundred.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.losses.divergence import Divergence
from spikeport.toolchain.attacks.pgd import Pgd

RECORDED = Path(__file__).parent / "attacks" / "attacks.npz"
ATTACKS = {
    "torchattacks/fgsm": Fgsm(),
    "torchattacks/pgd": Pgd(),
    "torchattacks/pgd_plain": Pgd(start="none"),
    "torchattacks/tpgd": Pgd(start="normal", objective=Divergence(direction="clean||attacked")),
    "foolbox/fgsm": Fgsm(),
    "foolbox/pgd_plain": Pgd(start="none"),
}
FEW = {name: 0.02 if name == "torchattacks/tpgd" else 0.001 for name in ATTACKS}
pytestmark = pytest.mark.oracle


@pytest.fixture(scope="module")
def recorded():
    with np.load(RECORDED) as file:
        return {name: file[name] for name in file.files if name != "versions"}


def network(arrays):
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * 16, 5),
    )  # fmt: skip
    layers.load_state_dict({n[8:]: torch.from_numpy(a) for n, a in arrays.items() if n.startswith("weights/")})
    return layers.eval()


@pytest.mark.parametrize("name", ATTACKS)
def test_attacked_images_are_those_of_the_library(name, recorded):
    images, labels = torch.from_numpy(recorded["images"]), torch.from_numpy(recorded["labels"])
    generator = torch.Generator().manual_seed(int(recorded["seed"]))
    found = ATTACKS[name](
        network(recorded), images, labels, epsilon=float(recorded["epsilon"]), generator=generator
    ).images.numpy()
    assert (np.abs(found - recorded[name]) > 1e-6).mean() < FEW[name]
    assert np.abs(found - recorded["images"]).max() > 0.03


def test_the_recordings_are_of_different_attacks(recorded):
    kinds = [recorded[name] for name in ("torchattacks/fgsm", "torchattacks/pgd", "torchattacks/tpgd")]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert (np.abs(kinds[first] - kinds[second]) > 1e-6).mean() > 0.05
