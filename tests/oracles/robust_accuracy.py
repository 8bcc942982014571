"""Robust accuracy of the recorded ANN: ours, and what libraries made of it (attacks/record_robustness.py)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spikeport.toolchain import checkpoint
from spikeport.toolchain.attacks.apgd import Apgd
from spikeport.toolchain.attacks.attack import Adversarial, Attack
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.losses.dlr import Dlr
from spikeport.toolchain.attacks.losses.targeted_dlr import TargetedDlr
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.square import Square
from spikeport.toolchain.data.dataset import pixels
from spikeport.toolchain.data.digits import Digits

FOLDER = Path(__file__).parent / "attacks"
OURS: dict[str, Attack] = {
    "fgsm": Fgsm(),
    "pgd": Pgd(),
    "pgd_plain": Pgd(start="none"),
    "apgd_ce": Apgd(),
    "apgd_dlr": Apgd(objective=Dlr()),
    "apgd_t": Apgd(objective=TargetedDlr()),
    "best_ce": Apgd(keep="objective"),
    "best_dlr": Apgd(objective=Dlr(), keep="objective"),
    "square": Square(queries=501, border=False),
}
"""Ours by the names of the recordings. AutoAttack's 500 queries of Square come after the one of the stripes."""


class Recorded:
    """The recordings, the ANN, and those held-out images that it classifies rightly."""

    def __init__(self) -> None:
        with np.load(FOLDER / "robustness.npz") as file:
            self.arrays: dict[str, Any] = {name: file[name] for name in file.files if name != "versions"}
        data = Digits().load(0)
        self.model: nn.Module = checkpoint.read(FOLDER / "digits.safetensors").eval()
        self.right = torch.from_numpy(self.arrays["right"])
        self.images = pixels(data.test.images)[self.right]
        self.labels = torch.from_numpy(data.test.labels.copy())[self.right]
        self.levels = [int(level) for level in self.arrays["levels"]]
        self.seed = int(self.arrays["seed"])

    def attacked(self, name: str, level: int, seed: int = 0) -> Adversarial:
        """Return what our attack of that name makes of the images, from the libraries' seed, plus ``seed``."""
        generator = torch.Generator().manual_seed(self.seed + seed)
        return OURS[name](self.model, self.images, self.labels, epsilon=level / 255, generator=generator)

    def robust(self, success: Tensor) -> float:
        """Return robust accuracy in percent of all 500 images."""
        return 100 * float((~success).sum()) / len(self.right)

    def theirs(self) -> Iterator[tuple[str, int, float]]:
        """Yield library/attack, epsilon in levels, and robust accuracy in percent, the mean over the seeds."""
        for key, value in self.arrays.items():
            if key.endswith("/right"):
                name, level = key.removesuffix("/right").rsplit("/", 1)
                yield name, int(level), float(np.mean([self.robust(torch.from_numpy(~each)) for each in value]))

    def ours(self, name: str, level: int, seeds: int) -> float:
        """Return robust accuracy in percent, the mean over some seeds for Square, whose random numbers decide."""
        count = seeds if name == "square" else 1
        return float(np.mean([self.robust(self.attacked(name, level, seed).success) for seed in range(count)]))


def disagreements(recorded: Recorded, seeds: int = 2) -> Iterator[tuple[str, int, float, float]]:
    """Yield library/attack, epsilon in levels, and the robust accuracy in percent of theirs and ours."""
    known: dict[tuple[str, int], float] = {}
    for name, level, theirs in recorded.theirs():
        key = (name.split("/")[1], level)
        if key not in known:
            known[key] = recorded.ours(*key, seeds)
        yield name, level, theirs, known[key]
