"""Spike-element-wise residual networks."""

from spikeport.export.errors import RecipeError
from spikeport.toolchain.nn.architectures.architecture import Architecture, Count, Images, readout
from spikeport.toolchain.nn.specification import INPUT, Convolution, Node, Projection


class SewResNet(Architecture, frozen=True, kw_only=True, tag="sew_resnet"):
    """Spike-element-wise residual network with ADD: spikes of both branches are added up.

    Source: Fang et al., NeurIPS 2021; 3x3 stem, ``blocks`` basic blocks at each of four resolutions.
    """

    blocks: tuple[Count, ...] = (2, 2, 2, 2)
    channels: Count = 64

    def nodes(self, images: Images) -> list[Node]:
        return _sew_resnet(self, images.classes, min(images.shape[1:]))


def _sew_resnet(architecture: SewResNet, classes: int, side: int) -> list[Node]:
    channels = architecture.channels
    if not architecture.blocks:
        raise RecipeError("[network] blocks: is empty; expected the number of blocks of one resolution at least")
    stem = Projection(source=INPUT, synapses=Convolution(channels=channels), norm=True)
    nodes = [Node(name="stem", projections=(stem,))]
    for stage, blocks in enumerate(architecture.blocks):
        wide = architecture.channels * 2**stage
        for index in range(blocks):
            stride = 2 if stage and index == 0 else 1
            nodes += _sew_block(f"block{stage + 1}_{index + 1}", nodes[-1].name, channels, wide, stride)
            channels = wide
    return [*nodes, readout(nodes[-1].name, classes, -(-side // 2 ** (len(architecture.blocks) - 1)))]


def _sew_block(name: str, before: str, channels: int, wide: int, stride: int) -> list[Node]:
    first, second, shortcut = f"{name}_a", f"{name}_b", f"{name}_c"
    changed = Convolution(channels=wide, stride=stride)
    nodes = [
        Node(name=first, projections=(Projection(source=before, synapses=changed, norm=True),)),
        Node(name=second, projections=(Projection(source=first, synapses=Convolution(channels=wide), norm=True),)),
    ]
    if channels != wide or stride != 1:
        down = Convolution(channels=wide, kernel=1, stride=stride)
        nodes.append(Node(name=shortcut, projections=(Projection(source=before, synapses=down, norm=True),)))
        before = shortcut
    return [*nodes, Node(name=name, kind="stream", projections=(Projection(source=second), Projection(source=before)))]
