"""What every architecture is: a frozen table that makes a specification for the images of a dataset."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta
from torch import Tensor

from spikeport.export.errors import RecipeError
from spikeport.toolchain.choices import Choice
from spikeport.toolchain.nn.specification import (
    READOUT,
    Linear,
    MaxPooling,
    Node,
    Projection,
    Shape,
    Specification,
    pooled_shape,
)

Count = Annotated[int, Meta(ge=1, le=100_000)]


@dataclass(frozen=True, kw_only=True)
class Images:
    """What a network has to know of a dataset: ``shape`` (C, H, W), number of classes, pixel statistics per channel.

    ``frames`` of a sample where it is no image, and what a value of 1 is as a whole number (``levels``).
    """

    shape: Shape
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    frames: int | None = None
    levels: int = 255


class Architecture(Choice, frozen=True, kw_only=True):
    """A network as a recipe says it."""

    def nodes(self, images: Images) -> list[Node]:
        """Return the populations in order."""
        raise NotImplementedError

    def specification(self, images: Images) -> Specification:
        """Return the specification for the images; `RecipeError` where nothing of an image would be left."""
        specification = Specification(
            input_shape=images.shape, mean=images.mean, std=images.std, nodes=tuple(self.nodes(images))
        )
        _check_sizes(specification)
        return specification

    def weights(self) -> dict[str, Tensor] | None:
        """Return the state of an `ANN` that is already trained; None for a network to train from the start."""
        return None

    def file(self) -> Path | None:
        """Return the file that the network is read from, if any: a stage runs again where it changes."""
        return None


def readout(last: str, classes: int, pooling: int | MaxPooling) -> Node:
    """Return the dense readout of the population ``last``, after pooling; a number averages windows of this side."""
    projection = Projection(source=last, pooling=pooling, synapses=Linear(features=classes))
    return Node(name=READOUT, kind="readout", projections=(projection,))


def _check_sizes(specification: Specification) -> None:
    """Refuse a network without neurons, and one whose pooling or strides leave nothing of an image."""
    if all(node.kind != "neurons" for node in specification.nodes):
        raise RecipeError("network: has no neurons; expected one layer at least")
    shapes, (_, height, width) = specification.shapes(), specification.input_shape
    for node in specification.nodes:
        pooled = [side for p in node.projections for side in pooled_shape(p, shapes[p.source])[1:]]
        if min(*pooled, *shapes[node.name]) < 1:
            raise RecipeError(
                f"network: nothing is left of an image of {height}x{width} pixels at {node.name!r}; pool less often"
            )
