"""What every ONNX model of ours shares: one `Scan` over the steps, with the state as inputs and outputs.

Inputs: ``input`` (T, N, *shape) and the state: ``v_NAME`` (N, *shape), the synaptic current ``u_NAME`` where there is
one, the steps of rest left ``rest_NAME``, and ``past_NAME:K``, what was sent K steps before, where a projection has a
delay. Outputs: ``spikes_NAME`` (T, N, *shape) of every population that fires, ``potential_NAME`` of those that do not,
and the states after the last step, ``v_NAME:out`` and so on, so that a stream can be cut anywhere. T and N are dynamic.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from spikeport.export.errors import FormatError
from spikeport.export.network import (
    Array,
    FloatPopulation,
    FloatProjection,
    IntegerPopulation,
    IntegerProjection,
    Network,
)

OPSET, IR_VERSION = 21, 10
U8, I32, I64, F32 = TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64, TensorProto.FLOAT
AnyPopulation = FloatPopulation | IntegerPopulation
States = list[tuple[str, AnyPopulation]]
MOST_PAST = 4096
"""Earlier steps that a model keeps, over all populations: each is a tensor and a node of its own."""


@dataclass
class Body:
    """The graph of one step while it grows; constants live outside, in the main graph."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    _count: "itertools.count[int]" = field(default_factory=itertools.count)

    def add(self, operator: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        output = to or f"{operator.lower()}:{next(self._count)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def cast(self, value: str, kind: int, to: str = "") -> str:
        """Append a change of type; its attribute shares the name of our argument."""
        output = to or f"cast:{next(self._count)}"
        self.nodes.append(helper.make_node("Cast", [value], [output], to=kind))
        return output

    def constant(self, name: str, value: Array) -> str:
        """Keep ``value`` as an initialiser and return its name; one name stands for one value."""
        if not np.array_equal(self.constants.setdefault(name, value), value):
            raise FormatError(f"two constants of the ONNX model would be called {name!r}; rename the populations")
        return name

    def total(self, terms: list[str]) -> str:
        """Return the sum of one or more tensors."""
        total = terms[0]
        for term in terms[1:]:
            total = self.add("Add", total, term)
        return total

    def shaped(self, value: str, found: tuple[int, ...], target: AnyPopulation) -> str:
        """Return ``value``, of shape ``found`` behind the batch, in the target's shape."""
        if found == target.shape:
            return value
        shape = self.constant(f"shape_{target.name}", np.array((-1, *target.shape), np.int64))
        return self.add("Reshape", value, shape)

    def remember(self, network: Network, sent: Callable[[AnyPopulation], str]) -> None:
        """Move what every population sent, as ``sent`` names it, one step further into the past."""
        for population, reach in _reaches(network):
            for ago in range(1, reach + 1):
                now = sent(population) if ago == 1 else f"past_{population.name}:{ago - 1}"
                self.add("Identity", now, to=f"past_{population.name}:{ago}:next")


def weight_name(network: Network, projection: FloatProjection | IntegerProjection) -> str:
    """Return a name of its own for the weights of a projection; ':' stands in no population's name."""
    number = next(index for index, each in enumerate(network.projections) if each is projection)
    return f"weight:{number}:{projection.source}:{projection.target}"


def past(network: Network) -> States:
    """Return the states that hold what was sent in earlier steps; `FormatError` where they are too many."""
    return [(f"past_{p.name}:{ago}", p) for p, reach in _reaches(network) for ago in range(1, reach + 1)]


def records(network: Network) -> States:
    """Return the names of what a model puts out at every step, with their populations."""
    named: States = [(f"spikes_{population.name}", population) for population in network.spiking]
    return [*named, *((f"potential_{population.name}", population) for population in network.silent)]


def assemble(network: Network, body: Body, states: States, kind: Callable[[str], int]) -> onnx.ModelProto:
    """Return the checked model around the graph of one step; ``kind`` gives the type of a tensor by its name.

    The body computes ``STATE:next`` for every state and ``RECORD:step`` for every record.
    """
    source, record = network.source, records(network)
    inner = helper.make_graph(
        body.nodes,
        "step",
        [*(_info(name, kind(name), "N", p) for name, p in states), _info("frame", kind("input"), "N", source)],
        [
            *(_info(f"{name}:next", kind(name), "N", p) for name, p in states),
            *(_info(f"{name}:step", kind(name), "N", p) for name, p in record),
        ],
    )
    scan = helper.make_node(
        "Scan",
        [*(name for name, _ in states), "input"],
        [*(f"{name}:out" for name, _ in states), *(name for name, _ in record)],
        body=inner,
        num_scan_inputs=1,
    )
    graph = helper.make_graph(
        [scan],
        "spiking_network",
        [_info("input", kind("input"), "TN", source), *(_info(name, kind(name), "N", p) for name, p in states)],
        [
            *(_info(name, kind(name), "TN", p) for name, p in record),
            *(_info(f"{name}:out", kind(name), "N", p) for name, p in states),
        ],
        [numpy_helper.from_array(value, name) for name, value in body.constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="spikeport"
    )
    helper.set_model_props(model, {"steps": str(network.steps)})
    onnx.checker.check_model(model, full_check=True)
    return model


def _reaches(network: Network) -> list[tuple[AnyPopulation, int]]:
    """Return per population the longest delay of the projections out of it, in steps."""
    reaches: list[tuple[AnyPopulation, int]] = []
    kept = 0
    for population in network.populations:
        reach = max((projection.delay for projection in network.outgoing(population.name)), default=0)
        kept += reach
        if kept > MOST_PAST:
            raise FormatError(
                f"population {population.name}: with a delay of {reach:,} steps behind it, an ONNX model of the "
                f"network would keep {kept:,} earlier steps; at most {MOST_PAST:,} are kept: shorten the delays"
            )
        reaches.append((population, reach))
    return reaches


def _info(name: str, kind: int, axes: str, population: AnyPopulation) -> onnx.ValueInfoProto:
    """Describe a tensor with one symbolic axis per letter of ``axes`` before the population's shape."""
    return helper.make_tensor_value_info(name, kind, [*axes, *population.shape])
