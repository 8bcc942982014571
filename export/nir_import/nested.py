"""Graphs inside a graph: edges to and from a nested graph lead to its inner input and from its inner output."""

from spikeport.export.errors import FormatError
from spikeport.export.nir_import.nodes import Graph, Node
from spikeport.export.nir_import.readouts import Edge


def rewired(graph: Graph) -> list[Edge]:
    """Return the edges of a graph between the nodes of all levels, none at a nested graph itself."""
    ends = _ends(graph.nodes)
    return [_rewired(edge, graph.nodes, ends) for edge in graph.edges]


def _rewired(edge: Edge, nodes: dict[str, Node], ends: dict[tuple[str, str], list[str]]) -> Edge:
    """Lead an edge to a graph to its inner input, and one from a graph from its inner output."""
    start, end = edge
    if start in nodes and nodes[start].kind == "NIRGraph":
        start = _inner(ends, start, "Output")
    if end in nodes and nodes[end].kind == "NIRGraph":
        end = _inner(ends, end, "Input")
    return start, end


def _ends(nodes: dict[str, Node]) -> dict[tuple[str, str], list[str]]:
    """Return the inputs and outputs inside each nested graph, by the graph's name and their type."""
    ends: dict[tuple[str, str], list[str]] = {}
    for name, node in nodes.items():
        ends.setdefault((_graph_of(name, nodes), node.kind), []).append(name)
    return ends


def _graph_of(name: str, nodes: dict[str, Node]) -> str:
    """Return the graph that holds a node: names inside it may have dots of their own, as spyx writes them."""
    parts = name.split(".")
    prefixes = (".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))
    return next((each for each in prefixes if each in nodes and nodes[each].kind == "NIRGraph"), "")


def _inner(ends: dict[tuple[str, str], list[str]], graph: str, kind: str) -> str:
    inside = ends.get((graph, kind), [])
    if len(inside) != 1:
        raise FormatError(f"graph {graph!r} has {len(inside)} nodes of type {kind}; expected one")
    return inside[0]
