"""VGG with average or max pooling."""

from typing import Literal

from spikeport.export.errors import RecipeError
from spikeport.toolchain.nn.architectures.architecture import Architecture, Count, Images, readout
from spikeport.toolchain.nn.specification import (
    INPUT,
    Convolution,
    Linear,
    MaxPooling,
    Node,
    Projection,
    Specification,
    pair,
)

VGG11 = (64, "P", 128, "P", 256, 256, "P", 512, 512, "P", 512, 512)
VGG16 = (64, 64, "P", 128, 128, "P", 256, 256, 256, "P", 512, 512, 512, "P", 512, 512, 512)


class Vgg(Architecture, frozen=True, kw_only=True, tag="vgg"):
    """Channels of 3x3 convolutions, 'P' for 2x2 average pooling, 'M' for 2x2 max pooling, then the widths of a head.

    Source: Simonyan and Zisserman, ICLR 2015; average pooling as conversion needs it.
    """

    plan: tuple[Count | Literal["P", "M"], ...]
    head: tuple[Count, ...]

    def nodes(self, images: Images) -> list[Node]:
        return _vgg(self, images.classes)

    def specification(self, images: Images) -> Specification:
        """Return the specification; `RecipeError` where windows would leave rows or columns of a map out."""
        found = super().specification(images)
        shapes = found.shapes()
        for projection in (each for node in found.nodes for each in node.projections):
            (_, height, width), pool = shapes[projection.source], projection.pool()
            side = 1 if pool is None else max(pair(pool.kernel))
            if height % side or width % side:
                raise RecipeError(
                    f"network.plan pools the map of {projection.source!r}, {height}x{width}, in windows of "
                    f"{side}x{side}, which do not divide it; pool less often, or give images of another size"
                )
        return found


def _vgg(architecture: Vgg, classes: int) -> list[Node]:
    nodes: list[Node] = []
    last, pooling, count = INPUT, "", 0
    for entry in architecture.plan:
        if isinstance(entry, str):
            pooling += entry
            continue
        count += 1
        synapses = Convolution(channels=entry)
        projection = Projection(source=last, pooling=_pooling(pooling, last), synapses=synapses, norm=True)
        nodes.append(Node(name=f"conv{count}", projections=(projection,)))
        last, pooling = f"conv{count}", ""
    for index, width in enumerate(architecture.head, 1):
        projection = Projection(source=last, pooling=_pooling(pooling, last), synapses=Linear(features=width))
        nodes.append(Node(name=f"dense{index}", projections=(projection,)))
        last, pooling = f"dense{index}", ""
    return [*nodes, readout(last, classes, _pooling(pooling, last))]


def _pooling(letters: str, source: str) -> int | MaxPooling:
    """Return the pooling that entries of a plan in a row are, of 2x2 windows each."""
    side: int = 2 ** len(letters)
    if "M" not in letters:
        return side
    if source == INPUT:
        raise RecipeError("network.plan pools the image by 'M'; expected 'M' behind channels: maxima are of spikes")
    if "P" in letters:
        raise RecipeError(
            "network.plan has 'P' and 'M' in a row; expected one kind: maxima are of spikes, not of means"
        )
    return MaxPooling(kernel=side)
