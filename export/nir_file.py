"""NIR graphs to write, and their HDF5 file, as the nir package writes it (Pedersen et al., Nature Communications 2024).

A file holds the ``version`` of NIR and the group ``node``: the graph's ``type``, its ``nodes`` by name with their
parameters, ``edges`` as pairs of names, and ``metadata``. Arrays are packed with gzip, numbers and texts stand as they
are. The package itself is not needed: frameworks pin versions of it that exclude one another.
"""

import io
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

VERSION = "1.0.8"
"""The version of NIR whose nodes are written; `IF` and `LIF` have had ``v_reset`` since 1.0.6."""


@dataclass(frozen=True)
class Node:
    """A node: NIR's name of its ``kind``, and its parameters as the file holds them."""

    kind: str
    values: Mapping[str, Any]


@dataclass
class Graph:
    """Nodes by name, the edges between them, and what the file says beside."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def add(self, name: str, node: Node) -> str:
        """Add a node under ``name``, or that with ':' behind it where the name is taken, and return its name."""
        while name in self.nodes:
            name += ":"
        self.nodes[name] = node
        return name

    def chain(self, *names: str) -> None:
        """Add the edges from each node to the next."""
        self.edges.extend(itertools.pairwise(names))


def node(kind: str, **values: Any) -> Node:
    """Return a node of ``kind`` with its parameters."""
    return Node(kind, values)


def input_node(shape: Iterable[int]) -> Node:
    """Return the node that marks the input, of ``shape``."""
    return node("Input", shape=np.array(shape))


def output_node(shape: Iterable[int]) -> Node:
    """Return the node that marks the output, of ``shape``."""
    return node("Output", shape=np.array(shape))


def to_bytes(graph: Graph) -> bytes:
    """Return the file of a graph, made in memory: HDF5 does not survive a full disk."""
    made = io.BytesIO()
    nodes = {name: {"type": each.kind, **each.values} for name, each in graph.nodes.items()}
    values = {"type": "NIRGraph", "nodes": nodes, "edges": graph.edges}
    with h5py.File(made, "w") as file:
        file.create_dataset("version", data=VERSION, dtype=h5py.string_dtype())
        _fill(file.create_group("node"), {**values, **({"metadata": graph.metadata} if graph.metadata else {})})
    return made.getvalue()


def _fill(group: h5py.Group, values: Mapping[str, Any]) -> None:
    """Write ``values`` into a group: mappings as groups, arrays packed, all else as h5py stores it."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            _fill(group.create_group(name), value)
        elif isinstance(value, np.ndarray):
            group.create_dataset(name, data=value, compression="gzip")
        else:
            group.create_dataset(name, data=value, dtype=h5py.string_dtype() if isinstance(value, str) else None)
