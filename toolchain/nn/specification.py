"""A network's shape as plain data: ANN, SNN and exported network are all built from it.

It is a graph like `spikeport.export.network`: populations, each fed by projections of pooling, synapses and batch norm.
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


class Projection(msgspec.Struct, frozen=True, kw_only=True):
    """What ``source`` sends: average pooling without overlap, then synapses, then batch norm, each if there is one."""

    source: str
    pooling: int = 1
    synapses: Convolution | Linear | None = None
    norm: bool = False


class Node(msgspec.Struct, frozen=True, kw_only=True, rename={"projections": "edges"}):
    """A population that adds up what its projections bring.

    'neurons' put it through ReLU or integrate-and-fire neurons, a 'stream' hands the sum on (residual paths), and the
    'readout' is the network's output. Checkpoints call the projections ``edges``.
    """

    name: str
    projections: tuple[Projection, ...]
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
            shapes[node.name] = projected_shape(node.projections[0], shapes[node.projections[0].source])
        return shapes


def projected_shape(projection: Projection, shape: Shape) -> Shape:
    """Return the shape that a projection makes of its source's."""
    channels, height, width = shape[0], shape[1] // projection.pooling, shape[2] // projection.pooling
    if isinstance(projection.synapses, Linear):
        return (projection.synapses.features, 1, 1)
    if projection.synapses is None:
        return (channels, height, width)
    sides = ((side - 1) // projection.synapses.stride + 1 for side in (height, width))
    return (projection.synapses.channels, *sides)  # type: ignore[return-value]
