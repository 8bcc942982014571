"""NIR that snnTorch, Norse and SpikingJelly import with the integers' own spikes (step of 1e-4, as two of them assume).

No framework imports a hard-reset IF in NIR's own sense, but all three import this: a `LIF` whose leak is too small to
matter in float32, with weights and biases multiplied accordingly::

    tau = 2^60 dt,  r = 1,  v_leak = 0:   v + dt / tau (w 2^60 s - v) = v + w s

Norse wants ``from_nir(graph, dt=1e-4)``. The readout, which no framework imports alike, is left out: the output are its
synapses, to be summed over the steps. sinabs resets by subtraction only and cannot be served.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.export.files import atomic
from spikeport.export.formats import nir
from spikeport.export.formats.nir import refuse_unproven, to_graph
from spikeport.export.network import Convolution, Dense, IntegerNetwork, IntegerNeuron, IntegerPopulation, Shape
from spikeport.export.nir_file import Graph, Node, node, output_node, to_bytes
from spikeport.export.nir_import import nodes
from spikeport.export.nir_import.dialect import PORTABLE_DT, PORTABLE_FACTOR

NETWORKS = (IntegerNetwork,)
NOTE = nir.NOTE
PARAMETERS = ("weight", "bias", "tau", "r", "v_leak", "v_threshold", "v_reset")


def write(network: IntegerNetwork, path: Path, *, unproven: bool = False) -> None:
    """Write ``network``; `FormatError` names what the frameworks' importers cannot take.

    A network whose registers can wrap or saturate is refused, unless ``unproven`` allows it.
    """
    graph = _portable(network)
    if not unproven:
        refuse_unproven(network)
    data = to_bytes(graph)
    with atomic(path, size=len(data)) as draft:
        draft.write_bytes(data)
        _verify(graph, draft)


def _verify(graph: Graph, path: Path) -> None:
    """Read a file of ours back; `FormatError` where an edge or a number is another one, or is not finite."""
    found = nodes.read(path, trusted=True)
    if sorted(found.edges) != sorted(graph.edges) or found.nodes.keys() != graph.nodes.keys():
        raise FormatError("NIR cannot say this network, its file would be read with other nodes or edges")
    for name, written in graph.nodes.items():
        for parameter in PARAMETERS:
            value = written.values.get(parameter)
            if value is not None and not np.array_equal(found.nodes[name].reals(parameter, infinite=True), value):
                raise FormatError(f"NIR cannot say this network, {parameter} of {name} would be read as other numbers")


def _portable(network: IntegerNetwork) -> Graph:
    _check(network)
    spatial = _spatial(network)
    graph = to_graph(spatial)
    dropped = {population.name for population in network.silent}
    names = _names([name for name in graph.nodes if name not in dropped], network.source.name)
    made = {names[name]: _node(each) for name, each in graph.nodes.items() if name in names}
    output = next(name for name, each in made.items() if each.kind == "Output")
    made[output] = output_node(spatial.readout.shape)
    links = [(names[start], names[end]) for start, end in _bridged(graph.edges, dropped)]
    return Graph(made, links)


def _check(network: IntegerNetwork) -> None:
    for projection in network.projections:
        if projection.delay or len(network.incoming(projection.target)) > 1:
            raise FormatError(
                f"projection {projection.source} -> {projection.target} has a delay or company; the frameworks' "
                "importers take chains only: export to plain nir, or to ONNX"
            )
        shape, target = network.population(projection.source).shape, network.population(projection.target).shape
        dense = not isinstance(projection.synapses, Convolution)
        if len(target) != 1 if dense else target != projection.output_shape(shape):
            raise FormatError(
                f"projection {projection.source} -> {projection.target} gives {projection.output_shape(shape)} for a "
                f"population of shape {target}; the importers do not reshape: export to plain nir, or to ONNX"
            )
    for population in network.spiking:
        neuron = population.neuron
        assert isinstance(neuron, IntegerNeuron)
        assert neuron.threshold is not None
        if np.ptp(neuron.threshold):
            raise FormatError(
                f"population {population.name} has thresholds of its own per neuron; snnTorch and SpikingJelly hold "
                "one a layer: export to plain nir, or to ONNX"
            )
        bias = neuron.bias_mantissa
        if bias.ndim == 3 and bias.shape[1:] != (1, 1) and np.any(bias != bias[:, :1, :1]):
            raise FormatError(
                f"population {population.name} has a bias of its own per neuron, which the frameworks' layers do not "
                "hold: export to plain nir, or to ONNX"
            )
        if np.any(neuron.reset_to):
            raise FormatError(f"population {population.name} resets to a value; snnTorch resets to zero only")


def _spatial(network: IntegerNetwork) -> IntegerNetwork:
    """Return the network of an image with convolutions as wide as their source for dense layers.

    The importers disagree on whether `Flatten` counts the batch; so nothing is flattened.
    """
    if len(network.source.shape) != 3:
        return network
    populations = {p.name: _widened(p) for p in network.populations}
    projections = [
        replace(p, synapses=_convolution(p.synapses, populations[p.source].shape)) for p in network.projections
    ]
    return IntegerNetwork(populations=tuple(populations.values()), projections=tuple(projections), steps=network.steps)


def _widened(population: IntegerPopulation) -> IntegerPopulation:
    """Return a vector of neurons as an image of one pixel."""
    if len(population.shape) == 3:
        return population
    neuron = population.neuron
    assert isinstance(neuron, IntegerNeuron)
    arrays = {name: value for name, value in vars(neuron).items() if isinstance(value, np.ndarray) and value.ndim}
    changed: dict[str, Any] = {name: value.reshape(-1, 1, 1) for name, value in arrays.items()}
    return replace(population, shape=(*population.shape, 1, 1), neuron=replace(neuron, **changed))


def _convolution(synapses: Convolution | Dense, source: Shape) -> Convolution:
    if isinstance(synapses, Convolution):
        return synapses
    return Convolution(weight=synapses.weight.reshape(-1, *source))


def _node(written: Node) -> Node:
    """Return a node in the form that all three import."""
    values, factor = written.values, np.float32(PORTABLE_FACTOR)
    if written.kind == "IF":
        ones = np.ones(values["v_threshold"].shape, np.float32)
        leak = {"tau": (ones * np.float32(PORTABLE_DT)) * factor, "r": ones, "v_leak": 0 * ones, "v_reset": 0 * ones}
        return node("LIF", v_threshold=values["v_threshold"], **leak)
    if written.kind == "Linear":
        bias = np.zeros(len(values["weight"]), np.float32)
        return node("Affine", weight=values["weight"] * factor, bias=bias)
    if written.kind in ("Affine", "Conv2d"):
        changed = {name: values[name] * factor for name in ("weight", "bias")}
        return node(written.kind, **{**values, **changed})
    return written


def _bridged(edges: list[tuple[str, str]], dropped: set[str]) -> list[tuple[str, str]]:
    """Return the edges with the dropped nodes left out."""
    ahead = {start: end for start, end in edges if start in dropped}
    return [(start, ahead.get(end, end)) for start, end in edges if start not in dropped]


def _names(names: list[str], source: str) -> dict[str, str]:
    """Return names that are Python identifiers, as the importers need; the input is called 'input'."""
    found: dict[str, str] = {}
    for name in names:
        plain = "input" if name == source else re.sub(r"\W", "_", name)
        plain = plain if plain[:1].isalpha() else f"n{plain}"
        while plain in found.values():
            plain += "_"
        found[name] = plain
    return found
