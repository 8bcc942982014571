"""Spike-element-wise residual networks."""

from spikeport.toolchain.nn.architectures.resnet import ResNet, fed
from spikeport.toolchain.nn.specification import Node, Projection


class SewResNet(ResNet, frozen=True, kw_only=True, tag="sew_resnet"):
    """Spike-element-wise residual network with ADD: the spikes of both branches are added up, behind their neurons.

    ``depth``: 18 or 34, of basic blocks, or 50, of bottlenecks; ``blocks`` at each resolution in place of the depth's.
    ``stem``: 3x3, or 7x7 with stride 2, of ``channels``. ``pooling`` of its spikes in 3x3 windows with stride 2: max,
    average or none; without a word max behind 7x7, none behind 3x3.

    Source: Fang et al., NeurIPS 2021; parameters and layers of SpikingJelly's ``sew_resnet18`` and so on.
    """

    def block(self, name: str, convolutions: list[Projection], shortcut: Projection) -> list[Node]:
        nodes = [fed(f"{name}_{letter}", each) for letter, each in zip("abc", convolutions, strict=False)]
        branch = Projection(source=nodes[-1].name)
        if shortcut.synapses is not None:
            nodes.append(fed(f"{name}_shortcut", shortcut))
            shortcut = Projection(source=nodes[-1].name)
        return [*nodes, Node(name=name, kind="stream", projections=(branch, shortcut))]
