"""NIR, the neuromorphic intermediate representation (Pedersen et al., Nature Communications 2024), version 1.0.8.

One step is one unit of time. A population of hard-reset IF neurons is an `IF` node with r = 1, the readout an `I`
node with r = 1, so the potential is the sum of what arrived; one that keeps nothing is the `Output` node itself. The
numbers are the network's integers times one power
of two per population; potentials have 24 bits, so float32 holds and adds them exactly. Spikes have weight 1 and the
input carries its integer levels. Thresholds stand half a potential unit above the compared value, so that ``>`` and
``>=`` agree. A bias that differs from neuron to neuron behind a convolution, which no NIR node holds, is a constant one
times the map (`add_bias_map`). The file is read back and compared with the network before it takes its place.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from spikeport.export import bounds
from spikeport.export.errors import FormatError, NetworkError
from spikeport.export.files import atomic
from spikeport.export.network import (
    Array,
    Convolution,
    FloatPopulation,
    FloatProjection,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.export.nir_file import Graph, Node, input_node, node, output_node, to_bytes
from spikeport.export.nir_import import own
from spikeport.export.nir_import.graph import read
from spikeport.export.real_numbers import bias_of, compared, difference, unit_of

NETWORKS = (IntegerNetwork,)
NOTE = "the nir package reads it from version 1.0.6 on, which knows v_reset"
VERSION_KEY = "spikeport"
AnyPopulation = FloatPopulation | IntegerPopulation


def write(network: IntegerNetwork, path: Path, *, unproven: bool = False) -> None:
    """Write ``network`` as a NIR file; `FormatError` names what NIR cannot say.

    NIR's numbers neither wrap nor saturate: a network whose registers can is refused, unless ``unproven`` allows it.
    """
    graph = to_graph(network)
    if not unproven:
        refuse_unproven(network)
    data = to_bytes(graph)
    with atomic(path, size=len(data)) as draft:
        draft.write_bytes(data)
        _verify(network, draft)


def refuse_unproven(network: IntegerNetwork) -> None:
    """Raise `FormatError` where a register of ``network`` can wrap or saturate."""
    left = bounds.unproven(network)
    if left:
        raise FormatError(
            f"NIR's numbers neither wrap nor saturate, and {left[0].sentence()}; quantize the network again without "
            "forcing the scale, or export it to a Lava job"
        )


def _verify(network: IntegerNetwork, path: Path) -> None:
    """Read a file of ours back; `FormatError` where it holds another network."""
    try:
        found = difference(network, read(path, trusted=True)[0])
    except (FormatError, NetworkError) as error:
        found = str(error).removeprefix(f"{path}: ")
    if found:
        raise FormatError(f"NIR cannot say this network, its file would be read as another one: {found}")


def to_graph(network: IntegerNetwork) -> Graph:
    """Return ``network`` as a NIR graph."""
    source, readout = network.source, network.readout
    assert isinstance(source.neuron, Source)
    told = {"steps": network.steps, "levels": source.neuron.levels, own.KEY: own.described(network)}
    graph = Graph(metadata={VERSION_KEY: 1, **told})
    graph.nodes[source.name] = input_node(source.shape)
    for population in network.neurons:
        assert isinstance(population.neuron, IntegerNeuron)
        _check(population, population.neuron)
        graph.add(population.name, _neuron_node(population, population.neuron, unit_of(population.neuron)))
    for population in network.neurons:
        assert isinstance(population.neuron, IntegerNeuron)
        _add_synapses(graph, network, population, population.neuron)
    if graph.nodes[readout.name].kind != "Output":
        graph.chain(readout.name, graph.add("output", output_node(readout.shape)))
    return graph


def _check(population: IntegerPopulation, neuron: IntegerNeuron) -> None:
    if _is_output(neuron):
        return
    if not neuron.memoryless_current or neuron.decay_v.any():
        raise FormatError(
            f"population {population.name} rounds its decay toward zero at every step, which NIR's continuous "
            "LIF cannot say; export it to ONNX or Lava instead"
        )
    if neuron.floor is not None:
        raise FormatError(
            f"population {population.name} has a floor of its potential, which NIR cannot say: export it to ONNX or "
            "to a Lava job"
        )
    if neuron.reset_by is not None:
        raise FormatError(f"population {population.name} resets by subtraction, which NIR cannot say")
    if neuron.level is not None and neuron.level.min() < 0:
        raise FormatError(
            f"population {population.name} fires at potentials down to {neuron.level.min() + 1}; NIR's thresholds are "
            "positive: export the network to ONNX or to a Lava job"
        )


def _is_output(neuron: IntegerNeuron) -> bool:
    """Return whether a population is what an Output node itself puts out: a sum, without neurons."""
    return neuron.threshold is None and neuron.keeps_nothing


def _neuron_node(population: IntegerPopulation, neuron: IntegerNeuron, unit: float) -> Node:
    rate = np.ones(population.shape, np.float32)
    if _is_output(neuron):
        return output_node(population.shape)
    if neuron.threshold is None:
        return node("I", r=rate)
    threshold = np.broadcast_to(compared(neuron), population.shape)
    reset = np.broadcast_to(neuron.reset_to * unit, population.shape)
    return node("IF", r=rate, v_threshold=threshold.astype(np.float32), v_reset=reset.astype(np.float32))


def _add_synapses(graph: Graph, network: IntegerNetwork, population: IntegerPopulation, neuron: IntegerNeuron) -> None:
    """Add the projections of a population, the first with its bias; a bias per neuron behind convolutions is a map."""
    unit = unit_of(neuron)
    bias = np.broadcast_to(bias_of(neuron) * unit, population.shape).astype(np.float32)
    rest = bias if bias.any() else None
    for projection in network.incoming(population.name):
        shape = projection.output_shape(network.population(projection.source).shape)
        own = None if rest is None else bias_held(projection, rest.reshape(shape))
        _add_projection(graph, network, projection, unit, own)
        rest = rest if own is None else None
    if rest is not None:
        add_bias_map(graph, network.source, population, rest)


def bias_held(projection: FloatProjection | IntegerProjection, bias: Array) -> Array | None:
    """Return the bias as the projection's node holds it, per neuron of a dense one and per channel of a convolution."""
    if not isinstance(projection.synapses, Convolution):
        return bias.ravel()
    return bias[:, 0, 0] if np.all(bias == bias[:, :1, :1]) else None


def _add_projection(
    graph: Graph, network: IntegerNetwork, projection: IntegerProjection, unit: float, bias: Array | None
) -> None:
    shape = network.population(projection.source).shape
    weight = (projection.synapses.weight * (unit * 2.0**projection.exponent)).astype(np.float32)
    name, chain = network.label(projection), [projection.source]
    if projection.delay:
        chain.append(graph.add(f"{name}:delay", node("Delay", delay=np.full(shape, projection.delay, np.float32))))
    if isinstance(projection.synapses, Convolution):
        chain.append(graph.add(name, convolution_node(replace(projection.synapses, weight=weight), shape, bias)))
        shape = projection.output_shape(shape)
        if len(network.population(projection.target).shape) == 1:
            chain.append(graph.add(f"{name}:flatten", flatten_node(shape)))
    else:
        if len(shape) > 1:
            chain.append(graph.add(f"{name}:flatten", flatten_node(shape)))
        chain.append(
            graph.add(name, node("Linear", weight=weight) if bias is None else node("Affine", weight=weight, bias=bias))
        )
    graph.chain(*chain, projection.target)


def flatten_node(shape: tuple[int, ...]) -> Node:
    """Return the node that makes a vector of a source of ``shape``."""
    return node("Flatten", input_type=np.array(shape), start_dim=0, end_dim=-1)


def convolution_node(synapses: Convolution, shape: tuple[int, ...], bias: Array | None = None) -> Node:
    """Return the node of a convolution over a source of ``shape``, with a bias per output channel."""
    return node(
        "Conv2d",
        input_shape=(int(shape[1]), int(shape[2])),
        weight=np.asarray(synapses.weight),
        stride=synapses.stride,
        padding=synapses.padding,
        dilation=synapses.dilation,
        groups=synapses.groups,
        bias=np.zeros(synapses.weight.shape[0], np.float32) if bias is None else bias,
    )


def add_bias_map(graph: Graph, source: AnyPopulation, population: AnyPopulation, bias: Array) -> None:
    """Add nodes that give ``bias`` at every step, whatever the input.

    An image is pooled to one pixel, ignored, and a one convolved with the map, turned by 180 degrees and padded so that
    the single one meets each entry once. Between other shapes the input is ignored and a one multiplied with the bias.
    """
    name = f"{population.name}:bias"
    if len(source.shape) == 3 and len(population.shape) == 3:
        channels, height, width = source.shape
        window = np.array((height, width))
        pool = node("SumPool2d", kernel_size=window, stride=window, padding=np.array((0, 0)))
        ignored = Convolution(weight=np.zeros((1, channels, 1, 1), np.float32))
        plane = Convolution(weight=bias[:, None, ::-1, ::-1], padding=(bias.shape[1] - 1, bias.shape[2] - 1))
        one = convolution_node(ignored, (channels, 1, 1), np.ones(1, np.float32))
        chain = [graph.add(f"{name}_pool", pool), graph.add(f"{name}_one", one)]
        chain.append(graph.add(f"{name}_map", convolution_node(plane, (1, 1, 1))))
    else:
        chain = [] if len(source.shape) == 1 else [graph.add(f"{name}_flat", flatten_node(source.shape))]
        nothing = np.zeros((1, math.prod(source.shape)), np.float32)
        chain.append(graph.add(f"{name}_one", node("Affine", weight=nothing, bias=np.ones(1, np.float32))))
        chain.append(graph.add(f"{name}_map", node("Linear", weight=bias.reshape(-1, 1))))
    graph.chain(source.name, *chain, population.name)
