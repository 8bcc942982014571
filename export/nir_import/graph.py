"""A NIR graph -> `FloatNetwork`: neurons become populations, everything between them stages of projections.

Several edges into a node add up. A node without a state is a stream of its own at first; `expand_paths` then joins the
stages along every path. A loop is closed by the edge that leads back; it takes one step, if no `Delay` does.
"""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export.errors import FormatError, NetworkError
from spikeport.export.network import (
    Array,
    AveragePooling,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Normalization,
    Pair,
    Shape,
    Source,
    Stage,
)
from spikeport.export.nir_import import nodes
from spikeport.export.nir_import.dialect import Dialect, dialect_of
from spikeport.export.nir_import.neurons import STATEFUL, neuron
from spikeport.export.nir_import.nodes import Graph, Node
from spikeport.export.passes.expand_paths import expand_paths, unshifted

PASS_ON = ("Input", "Output", "NIRGraph", "Flatten", "Delay")


def read(
    path: Path,
    *,
    dialect: str = "auto",
    steps: int | None = None,
    levels: int | None = None,
    trusted: bool = False,
    **changes: object,
) -> tuple[FloatNetwork, Dialect]:
    """Read a NIR file as a float network, and say in which dialect.

    ``dialect``: 'auto' or a name of `DIALECTS`; ``changes`` override its fields (``dt``, ``reset``, ``most``, ...).
    ``steps``: T, which NIR does not hold. ``levels``: the input is 0..levels, where one level counts 1 / levels
    (1: spikes). A ``trusted`` file is one that this program has just written. Raises `FormatError` with the file and
    the node.
    """
    graph = nodes.read(path, trusted=trusted)
    try:
        spoken = dialect_of(graph, dialect, **changes)
        own = graph.metadata if spoken.name == "spikeport" else {}
        if "levels" in own:
            source = Source(levels=int(own["levels"]), unit=1.0)
        else:
            source = Source(levels=1 if levels is None else levels, unit=1 / (levels or 1))
        network = _Builder(graph, spoken).network(source, _steps(own, steps))
        return expand_paths(network), spoken
    except (FormatError, NetworkError) as error:
        raise FormatError(f"{path}: {error}") from None


def _steps(own: dict[str, Any], steps: int | None) -> int:
    if steps is None and "steps" not in own:
        raise FormatError("NIR does not say how many steps a sample takes; give the number of steps")
    return int(own["steps"]) if steps is None else steps


@dataclass
class _Builder:
    graph: Graph
    dialect: Dialect

    def network(self, source: Source, steps: int) -> FloatNetwork:
        """Return the network with a population per node."""
        self._check_edges()
        self.into: dict[str, list[str]] = {name: [] for name in self.graph.nodes}
        for start, end in self.graph.edges:
            self.into[end].append(start)
        self.order, self.back = self._ordered()
        self.shapes: dict[str, Shape] = {}
        self.names = self._names()
        populations = [self._population(name, source) for name in self.order]
        projections = [each for name in self.order for each in self._projections(name)]
        return FloatNetwork(populations=tuple(populations), projections=tuple(projections), steps=steps)

    def _check_edges(self) -> None:
        nodes = self.graph.nodes
        self.graph.edges = [_rewired(edge, nodes) for edge in self.graph.edges]
        self.graph.nodes = nodes = {name: node for name, node in nodes.items() if node.kind != "NIRGraph"}
        for edge in self.graph.edges:
            for end in edge:
                if end not in nodes:
                    raise FormatError(f"edge {edge[0]} -> {edge[1]}: there is no node {end!r}")
        if len(set(self.graph.edges)) != len(self.graph.edges):
            raise FormatError("an edge stands twice")
        heard = {end for _, end in self.graph.edges}
        sources = [name for name, node in nodes.items() if node.kind == "Input" and name not in heard]
        if len(sources) != 1:
            raise FormatError(f"the graph has {len(sources)} inputs {sources}; expected one")
        lost = [name for name in nodes if name not in heard and name not in sources]
        if lost:
            raise FormatError(f"node {lost[0]!r} is reached by no edge")

    def _ordered(self) -> tuple[list[str], set[tuple[str, str]]]:
        """Return the nodes in depth-first order from the input, and the edges that lead back."""
        out: dict[str, list[str]] = {name: [] for name in self.graph.nodes}
        for start, end in self.graph.edges:
            out[start].append(end)
        (root,) = [name for name in self.graph.nodes if not self.into[name]]
        done: list[str] = []
        state, back = {root: "open"}, set()
        stack = [(root, iter(out[root]))]
        while stack:
            name, ahead = stack[-1]
            following = next(ahead, None)
            if following is None:
                state[name] = "done"
                done.append(name)
                stack.pop()
            elif following not in state:
                state[following] = "open"
                stack.append((following, iter(out[following])))
            elif state[following] == "open" and not self._waits([each for each, _ in stack], following):
                back.add((name, following))
        lost = [name for name in self.graph.nodes if name not in state]
        if lost:
            raise FormatError(f"node {lost[0]!r} is not reached from the input")
        return done[::-1], back

    def _waits(self, path: list[str], start: str) -> bool:
        """Return whether a loop, the end of ``path`` from ``start`` on, holds a delay of its own."""
        return any(self.graph.nodes[name].kind == "Delay" for name in path[path.index(start) :])

    def _names(self) -> dict[str, str]:
        """Return a name for every node that every format can hold."""
        names: dict[str, str] = {}
        for name in self.graph.nodes:
            plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
            plain = plain if re.match(r"[A-Za-z0-9_]", plain) else f"_{plain}"
            while plain in names.values():
                plain += "_"
            names[name] = plain
        return names

    def _population(self, name: str, source: Source) -> FloatPopulation:
        node = self.graph.nodes[name]
        if not self.into[name]:
            self.shapes[name] = _channels_first(self._input_shape(name))
            return FloatPopulation(name=self.names[name], shape=self.shapes[name], neuron=source)
        before = [self.shapes[each] for each in self.into[name] if each in self.shapes]
        if not before:
            raise FormatError(f"node {name!r} is only reached over a loop")
        try:
            shape = before[0]
            for stage in self._stages(node, shape):
                shape = stage.output_shape(shape)
            shape = _flattened(node, shape)
            cell = FloatNeuron(threshold=None, decay_potential=np.array(1.0))
            if node.kind in STATEFUL:
                cell = neuron(node, self.dialect, looped=self._looped(name))
                shape, cell = _fitted(shape, cell)
        except (FormatError, NetworkError) as error:
            raise FormatError(f"node {name!r} ({node.kind}): {error}") from None
        self.shapes[name] = shape
        return FloatPopulation(name=self.names[name], shape=shape, neuron=cell)

    def _looped(self, name: str) -> bool:
        """Return whether a node hears itself."""
        found: set[str] = set()
        waiting = list(self.into[name])
        while waiting:
            each = waiting.pop()
            if each not in found:
                found.add(each)
                waiting += self.into[each]
        return name in found

    def _input_shape(self, name: str) -> Shape:
        """Return the shape of one sample; some exporters leave the batch in it."""
        shape = tuple(int(side) for side in self.graph.nodes[name].array("shape"))
        (first, *_) = [end for start, end in self.graph.edges if start == name]
        node = self.graph.nodes[first]
        if node.kind in ("Linear", "Affine") and len(shape) > 1 and node.array("weight").shape[-1] == shape[-1]:
            return shape[-1:]
        return shape[1:] if node.kind == "Conv2d" and len(shape) == 4 else shape

    def _projections(self, name: str) -> list[FloatProjection]:
        node, made = self.graph.nodes[name], []
        for index, before in enumerate(self.into[name]):
            projection = FloatProjection(
                source=self.names[before],
                target=self.names[name],
                stages=self._stages(node, self.shapes[before]),
                delay=self._delay(node) + int((before, name) in self.back),
            )
            made.append(projection if index == 0 else replace(projection, stages=unshifted(projection)))
        return made

    def _delay(self, node: Node) -> int:
        if node.kind != "Delay":
            return 0
        waits = node.array("delay") / (1.0 if self.dialect.name == "spikeport" else self.dialect.dt)
        if np.ptp(waits) or np.any(np.abs(waits - np.rint(waits)) > 1e-6) or np.any(waits < 0):
            raise FormatError(f"a delay of {np.unique(waits)[:3]} steps; expected one whole number of steps for all")
        return int(np.rint(waits.flat[0]))

    def _stages(self, node: Node, shape: Shape) -> tuple[Stage, ...]:
        if node.kind in STATEFUL or node.kind in PASS_ON:
            return ()
        makers = {
            "Linear": _dense, "Affine": _dense, "Conv1d": _convolution, "Conv2d": _convolution,
            "SumPool2d": _pooling, "AvgPool2d": _pooling, "Scale": _scale,
        }  # fmt: skip
        if node.kind not in makers:
            raise FormatError(f"a {node.kind} node; expected one of {', '.join((*makers, *STATEFUL, *PASS_ON))}")
        return makers[node.kind](node, shape)


def _rewired(edge: tuple[str, str], nodes: dict[str, Node]) -> tuple[str, str]:
    """Lead an edge to a graph to its inner input, and one from a graph from its inner output."""
    start, end = edge
    if start in nodes and nodes[start].kind == "NIRGraph":
        start = _inner(nodes, start, "Output")
    if end in nodes and nodes[end].kind == "NIRGraph":
        end = _inner(nodes, end, "Input")
    return start, end


def _inner(nodes: dict[str, Node], graph: str, kind: str) -> str:
    depth = graph.count(".") + 1
    inside = {name: node for name, node in nodes.items() if name.startswith(f"{graph}.") and name.count(".") == depth}
    found = [name for name, node in inside.items() if node.kind == kind]
    if len(found) != 1:
        raise FormatError(f"graph {graph!r} has {len(found)} nodes of type {kind}; expected one")
    return found[0]


def _fitted(shape: Shape, cell: FloatNeuron) -> tuple[Shape, FloatNeuron]:
    """Return shape and neuron that fit: parameters of (C, L) stand for (C, 1, L), and may be flat where we are not."""
    arrays = {name: value for name, value in vars(cell).items() if isinstance(value, np.ndarray) and value.ndim}
    largest = max((value.shape for value in arrays.values()), key=math.prod, default=shape)
    own = _channels_first(largest)
    if math.prod(own) == math.prod(shape):
        shape = own
    changed: dict[str, Any] = {name: value.reshape(_channels_first(value.shape)) for name, value in arrays.items()}
    return shape, replace(cell, **changed)


def _flattened(node: Node, shape: Shape) -> Shape:
    return (math.prod(shape),) if node.kind == "Flatten" else shape


def _channels_first(shape: Shape) -> Shape:
    """Return (C, 1, L) for (C, L): a signal is an image of height one."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def _finite(node: Node, name: str) -> Array:
    values = node.array(name)
    if not np.all(np.isfinite(values)):
        raise FormatError(f"{name} holds numbers that are not finite")
    return values


def _shift(node: Node, channels: int) -> tuple[Stage, ...]:
    if "bias" not in node.values:
        return ()
    bias = _finite(node, "bias")
    if bias.shape not in ((channels,), ()):
        raise FormatError(f"bias has shape {bias.shape}; expected ({channels},)")
    shift = np.broadcast_to(bias, (channels,))
    return (Normalization(scale=np.ones(channels), shift=shift),) if shift.any() else ()


def _dense(node: Node, _shape: Shape) -> tuple[Stage, ...]:
    weight = _finite(node, "weight")
    if weight.ndim != 2:
        raise FormatError(f"weight has shape {weight.shape}; expected (outputs, inputs)")
    return (Dense(weight=weight), *_shift(node, len(weight)))


def _convolution(node: Node, _shape: Shape) -> tuple[Stage, ...]:
    weight, flat = _finite(node, "weight"), node.kind == "Conv1d"
    if weight.ndim != (3 if flat else 4):
        raise FormatError(f"weight has shape {weight.shape}; expected (outputs, inputs, kernel)")
    weight = weight[:, :, None] if flat else weight
    dilation = _pair(node, "dilation", flat=flat, least=1)
    stage = Convolution(
        weight=weight,
        stride=_pair(node, "stride", flat=flat, least=1),
        padding=_padding(node, weight.shape[2:], dilation, flat=flat),
        dilation=dilation,
        groups=_whole(node, "groups"),
    )
    return (stage, *_shift(node, len(weight)))


def _padding(node: Node, kernel: Shape, dilation: Pair, *, flat: bool) -> Pair:
    padding = node.values.get("padding")
    if isinstance(padding, str) and padding == "valid":
        return (0, 0)
    if isinstance(padding, str) and padding == "same":
        reach = [step * (size - 1) for size, step in zip(kernel, dilation, strict=True)]
        if any(each % 2 for each in reach):
            raise FormatError("padding 'same' of an even kernel is not symmetric; write the padding as numbers")
        return (reach[0] // 2, reach[1] // 2)
    return _pair(node, "padding", flat=flat, least=0)


def _pooling(node: Node, shape: Shape) -> tuple[Stage, ...]:
    if len(shape) != 3:
        raise FormatError(f"pooling of a source of shape {shape}; expected (channels, height, width)")
    size = _pair(node, "kernel_size", flat=False, least=1)
    stride = _pair(node, "stride", flat=False, least=1)
    padding = _pair(node, "padding", flat=False, least=0)
    mean = node.kind == "AvgPool2d"
    if mean and stride == size and padding == (0, 0) and not (shape[1] % size[0] or shape[2] % size[1]):
        return (AveragePooling(size=size),)
    value = 1 / math.prod(size) if mean else 1.0
    return (Convolution(weight=np.full((shape[0], 1, *size), value), stride=stride, padding=padding, groups=shape[0]),)


def _scale(node: Node, shape: Shape) -> tuple[Stage, ...]:
    scale = _finite(node, "scale")
    try:
        full = np.broadcast_to(scale.reshape(_channels_first(scale.shape)), shape)
    except ValueError:
        raise FormatError(f"scale has shape {scale.shape}; expected {shape}") from None
    per_channel = full.reshape(shape[0], -1)
    if np.all(per_channel == per_channel[:, :1]):
        return (Normalization(scale=per_channel[:, 0], shift=np.zeros(shape[0])),)
    return (Dense(weight=np.diag(full.reshape(-1))),)


def _pair(node: Node, name: str, *, flat: bool, least: int) -> Pair:
    values = node.array(name)
    if values.size not in (1, 2) or np.any(values != np.rint(values)) or np.any(values < least):
        raise FormatError(f"{name} is {values.tolist()}; expected one or two whole numbers from {least} on")
    if flat:
        return (max(least, 0), int(values.flat[-1]))
    first, second = np.broadcast_to(values.reshape(-1), 2)
    return int(first), int(second)


def _whole(node: Node, name: str) -> int:
    values = node.array(name)
    if values.size != 1 or float(values.flat[0]) != int(values.flat[0]) or values.flat[0] < 1:
        raise FormatError(f"{name} is {values.tolist()}; expected a positive whole number")
    return int(values.flat[0])
