"""Whether network, encoder and epsilon suit what a sample is: an image, or frames of events."""

from typing import Any

from spikeport.export.errors import RecipeError
from spikeport.toolchain.data.dataset import LEVEL
from spikeport.toolchain.nn.architectures.architecture import Images
from spikeport.toolchain.training.checks import time_fault


def check_model(images: Images, recipe: Any, model: str) -> None:
    """Raise `RecipeError` where a new 'ann' or 'snn' cannot take the samples of the data."""
    fault = time_fault(recipe.spiking if model == "snn" else None, images.frames)
    if fault is not None:
        raise RecipeError(f"data: {fault}")


def check_epsilon(images: Images, epsilon: float, key: str) -> None:
    """Raise `RecipeError` where whole counts leave an attack of frames no room: it would measure clean accuracy."""
    least = 1 / LEVEL / images.levels
    if images.frames is not None and 0 < epsilon < least * (1 - 1e-9):
        raise RecipeError(
            f"{key} is {epsilon:g}/255; a frame holds counts 0 to {images.levels}, of which one more is {least:g}/255, "
            f"so that no attack within it changes a count: expected {least:g} at least, or 0 for no attack"
        )
