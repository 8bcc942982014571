"""A network's shape as plain data: ANN, SNN and exported network are all built from it."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from export.errors import RecipeError


class Convolution(msgspec.Struct, frozen=True, kw_only=True, tag="convolution"):
    """Square 'same' convolution without bias, followed by batch norm."""

    channels: int
    kernel: int = 3


class Pooling(msgspec.Struct, frozen=True, kw_only=True, tag="pooling"):
    """Average pooling without overlap."""

    size: int = 2


class Linear(msgspec.Struct, frozen=True, kw_only=True, tag="linear"):
    """Fully connected layer without bias; the last one of a network is its readout."""

    features: int


Layer = Convolution | Pooling | Linear


class Specification(msgspec.Struct, frozen=True, kw_only=True):
    """Input shape (C, H, W), pixel mean and standard deviation per channel, and the layers in order."""

    input_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layers: tuple[Layer, ...]


def vgg(
    plan: Sequence[int | Literal["P"]],
    head: Sequence[int],
    *,
    classes: int,
    input_shape: tuple[int, int, int],
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> Specification:
    """Build a VGG: 3x3 convolutions with ``plan`` channels, 'P' for 2x2 average pooling, then a dense ``head``.

    Source: Simonyan and Zisserman, ICLR 2015; average instead of maximum pooling as spiking networks need.
    """
    side = min(input_shape[1:]) // 2 ** list(plan).count("P")
    if side < 1:
        raise RecipeError(
            f"network.plan pools {list(plan).count('P')} times, which leaves nothing of an image of "
            f"{input_shape[1]}x{input_shape[2]} pixels; use fewer 'P'"
        )
    body: list[Layer] = [Pooling() if entry == "P" else Convolution(channels=int(entry)) for entry in plan]
    dense: list[Layer] = [Linear(features=width) for width in (*head, classes)]
    return Specification(input_shape=input_shape, mean=mean, std=std, layers=tuple(body + dense))
