"""A network's shape as plain data: ANN, SNN and exported network are all built from it.

It is a graph like `spikeport.export.network`: populations, each fed by projections of pooling, synapses and batch norm.
Maps have the axes (C, H, W). A 1-D network's are (C, 1, L), and a flat population's (features, 1, 1).
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from spikeport.export.errors import NetworkError

Count = Annotated[int, Meta(ge=1, le=2**24)]
Border = Annotated[int, Meta(ge=0, le=2**16)]
Shape = tuple[Count, Count, Count]
Pair = tuple[Count, Count]
Borders = tuple[Border, Border, Border, Border]
"""Rows above and below a map, columns left and right of it."""
INPUT, READOUT = "input", "readout"


class Convolution(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="convolution"
):
    """Cross-correlation of ``kernel`` (rows, columns; one number for a square).

    ``padding`` are zeros around the map; without it as many as keep the shape at stride 1, the odd one behind.
    """

    channels: Count
    kernel: int | Pair = 3
    stride: int | Pair = 1
    padding: Borders | None = None
    dilation: int | Pair = 1
    groups: Count = 1
    bias: bool = False

    def __post_init__(self) -> None:
        _check_sides(kernel=self.kernel, stride=self.stride, dilation=self.dilation)
        if self.channels % self.groups:
            raise NetworkError(f"{self.channels} channels cannot form {self.groups} groups; expected a divisor")

    def borders(self) -> Borders:
        """Return the zeros above, below, left and right."""
        if self.padding is not None:
            return self.padding
        rows, columns = (reach - 1 for reach in reaches(self.kernel, self.dilation))
        return (rows // 2, rows - rows // 2, columns // 2, columns - columns // 2)


class Linear(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="linear"):
    """Fully connected synapses from all values of the source in C order."""

    features: Count
    bias: bool = False


class AveragePooling(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="average"
):
    """Mean over windows; the zeros of ``padding`` count as values. A kernel of one takes every ``stride``-th value."""

    kernel: int | Pair
    stride: int | Pair | None = None
    padding: Borders = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        _check_sides(kernel=self.kernel, stride=1 if self.stride is None else self.stride)


class MaxPooling(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="maximum"
):
    """Largest value of windows of a population with neurons; of spikes, whether any fired."""

    kernel: int | Pair
    stride: int | Pair | None = None
    padding: Borders = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        _check_sides(kernel=self.kernel, stride=1 if self.stride is None else self.stride)


class BatchNorm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Batch norm per channel with torch's ``eps`` and ``momentum``; without ``affine`` slope and shift stay 1 and 0."""

    eps: float = 1e-5
    momentum: float | None = 0.1
    affine: bool = True


class Projection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What ``source`` sends: pooling, then synapses, then batch norm, each if there is one.

    A number as ``pooling`` is the side of averages that do not overlap. ``channels`` (first, all) puts the result's
    channels behind ``first`` others among ``all``, which get zeros, so that several projections concatenate maps.
    ``flatten`` makes one axis of what came out, in C order, as linear synapses do. Both happen before batch norm.
    """

    source: str
    pooling: int | AveragePooling | MaxPooling = 1
    synapses: Convolution | Linear | None = None
    channels: tuple[Border, Count] | None = None
    flatten: bool = False
    norm: bool | BatchNorm = False

    def __post_init__(self) -> None:
        if isinstance(self.pooling, int):
            _check_sides(pooling=self.pooling)

    def pool(self) -> AveragePooling | MaxPooling | None:
        """Return the pooling, or None where there is none."""
        if isinstance(self.pooling, int):
            return AveragePooling(kernel=self.pooling) if self.pooling > 1 else None
        return self.pooling

    def batch_norm(self) -> BatchNorm | None:
        """Return the batch norm, or None where there is none."""
        return (BatchNorm() if self.norm else None) if isinstance(self.norm, bool) else self.norm


class Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"projections": "edges"}):
    """A population that adds up what its projections bring.

    'neurons' put it through ReLU or integrate-and-fire neurons, a 'stream' hands the sum on (residual paths), and the
    'readout' is the network's output. Checkpoints call the projections ``edges``.
    """

    name: str
    projections: tuple[Projection, ...]
    kind: Literal["neurons", "stream", "readout"] = "neurons"


class Specification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network's shape as plain data, the same for ANN, SNN and exported network.

    ``input_shape`` is (C, H, W); pixels in [0, 1] are normalised by ``mean`` and ``std``, one number per channel;
    ``nodes`` are the populations in order, each with its projections.
    """

    input_shape: Shape
    mean: tuple[float, ...]
    std: tuple[float, ...]
    nodes: tuple[Node, ...]

    def shapes(self) -> dict[str, Shape]:
        """Return the shape (C, H, W) of every population; flat ones are (features, 1, 1).

        Raises `NetworkError` where the projections of one give values of several shapes.
        """
        shapes = {INPUT: self.input_shape}
        for node in self.nodes:
            first, *others = (projected_shape(each, shapes[each.source]) for each in node.projections)
            if any(shape != first for shape in others):
                raise NetworkError(
                    f"population {node.name!r}: its projections give the shapes {[first, *others]}; expected one shape"
                )
            shapes[node.name] = first
        return shapes

    def flat(self) -> set[str]:
        """Return the populations whose values form one axis: behind linear synapses or a flatten."""
        names: set[str] = set()
        for node in self.nodes:
            first = node.projections[0]
            unchanged = first.synapses is None and first.pool() is None and first.source in names
            if isinstance(first.synapses, Linear) or first.flatten or unchanged:
                names.add(node.name)
        return names


def _check_sides(**sides: int | Pair) -> None:
    """Refuse sides below one here: msgspec 0.22 ends the process where a field is a bounded number or a pair."""
    for name, value in sides.items():
        if min(pair(value)) < 1:
            raise NetworkError(f"{name} is {value}; expected 1 or more")


def needed_after(specification: Specification) -> dict[str, frozenset[str]]:
    """Return for every population which ones feed a population behind it."""
    nodes = specification.nodes
    behind = [
        frozenset(each.source for node in nodes[index:] for each in node.projections) for index in range(len(nodes) + 1)
    ]
    return {node.name: behind[index + 1] for index, node in enumerate(nodes)}


def projected_shape(projection: Projection, shape: Shape) -> Shape:
    """Return the shape that a projection makes of its source's; sides below one where nothing is left."""
    shape = pooled_shape(projection, shape)
    channels, synapses, sides = linear_channels(projection, shape), projection.synapses, shape[1:]
    if isinstance(synapses, Linear):
        sides = (1, 1)
    elif synapses is not None:
        reach = reaches(synapses.kernel, synapses.dilation)
        sides = windows(shape, reach, pair(synapses.stride), synapses.borders())
    if projection.channels is not None:
        channels = projection.channels[1]
    return (channels * sides[0] * sides[1], 1, 1) if projection.flatten else (channels, *sides)


def linear_channels(projection: Projection, shape: Shape) -> int:
    """Return the number of channels behind the synapses of a projection."""
    synapses = projection.synapses
    if synapses is None:
        return shape[0]
    return synapses.features if isinstance(synapses, Linear) else synapses.channels


def pooled_shape(projection: Projection, shape: Shape) -> Shape:
    """Return the shape that the synapses of a projection get."""
    pool = projection.pool()
    if pool is None:
        return shape
    return (shape[0], *windows(shape, pair(pool.kernel), pair(pool.stride or pool.kernel), pool.padding))


def windows(shape: Shape, reach: Pair, stride: Pair, padding: Borders) -> Pair:
    """Return how many windows fit into a map, vertically and horizontally."""
    top, bottom, left, right = padding
    rooms = shape[1] + top + bottom, shape[2] + left + right
    rows, columns = ((room - side) // step + 1 for room, side, step in zip(rooms, reach, stride, strict=True))
    return rows, columns


def reaches(kernel: int | Pair, dilation: int | Pair) -> Pair:
    """Return how many positions a kernel spans, vertically and horizontally."""
    rows, columns = (step * (side - 1) + 1 for side, step in zip(pair(kernel), pair(dilation), strict=True))
    return rows, columns


def pair(value: int | Pair) -> Pair:
    """Return (vertical, horizontal) of one number for both, or of both."""
    return (value, value) if isinstance(value, int) else value
