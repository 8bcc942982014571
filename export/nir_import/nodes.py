"""The nodes and edges of a NIR file, nested graphs laid flat."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export import hdf5
from spikeport.export.errors import FormatError
from spikeport.export.hdf5 import Tree

DEEPEST = 8
"""Graphs within graphs."""


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


def read(path: Path, *, trusted: bool = False) -> Graph:
    """Read a NIR file; `FormatError` names the file, the place in it, and what is wrong."""
    tree = hdf5.read(path, kind="NIR", trusted=trusted)
    try:
        return _graph(tree)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def _graph(tree: Tree) -> Graph:
    graph = Graph(version=str(tree.values.get("version", "")))
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
    graph.edges += [(prefix + source, prefix + target) for source, target in _edges(group.values["edges"])]
    if "metadata" in group.values and not prefix:
        graph.metadata = group.tree("metadata").values


def _add_node(graph: Graph, group: Tree, prefix: str, name: str, depth: int) -> None:
    kind = group.values.get("type")
    if not isinstance(kind, str):
        raise FormatError(f"node {prefix + name!r} has no type")
    if kind == "NIRGraph":
        _add(graph, group, f"{prefix}{name}.", depth + 1)
    values = {} if kind == "NIRGraph" else {k: v for k, v in group.values.items() if k not in ("type", "metadata")}
    graph.nodes[prefix + name] = Node(values, kind)


def _edges(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, np.ndarray) and value.size == 0:
        return []
    if not isinstance(value, list) or not all(isinstance(row, list) and len(row) == 2 for row in value):
        raise FormatError("'edges' holds something else than pairs of names")
    return [(str(source), str(target)) for source, target in value]
