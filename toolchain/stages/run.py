"""One run: its recipe, its folder, its data, and the random numbers of the stage at work."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikeport.toolchain.config import Recipe
from spikeport.toolchain.data.dataset import Dataset, pixels

LEVEL = 1 / 255
Metrics = dict[str, Any]


@dataclass
class Run:
    """One run: its recipe, its folder, its data, and the random numbers of the stage at work."""

    recipe: Recipe
    folder: Path
    data: Dataset
    generator: torch.Generator

    def path(self, name: str) -> Path:
        """Return the place of an artefact."""
        return self.folder / name

    def held_out(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return the held-out images (uint8) and labels that the recipe evaluates on."""
        count = self.recipe.evaluate.images
        return self.data.test.images[:count], self.data.test.labels[:count]

    def held_out_tensors(self) -> tuple[Tensor, Tensor]:
        """Return the held-out pixels in [0, 1] and labels."""
        images, labels = self.held_out()
        return pixels(images), torch.from_numpy(labels.copy())
