"""lava-dl's .net files -> `IntegerNetwork`: every key that changes spikes is read, or refused by its name.

A layer's axonal ``delay`` holds its spikes back, a number of steps for each neuron. It becomes the delay of the
projections behind the layer: one projection per value, in which the weights of all other sources are zero. Behind the
last layer stands no projection. There the input of each neuron is held back instead, which is the same for a neuron
without bias that is silent without input.

An input layer may have neurons, which turn what the network is given into spikes. These neurons are checked and left
out: the input of the network is their spikes, and `left_out` says so.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from spikeport.export.bounds import prove
from spikeport.export.errors import FormatError, NetworkError
from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.hdf5 import Tree
from spikeport.export.inputs import Budget
from spikeport.export.network import (
    Array,
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Shape,
    Source,
    Synapses,
)
from spikeport.export.numbers import DELAY, GROUPS, LEVELS, NEURONS, PADDING, SIDE, STEPS, Range, described, flag, whole

TOP_KEYS = {"layer", "simulation"}
SIMULATION_KEYS = {"Ts", "tSample"}
LAYER_KEYS = {
    "input": {"type", "shape", "neuron", "weight", "bias"},
    "flatten": {"type", "shape"},
    "dense": {"type", "shape", "neuron", "weight", "bias", "delay", "inFeatures", "outFeatures"},
    "conv": {
        *("type", "shape", "neuron", "weight", "bias", "delay", "inChannels", "outChannels", "kernelSize"),
        *("stride", "padding", "dilation", "groups"),
    },
}
NEURON_KEYS = {
    "type",
    "iDecay",
    "vDecay",
    "vThMant",
    "refDelay",
    "gradedSpike",
    "theta",
    "wgtExp",
    *("tauRho", "scaleRho"),
}
"""tauRho and scaleRho shape the surrogate gradient; they change no spike."""
PROOF_BYTES = 160
"""Memory of the proof per neuron."""
LARGEST_PROOF = 2**29
"""Bytes; the proof multiplies every synapse of a layer at once."""


@dataclass(frozen=True)
class _Layer:
    """A population with its synapses, and the steps by which its spikes are held back (per neuron, or one number)."""

    population: IntegerPopulation
    synapses: Synapses
    exponent: int
    delays: Array


def network(tree: Tree, *, steps: int | None, inclusive: bool, levels: int | None) -> IntegerNetwork:
    """Return the network of a .net file's ``tree`` with its proof; `FormatError` names the layer and the key."""
    if steps is None:
        raise FormatError("netx does not say how many steps a sample takes; give the number of steps")
    steps, levels = whole(steps, "number of steps", STEPS), whole(1 if levels is None else levels, "levels", LEVELS)
    _check_keys(tree, TOP_KEYS, "the file")
    if "simulation" in tree.values:
        _check_keys(tree.tree("simulation"), SIMULATION_KEYS, "'simulation'")
    shape, rest = _input(tree.numbered("layer"), levels, inclusive=inclusive)
    source = IntegerPopulation(name="input", shape=shape, neuron=Source(levels=levels, unit=1 / levels))
    layers = _layers(rest, source, inclusive=inclusive)
    projections = _projections(source, layers)
    unproven = IntegerNetwork(
        populations=(source, *(layer.population for layer in layers)), projections=projections, steps=steps
    )
    _check_proof(unproven)
    return replace(unproven, bounds=prove(unproven))


def _check_keys(tree: Tree, known: set[str], where: str) -> None:
    for key in tree.values:
        if key not in known:
            raise FormatError(f"{where} has a key {key!r}, which is not read; known are {', '.join(sorted(known))}")


def left_out(tree: Tree) -> tuple[str, ...]:
    """Return what the network of a file that `network` has read does not hold of it, a sentence each."""
    if "neuron" not in tree.numbered("layer")[0].values or tree.numbered("layer")[0].text("type") != "input":
        return ()
    return ("the neurons of the input layer (with weight and bias) are left out: the input is their spikes",)


def _input(layers: list[Tree], levels: int, *, inclusive: bool) -> tuple[Shape, list[tuple[int, Tree]]]:
    """Return the input's shape, and the layers behind it with their numbers."""
    numbered = list(enumerate(layers))
    if not numbered:
        raise FormatError("holds no layers")
    first = layers[0]
    if first.text("type") == "input":
        _check_keys(first, LAYER_KEYS["input"], "layer 0 (input)")
        try:
            shape = _shape(first)
            _check_input(first, shape, levels, inclusive=inclusive)
        except (FormatError, NetworkError) as error:
            raise FormatError(f"layer 0 (input): {error}") from None
        return shape, numbered[1:]
    if first.text("type") != "dense":
        raise FormatError(
            f"the first layer is a {first.text('type')!r}; expected input or dense, which say the input's shape"
        )
    return (first.whole("inFeatures", NEURONS),), numbered


def _check_input(tree: Tree, shape: Shape, levels: int, *, inclusive: bool) -> None:
    """Check the neurons of an input layer as those of any layer; without neurons it has the shape alone."""
    if "neuron" not in tree.values:
        for key in ("weight", "bias"):
            if key in tree.values:
                raise FormatError(f"has a {key} and no neurons; expected a neuron of CUBA or LOIHI with it, or neither")
        return
    IntegerPopulation(name="input", shape=shape, neuron=_neuron(tree, shape, inclusive=inclusive))
    for key in ("weight", "bias"):
        value = tree.reals(key) if key in tree.values else np.zeros(1)
        if value.size not in (1, shape[0], math.prod(shape)):
            raise FormatError(f"{key} has shape {value.shape}; expected one number, or {shape[0]}, one per channel")
        if key == "weight":
            _mantissa(value)
    if levels != 1:
        raise FormatError(f"has neurons, whose spikes are the input; levels is {levels:,}, expected 1")


def _layers(rest: list[tuple[int, Tree]], source: IntegerPopulation, *, inclusive: bool) -> list[_Layer]:
    layers: list[_Layer] = []
    for number, tree in rest:
        before = layers[-1].population if layers else source
        kind = tree.text("type")
        if kind not in ("conv", "dense", "flatten"):
            raise FormatError(f"layer {number} is a {kind!r}; expected conv, dense, flatten, or input at the start")
        name = f"{kind}{1 + sum(layer.population.name.startswith(kind) for layer in layers)}"
        try:
            _check_keys(tree, LAYER_KEYS[kind], "it")
            if kind == "flatten":
                _check_shape(tree, (math.prod(before.shape),))
            else:
                layers.append(_layer(tree, kind, name, before.shape, inclusive=inclusive))
        except (FormatError, NetworkError) as error:
            raise FormatError(f"layer {number} ({kind}): {error}") from None
    return layers


def _layer(tree: Tree, kind: str, name: str, before: Shape, *, inclusive: bool) -> _Layer:
    synapses, exponent = _dense(tree) if kind == "dense" else _convolution(tree)
    shape = synapses.output_shape(before)
    _check_shape(tree, shape)
    neuron = _neuron(tree, shape, inclusive=inclusive)
    population = IntegerPopulation(name=name, shape=shape, neuron=neuron)
    return _Layer(population, synapses, exponent, _delays(tree, shape))


def _shape(tree: Tree) -> Shape:
    return tree.wholes("shape", NEURONS, sizes=(1, 2, 3, 4))


def _check_shape(tree: Tree, expected: Shape) -> None:
    """Refuse a shape that contradicts the synapses; sides of one do not count, as (5, 1, 1) stands for (5,)."""
    if "shape" not in tree.values:
        return
    shape = _shape(tree)
    if [side for side in shape if side > 1] != [side for side in expected if side > 1]:
        raise FormatError(f"shape is {shape}; expected {expected}, which its source and synapses give")


def _check_size(tree: Tree, key: str, expected: int) -> None:
    if key in tree.values and tree.whole(key, NEURONS) != expected:
        raise FormatError(f"{key} is {described(tree.values[key])}; expected {expected} as in weight")


def _dense(tree: Tree) -> tuple[Dense, int]:
    weight, exponent = _mantissa(tree.reals("weight"))
    outputs = tree.whole("outFeatures", NEURONS)
    if weight.ndim == 1 and weight.size % outputs == 0:
        weight = weight.reshape(outputs, -1)
    sides: Shape = weight.shape
    if len(sides) < 2 or sides[0] != outputs or math.prod(sides[2:]) != 1:
        raise FormatError(f"weight has shape {weight.shape}; expected (outFeatures, inFeatures) with {outputs} outputs")
    weight = weight.reshape(sides[:2])
    _check_size(tree, "inFeatures", weight.shape[1])
    return Dense(weight=weight), exponent


def _convolution(tree: Tree) -> tuple[Convolution, int]:
    weight, exponent = _mantissa(tree.reals("weight"))
    sides: Shape = weight.shape
    if len(sides) not in (4, 5) or math.prod(sides[4:]) != 1:
        raise FormatError(f"weight has shape {weight.shape}; expected (outputs, inputs, kernel height, width, 1)")
    weight = weight.reshape(sides[:4])
    groups = tree.whole("groups", GROUPS)
    _check_size(tree, "outChannels", len(weight))
    _check_size(tree, "inChannels", weight.shape[1] * groups)
    if "kernelSize" in tree.values and _pair(tree, "kernelSize", SIDE) != sides[2:4]:
        raise FormatError(f"kernelSize is {described(tree.values['kernelSize'])}; expected {sides[2:4]} as in weight")
    ranges = {"stride": SIDE, "padding": PADDING, "dilation": SIDE}
    pairs = {key: _pair(tree, key, within) for key, within in ranges.items()}
    return Convolution(weight=weight, groups=groups, **pairs), exponent


def _pair(tree: Tree, key: str, within: Range) -> tuple[int, int]:
    values = tree.wholes(key, within, sizes=(1, 2))
    return values[0], values[-1]


def _mantissa(weight: Array) -> tuple[Array, int]:
    """Return int8 weights and the smallest exponent that holds them."""
    if np.any(weight != np.rint(weight)):
        raise FormatError("weights are no whole numbers; export the network quantized")
    if np.abs(weight).max() < 2**15:
        values = weight.astype(np.int16)
        for exponent in range(8):
            mantissa = values >> exponent
            if np.array_equal(mantissa << exponent, values) and mantissa.min() >= -128 and mantissa.max() <= 127:
                return mantissa.astype(np.int8), exponent
    raise FormatError(f"weights span {weight.min():g}..{weight.max():g}; no 8-bit weights with an exponent give them")


def _neuron(tree: Tree, shape: Shape, *, inclusive: bool) -> IntegerNeuron:
    neuron = tree.tree("neuron")
    kind = neuron.text("type")
    if kind not in ("CUBA", "LOIHI"):
        raise FormatError(f"has {kind} neurons; expected CUBA or LOIHI")
    _check_keys(neuron, NEURON_KEYS, "'neuron'")
    threshold = neuron.reals("vThMant")
    _check_fixed(neuron, threshold)
    bias = np.zeros(())
    if "bias" in tree.values:
        bias = tree.reals("bias")
        if bias.size == math.prod(shape) and len(shape) == 3 and bias.ndim == 3:
            bias = bias.T
        elif bias.size == shape[0]:
            bias = bias.reshape(-1, *(1,) * (len(shape) - 1))
    return IntegerNeuron(
        threshold=threshold,
        bias_mantissa=bias,
        bias_exponent=ACTIVATION_SHIFT,
        decay_u=neuron.reals("iDecay"),
        decay_v=neuron.reals("vDecay"),
        inclusive=inclusive,
    )


def _check_fixed(neuron: Tree, threshold: Array) -> None:
    """Refuse values of keys that would change spikes, and have one value in Lava."""
    if "gradedSpike" in neuron.values and flag(neuron.values["gradedSpike"], "gradedSpike"):
        raise FormatError("gradedSpike is true; only neurons with binary spikes are read")
    for key, expected in (("refDelay", 1), ("wgtExp", 0)):
        if key in neuron.values and neuron.whole(key, Range(least=-(2**15), most=2**15)) != expected:
            raise FormatError(f"{key} is {described(neuron.values[key])}; only {expected} is read")
    if "theta" in neuron.values and np.any(neuron.reals("theta") != threshold * 2**ACTIVATION_SHIFT):
        raise FormatError(f"theta is {described(neuron.values['theta'])}; expected {2**ACTIVATION_SHIFT} vThMant")


def _delays(tree: Tree, shape: Shape) -> Array:
    """Return the axonal delays, one number or one per neuron."""
    if "delay" not in tree.values:
        return np.zeros((), np.int64)
    sizes = tuple(dict.fromkeys((1, shape[0], math.prod(shape))))
    delays = np.array(tree.wholes("delay", DELAY, sizes=sizes))
    if len(np.unique(delays)) == 1:
        return np.asarray(delays[0])
    per = shape if delays.size == math.prod(shape) else (shape[0], *(1,) * (len(shape) - 1))
    return np.broadcast_to(delays.reshape(per), shape)


def _projections(source: IntegerPopulation, layers: list[_Layer]) -> tuple[IntegerProjection, ...]:
    projections: list[IntegerProjection] = []
    before, delays = source, np.zeros((), np.int64)
    budget = Budget(LARGEST_PROOF)
    for layer in layers:
        own = _inputs_held_back(layer) if layer is layers[-1] else np.zeros((), np.int64)
        plain = IntegerProjection(
            source=before.name, target=layer.population.name, synapses=layer.synapses, exponent=layer.exponent
        )
        parts = _by_delay(layer, delays, own, budget)
        projections += [replace(plain, synapses=synapses, delay=delay) for delay, synapses in parts]
        before, delays = layer.population, layer.delays
    return tuple(projections)


def _inputs_held_back(layer: _Layer) -> Array:
    """Return the last layer's delays; `FormatError` where holding back its inputs would not be the same."""
    neuron = layer.population.neuron
    assert isinstance(neuron, IntegerNeuron)
    if layer.delays.any() and (neuron.bias_mantissa.any() or np.any(np.asarray(neuron.level) < 0)):
        raise FormatError(
            f"{layer.population.name}, the last layer, has a delay, and neurons that spike without input; a delay is "
            "read for hidden layers, and for last ones without bias"
        )
    return layer.delays


def _by_delay(layer: _Layer, before: Array, own: Array, budget: Budget) -> list[tuple[int, Synapses]]:
    """Return the synapses parted by delay: ``before`` of their sources plus the layer's ``own``."""
    if not (before.ndim or own.ndim):
        return [(int(before + own), layer.synapses)]
    total = _delay_of_weights(layer, before, own)
    weight, parts = layer.synapses.weight, []
    values = np.unique(np.broadcast_to(total, weight.shape)[weight != 0]) if weight.any() else np.zeros(1, np.int64)
    for value in values:
        budget.take(weight.nbytes, f"a projection per delay of {len(values)} values into {layer.population.name}")
        part = np.where(total == value, weight, 0).astype(np.int8)
        parts.append((int(value), replace(layer.synapses, weight=part)))
    return parts


def _delay_of_weights(layer: _Layer, before: Array, own: Array) -> Array:
    """Return the delay of each weight, in a shape that broadcasts to the weights'."""
    synapses = layer.synapses
    if isinstance(synapses, Dense):
        targets = own.reshape(-1, 1) if own.ndim else own
        return np.asarray((before.reshape(1, -1) if before.ndim else before) + targets)
    outputs, inputs = synapses.weight.shape[:2]
    sources, targets = (_per_channel(each, layer.population.name) for each in (before, own))
    if sources.ndim:
        group = np.arange(outputs) // (outputs // synapses.groups)
        sources = sources[group[:, None] * inputs + np.arange(inputs)]
    targets = targets[:, None] if targets.ndim else targets
    return np.broadcast_to(sources + targets, (outputs, inputs))[:, :, None, None]


def _per_channel(delays: Array, name: str) -> Array:
    if not delays.ndim:
        return delays
    flat = delays.reshape(len(delays), -1)
    if np.any(flat != flat[:, :1]):
        raise FormatError(f"delay differs between neurons of one channel; {name} shares its weights over a channel")
    channels: Array = flat[:, 0]
    return channels


def _check_proof(network: IntegerNetwork) -> None:
    """Refuse what would take too much memory to prove."""
    for projection in network.projections:
        synapses, target = projection.synapses, network.population(projection.target)
        neurons = math.prod(network.population(projection.source).shape) + math.prod(target.shape)
        patches = math.prod(target.shape[1:]) * math.prod(synapses.weight.shape[1:]) * 8
        if isinstance(synapses, Dense):
            patches = 8 * synapses.weight.size
        Budget(LARGEST_PROOF).take(neurons * PROOF_BYTES + 2 * patches, f"the proof of {projection.target}")
