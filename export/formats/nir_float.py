"""NIR of a float network, folded (`spikeport.export.passes.folded`), in float64; one step is one unit of time.

With ``keep = 1 - decay`` a population is, r and w_in chosen so that what arrives counts once::

    IF, I         v = v + x                                        no decay
    LIF, LI       v = keep v + x                                   tau = 1 / decay, r = tau
    CubaLIF, LI   u = keep_u u + x;  v = keep v + u                tau_syn = 1 / decay_u, w_in = tau_syn

A readout that keeps nothing is the Output node itself. Biases stand in the synapses, and as v_leak = bias / decay where
a synaptic current would filter them. NIR fires where ``v > threshold``: a threshold that fires where it is met is
written as the number below it. The file is read back and compared before it takes its place; quotients may differ in
the last bits.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from spikeport.export.errors import FormatError, NetworkError
from spikeport.export.files import atomic
from spikeport.export.formats import nir
from spikeport.export.formats.nir import VERSION_KEY, add_bias_map, bias_held, convolution_node, flatten_node
from spikeport.export.network import (
    Array,
    Convolution,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    Source,
)
from spikeport.export.network.graph import listed
from spikeport.export.nir_file import Graph, Node, input_node, node, output_node, to_bytes
from spikeport.export.nir_import.graph import read
from spikeport.export.passes import folded

NETWORKS = (FloatNetwork,)
NOTE = nir.NOTE
CLOSE = 2.0**-48
"""Relative difference that a quotient and its inverse may leave."""


def write(network: FloatNetwork, path: Path) -> None:
    """Write ``network``, which is folded first, as a NIR file; `FormatError` names what NIR cannot say."""
    whole = folded(network)
    changed = {p.name for p in whole.populations} ^ {p.name for p in network.populations}
    if changed:
        raise FormatError(
            f"folding adds or removes populations ({listed(sorted(changed))}), so the file would hold others: fold the "
            "network first, with spikeport.export.passes.folded"
        )
    data = to_bytes(to_graph(whole))
    with atomic(path, size=len(data)) as draft:
        draft.write_bytes(data)
        _verify(whole, draft)


def to_graph(network: FloatNetwork) -> Graph:
    """Return a folded ``network`` as a NIR graph."""
    source = network.source
    assert isinstance(source.neuron, Source)
    told = {"steps": network.steps, "levels": source.neuron.levels, "unit": source.neuron.unit}
    graph = Graph(metadata={VERSION_KEY: 1, **told})
    graph.nodes[source.name] = input_node(source.shape)
    for population in network.neurons:
        graph.add(population.name, _neuron_node(population))
    for population in network.neurons:
        _add_synapses(graph, network, population)
    if graph.nodes[network.readout.name].kind != "Output":
        graph.chain(network.readout.name, graph.add("output", output_node(network.readout.shape)))
    return graph


def _neuron(population: FloatPopulation) -> FloatNeuron:
    assert isinstance(population.neuron, FloatNeuron)
    return population.neuron


def _refuse(population: FloatPopulation) -> None:
    neuron = _neuron(population)
    spikes = neuron.threshold is not None
    for found, what in (
        (spikes and neuron.most != 1, "fires several times a step"),
        (spikes and neuron.reset_by is not None, "resets by subtraction"),
        (spikes and neuron.overhang, "compares what its reset left by a rule of its own"),
        (spikes and neuron.refractory, "rests after a spike"),
        (neuron.floor is not None, "has a floor under its potential"),
        (np.any(neuron.start != 0), "starts at a potential of its own"),
        (np.any(neuron.gain != 1), "has a gain of its own"),
    ):
        if found:
            raise FormatError(f"population {population.name} {what}, which NIR cannot say; export it to onnx-float")


def _neuron_node(population: FloatPopulation) -> Node:
    _refuse(population)
    neuron, shape = _neuron(population), population.shape
    fires: dict[str, Array] = {}
    forgets = bool(np.all(neuron.decay_current == 1) and np.all(neuron.decay_potential == 1))
    if neuron.threshold is None and forgets:
        return output_node(shape)
    if neuron.threshold is not None:
        met = np.nextafter(neuron.threshold, 0) if neuron.inclusive else neuron.threshold
        fires = {"v_threshold": _full(met, shape), "v_reset": _full(neuron.reset_to, shape)}
    if np.all(neuron.decay_current == 1) and np.all(neuron.decay_potential == 0):
        return node("IF" if fires else "I", r=np.ones(shape), **fires)
    tau = _time(neuron.decay_potential, shape)
    if np.all(neuron.decay_current == 1):
        return node("LIF" if fires else "LI", tau=tau, r=tau, v_leak=np.zeros(shape), **fires)
    current = {"tau_syn": _time(neuron.decay_current, shape), "w_in": _time(neuron.decay_current, shape)}
    leak = _leak(population)
    return node("CubaLIF" if fires else "CubaLI", tau_mem=tau, r=tau, v_leak=leak, **current, **fires)


def _full(value: Array, shape: tuple[int, ...]) -> Array:
    return np.array(np.broadcast_to(value, shape), np.float64)


def _time(decay: Array, shape: tuple[int, ...]) -> Array:
    """Return 1 / decay; infinite where nothing decays."""
    with np.errstate(divide="ignore"):
        return 1 / _full(decay, shape)


def _leak(population: FloatPopulation) -> Array:
    neuron, shape = _neuron(population), population.shape
    bias, decay = _full(neuron.bias, shape), _full(neuron.decay_potential, shape)
    if np.any((decay == 0) & (bias != 0)):
        raise FormatError(
            f"population {population.name} has a synaptic current, a bias and no leak, which NIR cannot say together; "
            "export it to onnx-float"
        )
    return np.divide(bias, decay, out=np.zeros(shape), where=decay != 0)


def _add_synapses(graph: Graph, network: FloatNetwork, population: FloatPopulation) -> None:
    """Add the projections of a population, the first that can hold it with its bias."""
    neuron = _neuron(population)
    bias = _full(neuron.bias, population.shape)
    rest = bias if bias.any() and np.all(neuron.decay_current == 1) else None
    for projection in network.incoming(population.name):
        shape = projection.output_shape(network.population(projection.source).shape)
        own = None if rest is None else bias_held(projection, rest.reshape(shape))
        _add_projection(graph, network, projection, own)
        rest = rest if own is None else None
    if rest is not None:
        add_bias_map(graph, network.source, population, rest)


def _add_projection(graph: Graph, network: FloatNetwork, projection: FloatProjection, bias: Array | None) -> None:
    source, synapses = network.population(projection.source), projection.synapses
    name, chain, shape = network.label(projection), [projection.source], source.shape
    if projection.delay:
        chain.append(graph.add(f"{name}:delay", node("Delay", delay=np.full(shape, float(projection.delay)))))
    weight = np.array(synapses.weight, np.float64)
    if isinstance(synapses, Convolution):
        chain.append(graph.add(name, convolution_node(replace(synapses, weight=weight), shape, bias)))
        shape = projection.output_shape(shape)
        if len(network.population(projection.target).shape) == 1:
            chain.append(graph.add(f"{name}:flatten", flatten_node(shape)))
    else:
        if len(shape) > 1:
            chain.append(graph.add(f"{name}:flatten", flatten_node(shape)))
        linear = node("Linear", weight=weight) if bias is None else node("Affine", weight=weight, bias=bias)
        chain.append(graph.add(name, linear))
    graph.chain(*chain, projection.target)


def read_back(path: Path) -> FloatNetwork:
    """Return the folded network of a file of ours."""
    return folded(read(path, trusted=True)[0])


def _verify(network: FloatNetwork, path: Path) -> None:
    """Read a file of ours back; `FormatError` where it holds another network."""
    try:
        found = _difference(network, read_back(path))
    except (FormatError, NetworkError) as error:
        found = str(error).removeprefix(f"{path}: ")
    if found:
        raise FormatError(f"NIR cannot say this network, its file would be read as another one: {found}")


def _difference(network: FloatNetwork, restored: FloatNetwork) -> str:
    """Return what differs between the two, or nothing."""
    theirs = {population.name: population for population in restored.populations}
    if (network.steps, network.source.neuron) != (restored.steps, restored.source.neuron):
        return "the steps or the input are others"
    for population in network.neurons:
        other = theirs.get(population.name)
        if other is None or other.shape != population.shape or not isinstance(other.neuron, FloatNeuron):
            return f"population {population.name} is another"
        if not _same_neuron(population, other.neuron):
            return f"population {population.name} has other neurons"
        left = list(restored.incoming(population.name))
        for projection in network.incoming(population.name):
            match = next((each for each in left if _same(projection, each)), None)
            if match is not None:
                left.remove(match)
            elif np.any(projection.synapses.weight):
                return f"projection {projection.source} -> {projection.target} has other synapses"
        if any(np.any(each.synapses.weight) for each in left):
            return f"population {population.name} has one more projection"
    return ""


def _same_neuron(population: FloatPopulation, theirs: FloatNeuron) -> bool:
    ours = _neuron(population)
    if (ours.threshold is None) != (theirs.threshold is None):
        return False
    pairs = [(getattr(ours, name), getattr(theirs, name)) for name in ("decay_current", "decay_potential", "bias")]
    if ours.threshold is not None and theirs.threshold is not None:
        met = np.nextafter(ours.threshold, 0) if ours.inclusive else ours.threshold
        if theirs.inclusive or theirs.most != 1 or np.any(theirs.threshold != met):
            return False
        if np.any(theirs.reset_to != ours.reset_to):
            return False
    others = np.any(theirs.gain != 1) or np.any(theirs.start != 0) or theirs.reset_by is not None
    return not others and all(np.allclose(one, other, rtol=CLOSE, atol=0) for one, other in pairs)


def _same(ours: FloatProjection, theirs: FloatProjection) -> bool:
    one, other = ours.synapses, theirs.synapses
    if (ours.source, ours.delay, type(one)) != (theirs.source, theirs.delay, type(other)):
        return False
    geometry = ("stride", "padding", "dilation", "groups")
    same = all(getattr(one, name, None) == getattr(other, name, None) for name in geometry)
    return same and np.array_equal(one.weight, other.weight)
