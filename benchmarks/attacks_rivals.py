"""PGD on an ANN beside ART, and robust accuracy beside four libraries.

    python benchmarks/attacks_rivals.py [--json PATH] [--art FOLDER] [--repeats 9]

The ANN and its 500 held-out digits are those of `tests/oracles/attacks`. `art_speedup`: median seconds of ART's PGD
over ours, 10 steps from the clean images, one batch, in turns in one process on one thread; the images are compared.
FOLDER is that of

    pip install --no-deps --target FOLDER adversarial-robustness-toolbox==1.20.1 six tqdm setuptools

and without it the figure is left out. `max_disagreement_points`: the largest difference in robust accuracy between our
attacks and what `tests/oracles/attacks/robustness.npz` holds of AutoAttack, torchattacks, foolbox and ART.
"""

import argparse
import json
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


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--art", help="folder in which ART is installed")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sys.path += [arguments.art] if arguments.art else []
    recorded = Recorded()
    found: dict[str, Any] = speed(recorded, arguments.repeats) if arguments.art else {}
    rows = [
        {"attack": name, "epsilon_levels": level, "theirs": theirs, "ours": ours, "attack_of_ours": repr(OURS[key])}
        for name, level, theirs, ours in disagreements(recorded)
        for key in [name.split("/")[1]]
    ]
    found |= {"max_disagreement_points": max(abs(row["theirs"] - row["ours"]) for row in rows), "rows": rows}
    for row in rows:
        print(f"{row['attack']:24} eps {row['epsilon_levels']:2}: {row['theirs']:5.1f} %, ours {row['ours']:5.1f} %")
    for name in ("art_speedup", "max_disagreement_points"):
        if name in found:
            print(f"{name} = {found[name]:.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
