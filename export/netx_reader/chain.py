"""A chain of layers -> `IntegerNetwork` with its proof.

An input layer may have neurons, which turn what the network is given into spikes. These neurons are checked and left
out: the input of the network is their spikes, and `left_out` says so.
"""

import math
from dataclasses import replace

import numpy as np

from spikeport.export.bounds import prove
from spikeport.export.delay_groups import by_delay, count_of_delays, delays_of_weights
from spikeport.export.errors import FormatError, NetworkError
from spikeport.export.fixed_point import NO_THRESHOLD
from spikeport.export.hdf5 import Tree
from spikeport.export.inputs import Budget
from spikeport.export.network import (
    Array,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Shape,
    Source,
)
from spikeport.export.netx_reader.delays import NONE
from spikeport.export.netx_reader.keys import LAYER_KEYS, SIMULATION_KEYS, TOP_KEYS, block_of, check_keys
from spikeport.export.netx_reader.layers import Layer, Rules, check_shape, layer, mantissa, neuron, shape_of
from spikeport.export.numbers import LEVELS, NEURONS, STEPS, whole

PROOF_BYTES = 160
"""Memory of the proof per neuron."""
LARGEST_PROOF = 2**29
"""Bytes; the proof multiplies every synapse of a layer at once."""


def network(tree: Tree, *, steps: int | None, rules: Rules, levels: int | None) -> IntegerNetwork:
    """Return the network of a .net file's ``tree`` with its proof; `FormatError` names the layer and the key."""
    if steps is None:
        raise FormatError(
            "netx does not say how many steps a sample takes; give the number of steps: --steps, steps= in Python"
        )
    steps, levels = whole(steps, "number of steps", STEPS), whole(1 if levels is None else levels, "levels", LEVELS)
    check_keys(tree, TOP_KEYS, "the file")
    if "simulation" in tree.values:
        check_keys(tree.tree("simulation"), SIMULATION_KEYS, "'simulation'")
    shape, rest = _input(tree.numbered("layer"), levels, rules)
    source = IntegerPopulation(name="input", shape=shape, neuron=Source(levels=levels, unit=1 / levels))
    layers = _layers(rest, source, rules)
    projections = _projections(source, layers)
    unproven = IntegerNetwork(
        populations=(source, *(each.population for each in layers)), projections=projections, steps=steps
    )
    _check_proof(unproven)
    return replace(unproven, bounds=prove(unproven))


def left_out(tree: Tree, rules: Rules) -> tuple[str, ...]:
    """Return what a user must know of a file that `network` has read, a sentence each."""
    layers = tree.numbered("layer")
    said = []
    if "neuron" in layers[0].values and layers[0].text("type") == "input":
        said.append("the neurons of the input layer (with weight and bias) are left out: the input is their spikes")
    for number, each in enumerate(layers):
        delayed = each.text("type") == "conv" and "delay" in each.values and np.any(each.reals("delay"))
        if delayed and not rules.outputs_wait:
            said.append(f"layer {number} (conv) has a delay, which is read as slayer's; netx in Lava does not read it")
    last = layers[-1].values.get("neuron")
    if isinstance(last, Tree) and np.all(last.reals("vThMant") == NO_THRESHOLD):
        said.append(
            f"the last layer has the largest threshold, {NO_THRESHOLD:,}: it is read as a readout that never fires, "
            "whose potential is the score"
        )
    return tuple(said)


def _input(layers: list[Tree], levels: int, rules: Rules) -> tuple[Shape, list[tuple[int, Tree]]]:
    """Return the input's shape, and the layers behind it with their numbers."""
    numbered = list(enumerate(layers))
    if not numbered:
        raise FormatError("holds no layers")
    first = layers[0]
    kind = first.text("type") if first.values else block_of(first, 0)
    if kind == "input":
        check_keys(first, LAYER_KEYS["input"], "layer 0 (input)")
        try:
            shape = shape_of(first)
            _check_input(first, shape, levels, rules)
        except (FormatError, NetworkError) as error:
            raise FormatError(f"layer 0 (input): {error}") from None
        return shape, numbered[1:]
    if kind not in ("dense", "dense_rec"):
        raise FormatError(
            f"the first layer is a {kind!r}; expected input, dense or dense_rec, which say the input's shape"
        )
    return (first.whole("inFeatures", NEURONS),), numbered


def _check_input(tree: Tree, shape: Shape, levels: int, rules: Rules) -> None:
    """Check the neurons of an input layer as those of any layer; without neurons it has the shape alone."""
    if "neuron" not in tree.values:
        for key in ("weight", "bias"):
            if key in tree.values:
                raise FormatError(f"has a {key} and no neurons; expected a neuron of CUBA or LOIHI with it, or neither")
        return
    IntegerPopulation(name="input", shape=shape, neuron=neuron(tree, shape, rules))
    for key in ("weight", "bias"):
        value = tree.reals(key) if key in tree.values else np.zeros(1)
        if value.size not in (1, shape[0], math.prod(shape)):
            raise FormatError(f"{key} has shape {value.shape}; expected one number, or {shape[0]}, one per channel")
        if key == "weight":
            mantissa(value)
    if levels != 1:
        raise FormatError(f"has neurons, whose spikes are the input; levels is {levels:,}, expected 1")


def _layers(rest: list[tuple[int, Tree]], source: IntegerPopulation, rules: Rules) -> list[Layer]:
    layers: list[Layer] = []
    kinds = [block_of(tree, number) for number, tree in rest]
    final = max((index for index, kind in enumerate(kinds) if kind != "flatten"), default=-1)
    for index, ((number, tree), kind) in enumerate(zip(rest, kinds, strict=True)):
        before = layers[-1].population if layers else source
        name = f"{kind}{1 + sum(each.population.name.rstrip('0123456789') == kind for each in layers)}"
        try:
            check_keys(tree, LAYER_KEYS[kind], "it")
            if kind == "flatten":
                check_shape(tree, (math.prod(before.shape),))
            else:
                layers.append(layer(tree, kind, name, before.shape, rules, last=index == final))
        except (FormatError, NetworkError) as error:
            raise FormatError(f"layer {number} ({kind}): {error}") from None
    return layers


def _projections(source: IntegerPopulation, layers: list[Layer]) -> tuple[IntegerProjection, ...]:
    projections: list[IntegerProjection] = []
    before, held = source, NONE
    budget = Budget(LARGEST_PROOF)
    for each in layers:
        name = each.population.name
        own = _held_back(each) if each is layers[-1] else NONE
        try:
            delays = delays_of_weights(each.synapses, held, own) + each.delays.inputs
        except NetworkError as error:
            raise FormatError(f"{before.name} -> {name}: {error}") from None
        plain = IntegerProjection(source=before.name, target=name, synapses=each.synapses, exponent=each.exponent)
        count = count_of_delays(each.synapses, delays)
        budget.take(count * each.synapses.weight.nbytes, f"a projection per delay of {count:,} values into {name}")
        projections += [replace(plain, synapses=part, delay=delay) for delay, part in by_delay(each.synapses, delays)]
        if each.feedback is not None:
            back, exponent = each.feedback
            projections.append(IntegerProjection(source=name, target=name, synapses=back, exponent=exponent, delay=1))
        before, held = each.population, each.delays.outputs
    return tuple(projections)


def _held_back(last: Layer) -> Array:
    """Return the delays behind the last layer as those of its inputs; `FormatError` where that is not the same.

    It is the same for neurons that are silent without input: without bias, and with a threshold of zero or more.
    """
    neuron = last.population.neuron
    assert isinstance(neuron, IntegerNeuron)
    delays = last.delays.outputs
    if delays.any() and (
        neuron.bias_mantissa.any() or np.any(np.asarray(0 if neuron.level is None else neuron.level) < 0)
    ):
        raise FormatError(
            f"{last.population.name}, the last layer, has a delay, and neurons that spike without input; a delay is "
            "read for hidden layers, and for last ones without bias"
        )
    if delays.ndim and last.feedback is not None:
        raise FormatError(
            f"{last.population.name}, the last layer, has delays of its own per neuron, and hears its own spikes; one "
            "delay for all is read there: put a layer behind it"
        )
    return delays


def _check_proof(network: IntegerNetwork) -> None:
    """Refuse what would take too much memory to prove."""
    for projection in network.projections:
        synapses, target = projection.synapses, network.population(projection.target)
        neurons = math.prod(network.population(projection.source).shape) + math.prod(target.shape)
        patches = math.prod(target.shape[1:]) * math.prod(synapses.weight.shape[1:]) * 8
        if isinstance(synapses, Dense):
            patches = 8 * synapses.weight.size
        Budget(LARGEST_PROOF).take(neurons * PROOF_BYTES + 2 * patches, f"the proof of {projection.target}")
