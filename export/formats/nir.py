"""NIR, the neuromorphic intermediate representation (Pedersen et al., Nature Communications 2024), version 1.0.8.

One step is one unit of time. A population of hard-reset IF neurons is an `IF` node with r = 1, the readout an `I`
node with r = 1, so the potential is the sum of what arrived. The numbers are the network's integers times one power
of two per population; potentials have 24 bits, so float32 holds and adds them exactly. Spikes have weight 1 and the
input carries its integer levels. Thresholds stand half a potential unit above the compared value, so that ``>`` and
``>=`` agree. A bias that differs from neuron to neuron, which no NIR node holds, is a plane of ones convolved with
the map (`_bias_map`).
"""

import itertools
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nir
import numpy as np

from spikeport.export.errors import FormatError
from spikeport.export.files import atomic
from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.network import (
    Array,
    Convolution,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)

NETWORKS = (IntegerNetwork,)
VERSION_KEY = "spikeport"
HALF_UNIT = 2.0 ** -(ACTIVATION_SHIFT + 1)


@dataclass
class _Graph:
    nodes: dict[str, Any] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def chain(self, *names: str) -> None:
        self.edges.extend(itertools.pairwise(names))


def write(network: IntegerNetwork, path: Path) -> None:
    """Write ``network`` as a NIR file; `FormatError` names what NIR cannot say."""
    graph = to_graph(network)
    with atomic(path) as draft:
        nir.write(draft, graph)


def to_graph(network: IntegerNetwork) -> nir.NIRGraph:
    """Return ``network`` as a NIR graph."""
    graph = _Graph()
    source, readout = network.source, network.readout
    graph.nodes[source.name] = nir.Input({"input": np.array(source.shape)})
    for population in network.neurons:
        assert isinstance(population.neuron, IntegerNeuron)
        _check(population, population.neuron)
        unit = unit_of(population.neuron)
        graph.nodes[population.name] = _neuron_node(population, population.neuron, unit)
        for projection in network.incoming(population.name):
            _add_projection(graph, network, projection, unit)
        _add_bias(graph, network, population, population.neuron, unit)
    output = "output" if "output" not in graph.nodes else "output:"
    graph.nodes[output] = nir.Output({"output": np.array(readout.shape)})
    graph.chain(readout.name, output)
    assert isinstance(source.neuron, Source)
    metadata = {VERSION_KEY: 1, "steps": network.steps, "levels": source.neuron.levels}
    return nir.NIRGraph(graph.nodes, graph.edges, metadata=metadata, type_check=_checkable(network, graph))


def _checkable(network: IntegerNetwork, graph: _Graph) -> bool:
    """Return whether nir's own type check is right.

    It takes kernels for square and groups for one, and has no node that folds a vector into channels.
    """
    convolutions = [node for node in graph.nodes.values() if isinstance(node, nir.Conv2d)]
    square = all(node.weight.shape[2] == node.weight.shape[3] and node.groups == 1 for node in convolutions)
    dense = [p.target for p in network.projections if not isinstance(p.synapses, Convolution)]
    return square and all(len(network.population(name).shape) == 1 for name in dense)


def _check(population: IntegerPopulation, neuron: IntegerNeuron) -> None:
    if not neuron.memoryless_current or neuron.decay_v.any():
        raise FormatError(
            f"population {population.name} rounds its decay toward zero at every step, which NIR's continuous "
            "LIF cannot say; export it to ONNX or Lava instead"
        )
    if neuron.reset_by is not None:
        raise FormatError(f"population {population.name} resets by subtraction, which NIR cannot say")


def unit_of(neuron: IntegerNeuron | Source) -> float:
    """Return the power of two nearest above 1 / scale: what one activation unit is worth in the file."""
    assert isinstance(neuron, IntegerNeuron)
    return float(2.0 ** -math.floor(math.log2(neuron.scale)))


def _neuron_node(population: IntegerPopulation, neuron: IntegerNeuron, unit: float) -> nir.NIRNode:
    rate = np.ones(population.shape, np.float32)
    if neuron.threshold is None:
        return nir.I(r=rate)
    half = -HALF_UNIT if neuron.inclusive else HALF_UNIT
    threshold = np.broadcast_to(neuron.threshold + half, population.shape) * unit
    reset = np.broadcast_to(neuron.reset_to * unit, population.shape)
    return nir.IF(r=rate, v_threshold=threshold.astype(np.float32), v_reset=reset.astype(np.float32))


def _add_projection(graph: _Graph, network: IntegerNetwork, projection: IntegerProjection, unit: float) -> None:
    shape = network.population(projection.source).shape
    weight = (projection.synapses.weight * (unit * 2.0**projection.exponent)).astype(np.float32)
    name, chain = network.label(projection), [projection.source]
    if projection.delay:
        chain.append(f"{name}:delay")
        graph.nodes[chain[-1]] = nir.Delay(np.full(shape, projection.delay, np.float32))
    if isinstance(projection.synapses, Convolution):
        graph.nodes[name] = _convolution(replace(projection.synapses, weight=weight), shape)
    else:
        graph.nodes[name] = nir.Linear(weight)
        if len(shape) > 1:
            chain.append(f"{name}:flatten")
            graph.nodes[chain[-1]] = nir.Flatten({"input": np.array(shape)}, start_dim=0, end_dim=-1)
    graph.chain(*chain, name, projection.target)


def _convolution(synapses: Convolution, shape: tuple[int, ...], bias: Array | None = None) -> nir.Conv2d:
    return nir.Conv2d(
        input_shape=(int(shape[1]), int(shape[2])),
        weight=np.asarray(synapses.weight),
        stride=synapses.stride,
        padding=synapses.padding,
        dilation=synapses.dilation,
        groups=synapses.groups,
        bias=np.zeros(synapses.weight.shape[0], np.float32) if bias is None else bias,
    )


def _add_bias(
    graph: _Graph, network: IntegerNetwork, population: IntegerPopulation, neuron: IntegerNeuron, unit: float
) -> None:
    """Put the bias into a node in front of the population, or into a constant plane where it is a map."""
    bias = np.ldexp(neuron.bias_mantissa.astype(np.float64), neuron.bias_exponent - ACTIVATION_SHIFT) * unit
    if not bias.any():
        return
    bias = np.broadcast_to(bias, population.shape)
    first = network.incoming(population.name)[0]
    name = network.label(first)
    node = graph.nodes[name]
    if isinstance(node, nir.Linear):
        graph.nodes[name] = nir.Affine(node.weight, bias.astype(np.float32))
    elif np.all(bias == bias[:, :1, :1]):
        node.bias = bias[:, 0, 0].astype(np.float32)
    else:
        _bias_map(graph, network.source, population, bias.astype(np.float32))


def _bias_map(graph: _Graph, source: IntegerPopulation, population: IntegerPopulation, bias: Array) -> None:
    """Add nodes that give ``bias`` at every step: pool the input to one pixel, ignore it, convolve a one.

    The kernel is the map turned by 180 degrees, padded so that the single one meets each entry once.
    """
    channels, height, width = source.shape
    names = [f"{population.name}:bias_{part}" for part in ("pool", "one", "map")]
    window = np.array((height, width))
    graph.nodes[names[0]] = nir.SumPool2d(kernel_size=window, stride=window, padding=np.array((0, 0)))
    one = Convolution(weight=np.zeros((1, channels, 1, 1), np.float32))
    graph.nodes[names[1]] = _convolution(one, (channels, 1, 1), np.ones(1, np.float32))
    plane = Convolution(weight=bias[:, None, ::-1, ::-1], padding=(bias.shape[1] - 1, bias.shape[2] - 1))
    graph.nodes[names[2]] = _convolution(plane, (1, 1, 1))
    graph.chain(source.name, *names, population.name)
