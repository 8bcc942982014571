"""A network's shape as plain data: ANN, SNN and exported network are all built from it.

It is a graph like `spikeport.export.network`: populations, each fed by edges of pooling, synapses and batch norm.
"""

from typing import Literal

import msgspec

Shape = tuple[int, int, int]
INPUT, READOUT = "input", "readout"


class Convolution(msgspec.Struct, frozen=True, kw_only=True, tag="convolution"):
    """Square convolution without bias, padded so that stride 1 keeps the shape."""

    channels: int
    kernel: int = 3
    stride: int = 1


class Linear(msgspec.Struct, frozen=True, kw_only=True, tag="linear"):
    """Fully connected synapses without bias."""

    features: int


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """What ``source`` sends: average pooling without overlap, then synapses, then batch norm, each if there is one."""

    source: str
    pooling: int = 1
    synapses: Convolution | Linear | None = None
    norm: bool = False


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A population that adds up what its edges bring.

    'neurons' put it through ReLU or integrate-and-fire neurons, a 'stream' hands the sum on (residual paths), and the
    'readout' is the network's output.
    """

    name: str
    edges: tuple[Edge, ...]
    kind: Literal["neurons", "stream", "readout"] = "neurons"


class Specification(msgspec.Struct, frozen=True, kw_only=True):
    """Input shape (C, H, W), pixel mean and standard deviation per channel, and the populations in order."""

    input_shape: Shape
    mean: tuple[float, ...]
    std: tuple[float, ...]
    nodes: tuple[Node, ...]

    def shapes(self) -> dict[str, Shape]:
        """Return the shape (C, H, W) of every population; dense ones are (features, 1, 1)."""
        shapes = {INPUT: self.input_shape}
        for node in self.nodes:
            shapes[node.name] = edge_shape(node.edges[0], shapes[node.edges[0].source])
        return shapes


def edge_shape(edge: Edge, shape: Shape) -> Shape:
    """Return the shape that an edge makes of its source's."""
    channels, height, width = shape[0], shape[1] // edge.pooling, shape[2] // edge.pooling
    if isinstance(edge.synapses, Linear):
        return (edge.synapses.features, 1, 1)
    if edge.synapses is None:
        return (channels, height, width)
    sides = ((side - 1) // edge.synapses.stride + 1 for side in (height, width))
    return (edge.synapses.channels, *sides)  # type: ignore[return-value]
