"""Which node of a NIR graph is the output, and what leads to it.

An Output node is a marker, not a population: what reaches it is what the network puts out. It becomes a population that
keeps nothing where something else than one population's own output reaches it: a sum, or synapses without neurons.
"""

from collections.abc import Iterable
from dataclasses import replace

from spikeport.export.errors import FormatError
from spikeport.export.network import FloatNetwork, Reshape
from spikeport.export.network.graph import listed
from spikeport.export.nir_import.nodes import Graph, Node

Edge = tuple[str, str]


def leading_to(graph: Graph, output: str | None) -> tuple[dict[str, Node], list[Edge]]:
    """Return the nodes and edges that lead to the Output node called ``output``, or to the only one.

    Raises `FormatError` where there are several Outputs and none is named, where none has that name, and where nodes
    lead to no Output although none was named.
    """
    starts = {start for start, _ in graph.edges}
    outputs = [name for name, node in graph.nodes.items() if node.kind == "Output" and name not in starts]
    if output is not None and output not in outputs:
        raise FormatError(f"there is no Output node {output!r}; there are {_quoted(outputs) or 'none'}")
    if output is None and len(outputs) > 1:
        raise FormatError(
            f"the graph has {len(outputs)} Output nodes, {_quoted(outputs)}; a network has one readout: name one of "
            "them with the setting 'output' (--output)"
        )
    sources = [name for name, node in graph.nodes.items() if node.kind == "Input"]
    met = _before(sources, [(end, start) for start, end in graph.edges])
    islands = [name for name in graph.nodes if name not in met]
    if islands and output is None:
        raise FormatError(f"node {islands[0]!r} is not reached from the input")
    if not outputs:
        return graph.nodes, graph.edges
    kept = _before([output or outputs[0]], graph.edges)
    lost = [name for name in graph.nodes if name not in kept]
    if lost and output is None:
        raise FormatError(
            f"node {lost[0]!r} ({graph.nodes[lost[0]].kind}) does not lead to the Output node {outputs[0]!r}; to leave "
            f"out such nodes ({len(lost):,}), name that Output with the setting 'output' (--output {outputs[0]})"
        )
    return {n: node for n, node in graph.nodes.items() if n in kept}, [e for e in graph.edges if e[1] in kept]


def _before(names: list[str], edges: list[Edge]) -> set[str]:
    """Return the nodes called ``names`` and all that lead to them."""
    into: dict[str, list[str]] = {}
    for start, end in edges:
        into.setdefault(end, []).append(start)
    met, waiting = set(names), list(names)
    while waiting:
        for name in into.get(waiting.pop(), ()):
            if name not in met:
                met.add(name)
                waiting.append(name)
    return met


def without_marker(network: FloatNetwork, marker: str) -> FloatNetwork:
    """Return ``network`` without the population ``marker``, where one population's own output is all that reaches it.

    Where that population is also the source of others, as in a loop, the marker stays: it says what is put out.
    """
    incoming = network.incoming(marker)
    if len(incoming) != 1 or incoming[0].delay or network.outgoing(marker):
        return network
    if not all(isinstance(stage, Reshape) for stage in incoming[0].stages):
        return network
    before = network.population(incoming[0].source)
    if before is network.source or any(p.target not in (before.name, marker) for p in network.outgoing(before.name)):
        return network
    return replace(
        network,
        populations=tuple(p for p in network.populations if p.name != marker),
        projections=tuple(p for p in network.projections if p is not incoming[0]),
    )


def _quoted(names: Iterable[str]) -> str:
    return listed(map(repr, names))
