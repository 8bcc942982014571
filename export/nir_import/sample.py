"""What of an input's shape is one sample: some exporters leave the batch and the steps in it."""

import math
from collections.abc import Iterator

import numpy as np

from spikeport.export.network import Shape
from spikeport.export.nir_import.nodes import STATEFUL, Graph
from spikeport.export.nir_import.stages import PASS_ON
from spikeport.export.numbers import NEURONS

AXES = {"Conv1d": 2, "Conv2d": 3, "SumPool2d": 3, "AvgPool2d": 3}
"""How many axes a node reads; more in front, in the shape of an input, are the batch and the steps."""


def rows_in_front(graph: Graph, name: str) -> Iterator[str]:
    """Say where an input has axes in front of a sample that are not one: another reading is possible."""
    shape, sample = _axes(graph, name), shape_of(graph, name)
    before = shape[: len(shape) - len(sample)]
    if math.prod(before) > 1:
        count = " x ".join(map(str, before))
        yield (
            f"warning: input {name!r} has shape {shape}, read as a batch or steps of {count} samples of {sample}; "
            "if they belong to one sample, the network is another one"
        )


def _axes(graph: Graph, name: str) -> Shape:
    return graph.nodes[name].wholes("shape", NEURONS, sizes=(1, 2, 3, 4, 5))


def shape_of(graph: Graph, name: str) -> Shape:
    """Return the shape of one sample; some exporters leave the batch in it."""
    shape = _axes(graph, name)
    node = graph.nodes[_first_with_axes(graph, name)]
    weight = node.values.get("weight")
    sides = weight.shape if isinstance(weight, np.ndarray) else ()
    if node.kind in ("Linear", "Affine") and len(shape) > 1 and sides[-1:] == shape[-1:]:
        return shape[-1:]
    return shape[-AXES.get(node.kind, len(shape)) :]


def _first_with_axes(graph: Graph, name: str) -> str:
    """Return the first node behind the input that reads a number of axes, else the first one at all."""
    out: dict[str, str] = {}
    for start, end in graph.edges:
        out.setdefault(start, end)
    first = following = out[name]
    met = {following}
    while graph.nodes[following].kind in (*STATEFUL, *PASS_ON, "Scale"):
        if following not in out or out[following] in met:
            return first
        following = out[following]
        met.add(following)
    return following
