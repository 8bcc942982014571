"""PGD on an ANN beside ART, and robust accuracy beside four libraries.

The ANN and its 500 held-out digits are those of `tests/oracles/attacks`. `art_speedup`: median seconds of ART's PGD
over ours, 10 steps from the clean images, one batch, in turns in one process on one thread; the images are compared.
`max_disagreement_points`: the largest difference in robust accuracy between our attacks and what
`tests/oracles/attacks/robustness.npz` holds of AutoAttack, torchattacks, foolbox and ART.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.oracles.robust_accuracy import OURS, Recorded, disagreements

LEVEL, STEPS = 32, 10


def art_pgd(recorded: Recorded) -> Callable[[], Any]:
    """Return ART's PGD on the recorded network and images."""
    from art.attacks.evasion import ProjectedGradientDescent  # noqa: PLC0415 - its folder is an argument
    from art.estimators.classification import PyTorchClassifier  # noqa: PLC0415

    estimator = PyTorchClassifier(
        model=recorded.model, loss=nn.CrossEntropyLoss(), input_shape=tuple(recorded.images.shape[1:]), nb_classes=10,
        clip_values=(0, 1), device_type="cpu",
    )  # fmt: skip
    eps = LEVEL / 255
    attack = ProjectedGradientDescent(
        estimator, eps=eps, eps_step=2.5 * eps / STEPS, max_iter=STEPS, num_random_init=0, batch_size=500, verbose=False
    )
    images, labels = recorded.images.numpy(), recorded.labels.numpy()
    return lambda: attack.generate(images, labels)


def in_turns(runs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each; the first turn is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            begun = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - begun)
    return {name: statistics.median(each[1:]) for name, each in taken.items()}


def speed(recorded: Recorded, repeats: int) -> dict[str, Any]:
    """Return the seconds of ART's PGD and ours, and how many pixels differ."""
    theirs = art_pgd(recorded)
    differ = np.abs(theirs() - recorded.attacked("pgd_plain", LEVEL).images.numpy()) > 1e-6
    seconds = in_turns({"art": theirs, "ours": lambda: recorded.attacked("pgd_plain", LEVEL)}, repeats)
    return {
        "art_speedup": seconds["art"] / seconds["ours"],
        "pgd_seconds": seconds,
        "pixels_that_differ": float(differ.mean()),
    }


def accuracy_part(recorded: Recorded) -> dict[str, Any]:
    """Return ``max_disagreement_points``, and robust accuracy of each attack beside that of each library."""
    rows = [
        {"attack": name, "epsilon_levels": level, "theirs": theirs, "ours": ours, "attack_of_ours": repr(OURS[key])}
        for name, level, theirs, ours in disagreements(recorded)
        for key in [name.split("/")[1]]
    ]
    return {"max_disagreement_points": max(abs(row["theirs"] - row["ours"]) for row in rows), "rows": rows}


def art_part(recorded: Recorded, repeats: int) -> dict[str, Any]:
    """Return ``art_speedup`` and seconds; `ImportError` where ART cannot be imported."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return speed(recorded, repeats)
    finally:
        torch.set_num_threads(threads)
