"""The nodes and edges of a NIR file, nested graphs laid flat."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from spikeport.export import hdf5
from spikeport.export.errors import FormatError, NetworkError
from spikeport.export.hdf5 import Tree
from spikeport.export.inputs import Budget, room

Made = TypeVar("Made")
DEEPEST = 8
"""Graphs within graphs."""
STATEFUL = ("IF", "LIF", "CubaLIF", "I", "LI", "CubaLI", "Threshold")
"""Nodes whose parameters are one number, or one per neuron."""
EDGE_BYTES = 2000
"""What an edge takes as a projection."""


@dataclass(frozen=True)
class Node(Tree):
    """One node: its parameters, and its type's name."""

    kind: str = ""


@dataclass
class Graph:
    """Nodes by name, names inside a nested graph joined with a dot, and edges between them."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    budget: Budget = field(default_factory=lambda: Budget(room(0)))


def read(path: Path, *, trusted: bool = False) -> Graph:
    """Read a NIR file; `FormatError` names the file, the place in it, and what is wrong."""
    tree = hdf5.read(path, kind="NIR", trusted=trusted)
    budget = Budget(room(path.stat().st_size))
    try:
        budget.take(tree.bytes_as_float(), "the file's arrays as 64-bit numbers")
        return _graph(tree, budget)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def in_node(name: str, node: Node, make: Callable[[], Made]) -> Made:
    """Return what ``make`` returns; its errors get the node's name and type."""
    try:
        return make()
    except (FormatError, NetworkError) as error:
        raise FormatError(f"node {name!r} ({node.kind}): {error}") from None


def _graph(tree: Tree, budget: Budget) -> Graph:
    graph = Graph(version=str(tree.values.get("version", "")), budget=budget)
    if "node" not in tree.values:
        raise FormatError(f"holds {', '.join(list(tree.values)[:5]) or 'nothing'}; expected a group 'node'")
    _add(graph, tree.tree("node"), "", 0)
    return graph


def _add(graph: Graph, group: Tree, prefix: str, depth: int) -> None:
    """Add the nodes and edges of one graph, and of those inside it."""
    if depth > DEEPEST:
        raise FormatError(f"{prefix.rstrip('.')}: graphs are nested more than {DEEPEST} deep")
    for key in ("nodes", "edges"):
        if key not in group.values:
            raise FormatError(f"graph {prefix or 'of the file'!r} has no {key!r}; it may be half-written")
    nodes = group.tree("nodes")
    for name in nodes.values:
        _add_node(graph, nodes.tree(name), prefix, name, depth)
    edges = _edges(group.values["edges"])
    graph.budget.take(EDGE_BYTES * len(edges), f"{len(edges):,} edges")
    graph.edges += [(prefix + source, prefix + target) for source, target in edges]
    if "metadata" in group.values and not prefix:
        graph.metadata = group.tree("metadata").values


def _add_node(graph: Graph, group: Tree, prefix: str, name: str, depth: int) -> None:
    kind = group.values.get("type")
    if not isinstance(kind, str):
        raise FormatError(f"node {prefix + name!r} has no type")
    if kind == "NIRGraph":
        _add(graph, group, f"{prefix}{name}.", depth + 1)
    values = {} if kind == "NIRGraph" else {k: v for k, v in group.values.items() if k not in ("type", "metadata")}
    if kind in STATEFUL:
        _check_shapes(values, prefix + name)
    graph.nodes[prefix + name] = Node(values, kind)


def _check_shapes(values: dict[str, Any], name: str) -> None:
    """Refuse parameters of a neuron that are not each one number or one per neuron."""
    shapes = {key: value.shape for key, value in values.items() if isinstance(value, np.ndarray)}
    try:
        together = np.broadcast_shapes(*shapes.values())
    except ValueError:
        together = ()
    if shapes and together not in shapes.values():
        listed = ", ".join(f"{key} {shape}" for key, shape in shapes.items())
        raise FormatError(f"node {name!r}: parameters have shapes {listed}; expected one shape, or one number each")


def _edges(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, np.ndarray) and value.size == 0:
        return []
    if not isinstance(value, list) or not all(isinstance(row, list) and len(row) == 2 for row in value):
        raise FormatError("'edges' holds something else than pairs of names")
    return [(str(source), str(target)) for source, target in value]
