"""Robust accuracy of the latest model and of the integers, on the same attacked images."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from spikeport.export import archive
from spikeport.export.executors import fast
from spikeport.export.files import write_arrays
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import predicted
from spikeport.toolchain import checkpoint
from spikeport.toolchain.attacks.attack import Attack as AnyAttack
from spikeport.toolchain.data.dataset import pixels
from spikeport.toolchain.nn.architectures.architecture import Count
from spikeport.toolchain.stages.frames import check_epsilon
from spikeport.toolchain.stages.recipe import Levels
from spikeport.toolchain.stages.run import Run, attack_name
from spikeport.toolchain.stages.stage import Artefacts, Result, Stage, needs


class Attack(Stage, frozen=True, kw_only=True, tag="attack"):
    """Attacks the model on held-out images (``images`` of them, all without), then gives the integers the same.

    The integers have no gradient; they are measured where a network is there. ``epsilon`` in pixel levels.
    """

    TAKES: ClassVar = ("model", "network")
    USES: ClassVar = ("data", "threads", "seed")

    attack: AnyAttack
    epsilon: Levels = 8
    images: Count | None = None

    def outline(self, available: Mapping[str, str]) -> dict[str, str]:
        needs(available, "model", "a stage 'train'")
        return {"attacked": "images"}

    def look_ahead(self, images: Any, recipe: Any, available: Mapping[str, str]) -> None:
        del recipe, available
        check_epsilon(images, self.epsilon, f"epsilon of {self.name!r}")

    def run(self, run: Run, source: Artefacts) -> Result:
        model = checkpoint.read(source["model"])
        labels = run.data.test.labels[: self.images]
        truth, images = torch.from_numpy(labels.copy()), pixels(run.data.test.images[: self.images])
        found, robust = run.attacked(model, images, truth, self.attack, self.epsilon, run.seed)
        path = run.folder / "attacked.npz"
        write_arrays(path, {"images": found, "labels": labels}, compressed=True)
        metrics: dict[str, Any] = {
            "attack": attack_name(self.attack),
            "epsilon": self.epsilon,
            "images": len(labels),
            "network": robust,
            "integer": None,
        }
        if "network" in source:
            network = archive.read_integer(source["network"])
            chosen = predicted(network, stimulus(found, network), fast.steps)
            metrics["integer"] = float((chosen == labels).mean())
        return Result(artefacts={"attacked": path}, metrics=metrics)
