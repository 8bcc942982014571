"""The values of an ONNX graph while it becomes operations: their axes, and how operators read their inputs."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.export.numbers import NEURONS
from spikeport.toolchain.importing.onnx_file import Graph, Node
from spikeport.toolchain.importing.operations import INPUT, Borders, Kind, Operation, Pair, Settings

Shape = tuple[int, int, int]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Value:
    """A value per image: the operation that makes it, its axes (C, H, W), and how many ONNX says, batch included.

    4: (N, C, H, W); 3: (N, C, L), which is (C, 1, L) here; 2: (N, features), which is (features, 1, 1).
    """

    name: str
    shape: Shape
    rank: int

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that ONNX says, without the batch."""
        channels, _, columns = self.shape
        return {2: (channels,), 3: (channels, columns)}.get(self.rank, self.shape)


@dataclass(kw_only=True)
class State:
    """Everything known so far: values and constants by name, and the operations in order."""

    graph: Graph
    batch: int
    values: dict[str, Value]
    constants: dict[str, Array]
    operations: list[Operation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def value(self, node: Node, index: int = 0) -> Value:
        """Return an input that depends on the images."""
        name = given(node, index)
        if name not in self.values:
            raise FormatError(f"{node.place}: its input {name!r} is constant; expected values of the images")
        return self.values[name]

    def constant(self, node: Node, index: int, what: str) -> Array:
        """Return an input that is constant."""
        name = given(node, index)
        if name not in self.constants:
            raise FormatError(f"{node.place}: its {what} depends on the images; expected a constant of the file")
        return self.constants[name]

    def optional(self, node: Node, index: int, what: str) -> Array | None:
        """Return an input that is constant, None where it is left out."""
        return self.constant(node, index, what) if index < len(node.inputs) and node.inputs[index] else None

    def add(
        self,
        node: Node,
        kind: Kind,
        shape: Shape,
        *,
        rank: int | None = None,
        inputs: tuple[Value, ...] | None = None,
        arrays: dict[str, Array | None] | None = None,
        settings: Settings | None = None,
        parameters: str = "",
    ) -> None:
        """Append the operation that a node is."""
        read = inputs or (self.value(node),)
        count = int(np.prod(shape, dtype=object))
        if min(shape) < 1 or not NEURONS.holds(count, count):
            raise FormatError(f"{node.place}: makes {count:,} values of shape {shape}; expected {NEURONS}")
        held = {name: np.asarray(each, self.graph.dtype) for name, each in (arrays or {}).items() if each is not None}
        self.operations.append(
            Operation(
                name=node.outputs[0],
                kind=kind,
                inputs=tuple(value.name for value in read),
                place=node.place,
                arrays=held,
                settings=settings or Settings(),
                parameters=parameters,
            )
        )
        self.values[node.outputs[0]] = Value(name=node.outputs[0], shape=shape, rank=rank or read[0].rank)


def first_value(graph: Graph, shape: Shape | None) -> tuple[Value, int]:
    """Return the input and its batch; ``shape`` of the images stands in for axes that the file leaves open."""
    rank, said = len(graph.axes), graph.axes[1:]
    if rank not in (2, 3, 4):
        raise FormatError(
            f"its input {graph.input!r} has {rank} axes; expected (N, C, H, W), (N, C, L) or (N, features)"
        )
    axes = Value(name=INPUT, shape=shape, rank=rank).axes if shape is not None else said
    if any(axis is not None and axis != own for axis, own in zip(said, axes, strict=True)):
        raise FormatError(f"its input {graph.input!r} is {said}; the images are {axes}{_mended(said, shape)}")
    if None in axes:
        raise FormatError(f"its input {graph.input!r} leaves axes open: {said}; expected images, or fixed axes")
    known = tuple(int(axis or 0) for axis in axes)
    full = (known[0], known[1] if rank == 4 else 1, known[-1] if rank > 2 else 1)
    return Value(name=INPUT, shape=full, rank=rank), graph.axes[0] or 1


def _mended(said: tuple[int | None, ...], shape: Shape | None) -> str:
    """Return what gives images of ``shape`` the axes that a file says, where they have them in another order."""
    if len(said) == 3 and shape is not None and said == (shape[2], shape[0], shape[1]):
        return ", with the channels last: move them, numpy.moveaxis(images, -1, 1)"
    if len(said) == 3 and shape is not None and said == (1, shape[0], shape[2]) and shape[1] == 1:
        return ", without an axis of channels: add it, images[:, None]"
    return ""


def given(node: Node, index: int) -> str:
    """Return the name of an input that has to be there."""
    if index >= len(node.inputs) or not node.inputs[index]:
        raise FormatError(f"{node.place}: has no input {index}; the file is damaged")
    return node.inputs[index]


def pair(node: Node, name: str, value: Value, default: int = 1) -> Pair:
    """Return (vertical, horizontal) of an attribute with a number for each axis of the map."""
    numbers = node.attributes.get(name, (default,) * (value.rank - 2))
    if value.rank == 2 or len(numbers) != value.rank - 2:
        raise FormatError(f"{node.place}: {name} is {numbers}; expected {value.rank - 2} numbers for its input's axes")
    rows, columns = (default, numbers[0]) if value.rank == 3 else numbers
    return int(rows), int(columns)


def borders(node: Node, value: Value, kernel: Pair, stride: Pair, dilation: Pair) -> Borders:
    """Return what is padded: ``pads``, or what ``auto_pad`` makes of the sides."""
    automatic = node.attributes.get("auto_pad", "NOTSET")
    if automatic in ("NOTSET", ""):
        pads = node.attributes.get("pads", (0,) * 2 * (value.rank - 2))
        if len(pads) != 2 * (value.rank - 2):
            raise FormatError(f"{node.place}: pads are {pads}; expected {2 * (value.rank - 2)} numbers")
        before, after = pads[: value.rank - 2], pads[value.rank - 2 :]
        (top, left), (bottom, right) = ((0, *each) if value.rank == 3 else each for each in (before, after))
        return int(top), int(bottom), int(left), int(right)
    if automatic == "VALID":
        return 0, 0, 0, 0
    if automatic not in ("SAME_UPPER", "SAME_LOWER"):
        raise FormatError(f"{node.place}: auto_pad is {automatic!r}; expected NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    sides: list[int] = []
    for side, k, s, d in zip(value.shape[1:], kernel, stride, dilation, strict=True):
        total = max((-(-side // s) - 1) * s + (k - 1) * d + 1 - side, 0)
        less, more = total // 2, total - total // 2
        sides += [less, more] if automatic == "SAME_UPPER" else [more, less]
    return sides[0], sides[1], sides[2], sides[3]


def windows(node: Node, value: Value, settings: Settings) -> Pair:
    """Return how many places a kernel takes, vertically and horizontally."""
    counts = []
    for axis in (0, 1):
        side, stride = value.shape[1 + axis], settings.stride[axis]
        before, after = settings.padding[2 * axis : 2 * axis + 2]
        reach = (settings.kernel[axis] - 1) * settings.dilation[axis] + 1
        if min(before, after) < 0 or min(stride, reach, settings.dilation[axis]) < 1:
            raise FormatError(f"{node.place}: kernel, strides and dilations are from 1, pads from 0; found {settings}")
        room, up = side + before + after - reach, stride - 1 if settings.ceil else 0
        count = (room + up) // stride + 1
        counts.append(count - 1 if settings.ceil and (count - 1) * stride >= side + before else count)
    return counts[0], counts[1]
