"""A list of operations -> a specification and the state of its ANN: what a spiking network can hold of a network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.toolchain.importing import joins, pooling, synapses
from spikeport.toolchain.importing.building import Building
from spikeport.toolchain.importing.nodes import masks
from spikeport.toolchain.importing.operations import Array, Kind, Operation
from spikeport.toolchain.importing.rewrites import rearranged
from spikeport.toolchain.importing.values import Value
from spikeport.toolchain.nn.specification import Shape, Specification

_HOMES = (synapses, pooling, joins)
_OTHERS = {"adaptive_average_pooling": "adaptive_pooling", "adaptive_max_pooling": "adaptive_pooling"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Built:
    """A specification, the arrays of its ANN by their names in the state, and sentences on what was dropped."""

    specification: Specification
    state: dict[str, Array]
    notes: tuple[str, ...]


def build(
    operations: Sequence[Operation],
    output: str,
    *,
    shape: Shape,
    mean: Sequence[float],
    std: Sequence[float],
    flat: bool = False,
) -> Built:
    """Return what the operations compute up to ``output``, with every ReLU the end of a population.

    ``shape`` is (C, H, W) of the images, or (features, 1, 1) where ``flat``; ``mean`` and ``std`` are per channel.
    Raises `FormatError`, which names the place in the user's model and the nearest that can be had.
    """
    means, stds = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    building = Building(rearranged(operations, output), shape, means, stds, flat=flat)
    for operation in building.operations:
        building.place = operation.place
        inputs = [building.input(name) for name in operation.inputs]
        value = _KINDS[operation.kind](building, operation, *inputs)
        building.values[operation.name] = building.shared(value) if building.users[operation.name] > 1 else value
    joins.end(building, building.values[output])
    return _built(building)


def _built(building: Building) -> Built:
    nodes = building.nodes.finished()
    if all(node.kind != "neurons" for node in nodes):
        raise FormatError("the network has no ReLU, so that nothing in it can spike; expected one at least")
    mean, std = building.mean, building.std
    specification = Specification(
        input_shape=building.shape, mean=tuple(mean.tolist()), std=tuple(std.tolist()), nodes=nodes
    )
    weights = [op.arrays["weight"] for op in building.operations if op.kind in ("convolution", "linear")]
    kind = np.result_type(*weights) if weights else np.float32
    found = building.nodes.state(node.name for node in nodes)
    state = {name: array.astype(kind) for name, array in found.items()}
    pixels = {"mean": mean.reshape(-1, 1, 1), "std": std.reshape(-1, 1, 1)}
    return Built(specification=specification, state={**pixels, **state, **masks(state)}, notes=building.said(state))


def _function(kind: str) -> Callable[..., Value]:
    """Return the function of a kind, which has its name."""
    name = _OTHERS.get(kind, kind)
    found: Callable[..., Value] = next(getattr(home, name) for home in _HOMES if name in vars(home))
    return found


_KINDS = {kind: _function(kind) for kind in get_args(Kind)}
