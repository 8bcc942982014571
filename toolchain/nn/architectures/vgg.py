"""VGG with average pooling."""

from typing import Literal

from spikeport.toolchain.nn.architectures.architecture import Architecture, Count, Images, readout
from spikeport.toolchain.nn.specification import INPUT, Convolution, Linear, Node, Projection

VGG11 = (64, "P", 128, "P", 256, 256, "P", 512, 512, "P", 512, 512)
VGG16 = (64, 64, "P", 128, 128, "P", 256, 256, 256, "P", 512, 512, 512, "P", 512, 512, 512)


class Vgg(Architecture, frozen=True, kw_only=True, tag="vgg"):
    """Channels of 3x3 convolutions, 'P' for 2x2 average pooling, then the widths of a dense head.

    Source: Simonyan and Zisserman, ICLR 2015; average instead of maximum pooling as spiking networks need.
    """

    plan: tuple[Count | Literal["P"], ...]
    head: tuple[Count, ...]

    def nodes(self, images: Images) -> list[Node]:
        return _vgg(self, images.classes)


def _vgg(architecture: Vgg, classes: int) -> list[Node]:
    nodes: list[Node] = []
    last, pooling, count = INPUT, 1, 0
    for entry in architecture.plan:
        if entry == "P":
            pooling *= 2
            continue
        count += 1
        projection = Projection(source=last, pooling=pooling, synapses=Convolution(channels=int(entry)), norm=True)
        nodes.append(Node(name=f"conv{count}", projections=(projection,)))
        last, pooling = f"conv{count}", 1
    for index, width in enumerate(architecture.head, 1):
        projection = Projection(source=last, pooling=pooling, synapses=Linear(features=width))
        nodes.append(Node(name=f"dense{index}", projections=(projection,)))
        last, pooling = f"dense{index}", 1
    return [*nodes, readout(last, classes, pooling)]
