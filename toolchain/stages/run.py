"""What a stage is given: the recipe, the data, a folder of its own, its seed, and how its networks are measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from spikeport.export.files import write_arrays
from spikeport.export.progress import announce
from spikeport.toolchain.attacks.attack import Attack
from spikeport.toolchain.attacks.gradients.expectation import Expectation, one_draw
from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.data.dataset import LEVEL, Dataset, levels, pixels
from spikeport.toolchain.evaluation import accuracy, attacked
from spikeport.toolchain.nn.architectures.architecture import Images
from spikeport.toolchain.nn.backbone import Backbone
from spikeport.toolchain.nn.draws import is_random
from spikeport.toolchain.nn.specification import Specification
from spikeport.toolchain.stages.recipe import Recipe
from spikeport.toolchain.stages.records import Record, seed_of

Metrics = dict[str, Any]
ADVERSARIAL = "adversarial.npz"


@dataclass(kw_only=True)
class Run:
    """One stage at work; ``records`` are of the stages before it in the recipe, by name.

    ``seed`` is the stage's own, and ``generator`` starts from it.
    """

    recipe: Recipe
    data: Dataset
    folder: Path
    seed: int
    device: str = "cpu"
    records: Mapping[str, Record] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.generator = torch.Generator().manual_seed(self.seed)

    def held_out(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return the held-out images and labels that the recipe evaluates on."""
        count = self.recipe.evaluate.images
        return self.data.test.images[:count], self.data.test.labels[:count]

    def held_out_tensors(self) -> tuple[Tensor, Tensor]:
        """Return the held-out pixels in [0, 1] and labels."""
        images, labels = self.held_out()
        return pixels(images), torch.from_numpy(labels.copy())

    def specification(self) -> Specification:
        """Return the recipe's network for the images of its data."""
        return self.recipe.network.specification(images_of(self.data))

    def evaluated(self, model: Backbone, *, keep: bool = False) -> Metrics:
        """Return clean and robust accuracy on the held-out images, the share of zero weights and their number.

        The attack and its epsilon are those of ``evaluate``; attacked images are rounded as the integers take them, and
        kept in ``adversarial.npz`` where ``keep``. The attack's random numbers depend on the stage's seed alone.
        """
        images, labels = self.held_out_tensors()
        settings = self.recipe.evaluate
        found, robust = self.attacked(
            model, images, labels, settings.attack, settings.epsilon, seed_of(self.seed, "evaluate")
        )
        if keep:
            write_arrays(self.folder / ADVERSARIAL, {"images": found, "labels": labels.numpy()}, compressed=True)
        zero, weights = zeros(model)
        clean = accuracy(model, images, labels)
        return {"clean": clean, "robust": robust, "sparsity": zero / weights, "weights": weights}

    def attacked(
        self, model: nn.Module, images: Tensor, labels: Tensor, attack: Attack, epsilon: float, seed: int
    ) -> tuple[np.ndarray[Any, Any], float]:
        """Return attacked images as the integers take them, and the share that the model still classifies rightly.

        ``epsilon`` in pixel levels; the random numbers follow from ``seed``.
        """
        for sentence in through_chance(attack, model):
            announce(f"warning: {sentence}")
        found = attacked(
            model.to(self.device),
            images,
            labels,
            attack=suited(attack, model),
            epsilon=epsilon * LEVEL,
            generator=torch.Generator().manual_seed(seed),
            levels=self.data.levels,
        )
        moved = levels(found.images) if self.data.test.images.dtype == np.uint8 else found.images.numpy()
        return moved, float((~found.success).double().mean())


def suited(attack: Attack, model: nn.Module) -> Attack:
    """Return an attack as it suits a model: one that draws nothing has no expectation over draws."""
    if isinstance(attack.gradient, Expectation) and not is_random(model):
        return msgspec.structs.replace(attack, gradient=attack.gradient.of)
    return attack


def through_chance(attack: Attack, model: nn.Module) -> list[str]:
    """Return what a reader has to know of an attack by gradients of one draw each on a network that draws."""
    if not attack.NEEDS_GRADIENT or not is_random(model) or isinstance(attack.gradient, Expectation):
        return []
    return [one_draw(attack_name(attack))]


def zeros(model: Backbone) -> tuple[int, int]:
    """Return how many weights are exactly zero, and how many there are, over all synaptic layers."""
    weights = [synapses.weight.detach() for synapses in model.synapses().values()]
    return sum(int((weight == 0).sum()) for weight in weights), sum(weight.numel() for weight in weights)


def images_of(data: Dataset) -> Images:
    """Return what a network has to know of the images."""
    return Images(
        shape=data.shape, classes=data.classes, mean=data.mean, std=data.std, frames=data.frames, levels=data.levels
    )


def attack_name(attack: Any) -> str:
    """Return an attack's name for people: PGD-10, RFGSM; PGD-7, transferred."""
    inner = getattr(attack, "attack", None)
    if inner is not None:
        return f"{attack_name(inner)}, transferred"
    steps = getattr(attack, "steps", None)
    return tag_of(attack).upper().replace("_", " ") + (f"-{steps}" if steps else "")
