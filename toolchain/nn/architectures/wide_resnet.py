"""Wide residual networks with pre-activation."""

from spikeport.export.errors import RecipeError
from spikeport.toolchain.nn.architectures.architecture import Architecture, Count, Images, readout
from spikeport.toolchain.nn.specification import INPUT, Convolution, Node, Projection

FIXED_LAYERS, LAYERS_A_BLOCK = 4, 6


class WideResNet(Architecture, frozen=True, kw_only=True, tag="wide_resnet"):
    """Pre-activation wide residual network of ``depth`` 6n + 4 and widening factor ``width``.

    Source: Zagoruyko and Komodakis, BMVC 2016. Where the shape changes, the 1x1 shortcut starts at the activation.
    """

    depth: Count = 28
    width: Count = 4
    channels: Count = 16

    def nodes(self, images: Images) -> list[Node]:
        return _wide_resnet(self, images.classes, min(images.shape[1:]))


def _wide_resnet(architecture: WideResNet, classes: int, side: int) -> list[Node]:
    blocks, rest = divmod(architecture.depth - FIXED_LAYERS, LAYERS_A_BLOCK)
    if rest or blocks < 1:
        raise RecipeError(f"network.depth is {architecture.depth}; expected 6n + 4: 10, 16, 22, 28, ...")
    channels = architecture.channels
    stem = Projection(source=INPUT, synapses=Convolution(channels=channels))
    nodes = [Node(name="stem", kind="stream", projections=(stem,))]
    for group in range(3):
        wide = architecture.channels * architecture.width * 2**group
        for index in range(blocks):
            stride = 2 if group and index == 0 else 1
            nodes += _pre_activation(f"block{group + 1}_{index + 1}", nodes[-1].name, channels, wide, stride)
            channels = wide
    last = Node(name="last", projections=(Projection(source=nodes[-1].name, norm=True),))
    return [*nodes, last, readout(last.name, classes, -(-side // 4))]


def _pre_activation(name: str, stream: str, channels: int, wide: int, stride: int) -> list[Node]:
    first, second = f"{name}_a", f"{name}_b"
    plain = Projection(source=stream)
    if channels != wide or stride != 1:
        plain = Projection(source=first, synapses=Convolution(channels=wide, kernel=1, stride=stride))
    return [
        Node(name=first, projections=(Projection(source=stream, norm=True),)),
        Node(
            name=second,
            projections=(Projection(source=first, synapses=Convolution(channels=wide, stride=stride), norm=True),),
        ),
        Node(
            name=name,
            kind="stream",
            projections=(Projection(source=second, synapses=Convolution(channels=wide)), plain),
        ),
    ]
