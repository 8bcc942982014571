"""What both kinds of residual spiking networks share: stem, resolutions, blocks of convolutions, readout."""

from typing import Literal

from spikeport.export.errors import RecipeError
from spikeport.toolchain.nn.architectures.architecture import Architecture, Count, Images
from spikeport.toolchain.nn.specification import (
    INPUT,
    READOUT,
    AveragePooling,
    Convolution,
    Linear,
    MaxPooling,
    Node,
    Projection,
    Shape,
    Specification,
)

BLOCKS: dict[int, tuple[int, ...]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
"""Blocks at each resolution, by depth."""
BOTTLENECKS, EXPANSION = 50, 4
"""The depth with bottlenecks, and how many times as many channels these have at their end."""


class ResNet(Architecture, frozen=True, kw_only=True):
    """A residual network with the layers of torchvision's and SpikingJelly's.

    A stem, blocks at each resolution, of which every one but the first halves the map and doubles the channels, the
    mean of the last map, and a dense readout with a bias. Source: He et al., CVPR 2016; the stride of a bottleneck
    is at its 3x3 convolution.
    """

    depth: Literal[18, 34, 50] = 18
    blocks: tuple[Count, ...] | None = None
    channels: Count = 64
    stem: Literal["3x3", "7x7"] = "3x3"
    pooling: Literal["max", "average", "none"] | None = None

    def nodes(self, images: Images) -> list[Node]:
        if self.depth not in BLOCKS:
            raise RecipeError(f"network.depth is {self.depth}; expected {', '.join(map(str, BLOCKS))}")
        numbers = BLOCKS[self.depth] if self.blocks is None else self.blocks
        if not numbers:
            raise RecipeError("network.blocks is empty; expected the number of blocks of one resolution at least")
        nodes, channels = self._stem(), self.channels
        for stage, blocks in enumerate(numbers):
            width = self.channels * 2**stage
            wide = width * (EXPANSION if self.depth == BOTTLENECKS else 1)
            for index in range(blocks):
                stride, name = 2 if stage and index == 0 else 1, f"block{stage + 1}_{index + 1}"
                before = nodes[-1].name
                changed = channels != wide or stride != 1
                shortcut = _projection(before, wide, 1, stride) if changed else Projection(source=before)
                nodes += self.block(name, self._convolutions(name, before, width, stride), shortcut)
                channels = wide
        return [*nodes, _readout(nodes, images)]

    def block(self, name: str, convolutions: list[Projection], shortcut: Projection) -> list[Node]:
        """Return the populations of a block; its convolutions have batch norm, the first reads what comes before.

        ``shortcut`` is a 1x1 convolution with batch norm where the shape changes, and nothing but the source elsewhere.
        """
        raise NotImplementedError

    def _stem(self) -> list[Node]:
        """Return the first neurons, and the pooling of their spikes if there is one."""
        kernel, stride = (7, 2) if self.stem == "7x7" else (3, 1)
        stem = Node(name="stem", projections=(_projection(INPUT, self.channels, kernel, stride),))
        kind = self.pooling or ("max" if self.stem == "7x7" else "none")
        if kind == "none":
            return [stem]
        made = MaxPooling if kind == "max" else AveragePooling
        window = Projection(source=stem.name, pooling=made(kernel=3, stride=2, padding=(1, 1, 1, 1)))
        return [stem, Node(name="pool", kind="stream", projections=(window,))]

    def _convolutions(self, name: str, before: str, width: int, stride: int) -> list[Projection]:
        """Return the convolutions of a block one after the other, each from the neurons of the one before."""
        if self.depth != BOTTLENECKS:
            return [_projection(before, width, 3, stride), _projection(f"{name}_a", width, 3)]
        end = _projection(f"{name}_b", width * EXPANSION, 1)
        return [_projection(before, width, 1), _projection(f"{name}_a", width, 3, stride), end]


def fed(name: str, projection: Projection) -> Node:
    """Return neurons that one projection feeds."""
    return Node(name=name, projections=(projection,))


def _projection(source: str, channels: int, kernel: int, stride: int = 1) -> Projection:
    synapses = Convolution(channels=channels, kernel=kernel, stride=stride)
    return Projection(source=source, synapses=synapses, norm=True)


def _readout(nodes: list[Node], images: Images) -> Node:
    """Return the dense readout, with a bias, of the mean over the last map."""
    last = nodes[-1].name
    shape: Shape = Specification(input_shape=images.shape, mean=(), std=(), nodes=tuple(nodes)).shapes()[last]
    side = shape[1] if shape[1] == shape[2] else AveragePooling(kernel=shape[1:])
    synapses = Linear(features=images.classes, bias=True)
    return Node(name=READOUT, kind="readout", projections=(Projection(source=last, pooling=side, synapses=synapses),))
