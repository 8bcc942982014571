"""Residual networks whose neurons stand behind the sum."""

from spikeport.toolchain.nn.architectures.resnet import ResNet, fed
from spikeport.toolchain.nn.specification import Node, Projection


class SpikingResNet(ResNet, frozen=True, kw_only=True, tag="spiking_resnet"):
    """Residual network with spiking neurons in place of ReLU: a block's last neurons take the sum of both branches.

    ``depth``: 18 or 34, of basic blocks, or 50, of bottlenecks; ``blocks`` at each resolution in place of the depth's.
    ``stem``: 3x3, or 7x7 with stride 2, of ``channels``. ``pooling`` of its spikes in 3x3 windows with stride 2: max,
    average or none; without a word max behind 7x7, none behind 3x3.

    Source: Hu et al., TNNLS 2021; parameters and layers of SpikingJelly's ``spiking_resnet18`` and so on.
    """

    def block(self, name: str, convolutions: list[Projection], shortcut: Projection) -> list[Node]:
        *inner, last = convolutions
        nodes = [fed(f"{name}_{letter}", each) for letter, each in zip("ab", inner, strict=False)]
        return [*nodes, Node(name=name, projections=(last, shortcut))]
