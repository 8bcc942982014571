"""Layers of .net files: weights, neurons and shapes.

A dense layer without neurons is the end of a network, slayer's Affine block without dynamics; netx makes an integrator
of it. With dynamics, Affine writes a threshold that no potential reaches, 2^18 - 1; older networks (pilotnet) have
2^17 - 1, the largest of Loihi. Each is a readout that never fires: its potential is the score.
"""

import math
from dataclasses import dataclass

import numpy as np

from spikeport.export.errors import FormatError
from spikeport.export.fixed_point import ACTIVATION_SHIFT, NO_THRESHOLD, THRESHOLD_MAX
from spikeport.export.hdf5 import Tree
from spikeport.export.network import Array, Convolution, Dense, IntegerNeuron, IntegerPopulation, Shape, Synapses
from spikeport.export.netx_reader.delays import Delays, delays_of
from spikeport.export.netx_reader.keys import check_neuron
from spikeport.export.numbers import GROUPS, NEURONS, PADDING, SIDE, Range, described, flag

AFFINE_THRESHOLD = 2**18 - 1
"""vThMant of slayer's Affine block: 64 times it is more than any potential."""
DENSE_MIN, DENSE_MAX = -256, 254
"""Weights that netx keeps in dense layers; without a positive one, Lava clips them at -255."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a program runs a file: whether neurons fire at ``v == threshold``, and whether delays hold back spikes."""

    inclusive: bool
    outputs_wait: bool


DIALECTS = {
    "lava": Rules(inclusive=False, outputs_wait=False),
    "slayer": Rules(inclusive=False, outputs_wait=True),
    "slayer-0.3": Rules(inclusive=True, outputs_wait=True),
}
"""netx in Lava; slayer of lava-dl 0.4.0 and newer, which adds ``threshold_eps`` to the threshold; older slayer."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A population with its synapses, those of a recurrent block from itself, and the delays of both."""

    population: IntegerPopulation
    synapses: Synapses
    exponent: int
    feedback: tuple[Synapses, int] | None
    delays: Delays


def layer(tree: Tree, kind: str, name: str, before: Shape, rules: Rules, *, last: bool) -> Layer:
    """Return a layer of ``kind`` behind a source of shape ``before``; `FormatError` names the key that is wrong."""
    synapses, exponent = _convolution(tree) if kind == "conv" else _dense(tree)
    feedback = _feedback(tree, synapses) if kind == "dense_rec" else None
    shape = synapses.output_shape(before)
    check_shape(tree, shape)
    neuron = _last(tree, kind, shape, rules) if last else _hidden(tree, kind, shape, rules)
    return Layer(
        population=IntegerPopulation(name=name, shape=shape, neuron=neuron),
        synapses=synapses,
        exponent=exponent,
        feedback=feedback,
        delays=delays_of(tree, kind, synapses, shape, outputs_wait=rules.outputs_wait),
    )


def shape_of(tree: Tree) -> Shape:
    """Return what stands as the shape of a layer."""
    return tree.wholes("shape", NEURONS, sizes=(1, 2, 3, 4))


def check_shape(tree: Tree, expected: Shape) -> None:
    """Refuse a shape that contradicts the synapses; sides of one do not count, as (5, 1, 1) stands for (5,)."""
    if "shape" not in tree.values:
        return
    shape = shape_of(tree)
    if [side for side in shape if side > 1] != [side for side in expected if side > 1]:
        raise FormatError(f"shape is {shape}; expected {expected}, which its source and synapses give")


def _check_size(tree: Tree, key: str, expected: int) -> None:
    if key in tree.values and tree.whole(key, NEURONS) != expected:
        raise FormatError(f"{key} is {described(tree.values[key])}; expected {expected} as in weight")


def _dense(tree: Tree) -> tuple[Dense, int]:
    weight, exponent = _matrix(tree, "weight", "inFeatures")
    _check_size(tree, "inFeatures", weight.shape[1])
    return Dense(weight=weight), exponent


def _feedback(tree: Tree, synapses: Synapses) -> tuple[Dense, int]:
    """Return the synapses from a recurrent block to itself."""
    weight, exponent = _matrix(tree, "weight_rec", "outFeatures")
    if weight.shape[1] != len(synapses.weight):
        outputs = len(synapses.weight)
        raise FormatError(f"weight_rec has shape {weight.shape}; expected (outFeatures, outFeatures), {outputs} each")
    return Dense(weight=weight), exponent


def _matrix(tree: Tree, key: str, inputs: str) -> tuple[Array, int]:
    """Return the weights (outputs, inputs) of a dense layer as int8 with an exponent."""
    values = tree.reals(key)
    weight, exponent = mantissa(values)
    outputs = tree.whole("outFeatures", NEURONS)
    if weight.ndim == 1 and weight.size % outputs == 0:
        weight = weight.reshape(outputs, -1)
    sides: Shape = weight.shape
    if len(sides) < 2 or sides[0] != outputs or math.prod(sides[2:]) != 1:
        raise FormatError(f"{key} has shape {weight.shape}; expected (outFeatures, {inputs}) with {outputs} outputs")
    least = DENSE_MIN if values.max() > 0 else DENSE_MIN + 1
    if values.min() < least or values.max() > DENSE_MAX:
        raise FormatError(
            f"{key} spans {values.min():g}..{values.max():g}; netx clips the weights of a dense layer to "
            f"{least}..{DENSE_MAX}: export the network quantized to 8 bits"
        )
    return weight.reshape(sides[:2]), exponent


def _convolution(tree: Tree) -> tuple[Convolution, int]:
    weight, exponent = mantissa(tree.reals("weight"))
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


def mantissa(weight: Array) -> tuple[Array, int]:
    """Return int8 weights and the smallest exponent that holds them."""
    if np.any(weight != np.rint(weight)):
        raise FormatError("weights are no whole numbers; export the network quantized")
    if np.abs(weight).max() < 2**15:
        values = weight.astype(np.int16)
        for exponent in range(8):
            found = values >> exponent
            if np.array_equal(found << exponent, values) and found.min() >= -128 and found.max() <= 127:
                return found.astype(np.int8), exponent
    raise FormatError(f"weights span {weight.min():g}..{weight.max():g}; no 8-bit weights with an exponent give them")


def _hidden(tree: Tree, kind: str, shape: Shape, rules: Rules) -> IntegerNeuron:
    """Return neurons that others hear."""
    if "neuron" not in tree.values and kind == "dense":
        raise FormatError("has no neurons, so it never fires, and a layer reads it; only the last layer may have none")
    if "neuron" in tree.values and np.all(_thresholds(tree.tree("neuron")) > THRESHOLD_MAX):
        raise FormatError(
            f"vThMant is beyond {THRESHOLD_MAX:,}, so it never fires, and a layer reads it; only the last layer may be "
            "a readout"
        )
    return neuron(tree, shape, rules)


def _last(tree: Tree, kind: str, shape: Shape, rules: Rules) -> IntegerNeuron:
    """Return the neurons of the last layer, which may never fire."""
    if "neuron" in tree.values:
        return neuron(tree, shape, rules, readout=bool(np.all(_thresholds(tree.tree("neuron")) >= NO_THRESHOLD)))
    if kind != "dense":
        raise FormatError("has no neurons; expected a 'neuron' of CUBA or LOIHI, which only a dense last layer lacks")
    return integrator(_bias(tree, shape))


def integrator(bias: Array) -> IntegerNeuron:
    """Return what netx makes of a layer without neurons, iDecay 0 and vDecay 4096: the current keeps the sum.

    Without a bias this is an integrator in the potential, which every chip has: iDecay 4096 and vDecay 0.
    """
    decay_u, decay_v = (0, 4096) if bias.any() else (4096, 0)
    return IntegerNeuron(
        threshold=None,
        bias_mantissa=bias,
        bias_exponent=ACTIVATION_SHIFT,
        decay_u=np.array(decay_u),
        decay_v=np.array(decay_v),
    )


def neuron(tree: Tree, shape: Shape, rules: Rules, *, readout: bool = False) -> IntegerNeuron:
    """Return a layer's neurons; a ``readout`` never fires."""
    values = tree.tree("neuron")
    check_neuron(values)
    threshold = _thresholds(values)
    _check_fixed(values, threshold, fires=not readout)
    return IntegerNeuron(
        threshold=None if readout else threshold,
        bias_mantissa=_bias(tree, shape),
        bias_exponent=ACTIVATION_SHIFT,
        decay_u=values.reals("iDecay"),
        decay_v=values.reals("vDecay"),
        inclusive=rules.inclusive and not readout,
    )


def _thresholds(values: Tree) -> Array:
    check_neuron(values)
    threshold = values.reals("vThMant")
    if threshold.max() > AFFINE_THRESHOLD:
        raise FormatError(
            f"vThMant is {threshold.max():,g}: the threshold lies in 0..{THRESHOLD_MAX:,}, or is "
            f"{AFFINE_THRESHOLD:,} in a readout that never fires"
        )
    return threshold


def _bias(tree: Tree, shape: Shape) -> Array:
    """Return the bias in activation units: one number, one per channel, or one per neuron."""
    bias = tree.reals("bias") if "bias" in tree.values else np.zeros(())
    if bias.size == math.prod(shape) and len(shape) == 3 and bias.ndim == 3:
        return bias.T
    if bias.size == shape[0]:
        return bias.reshape(-1, *(1,) * (len(shape) - 1))
    return bias


def _check_fixed(values: Tree, threshold: Array, *, fires: bool) -> None:
    """Refuse values of keys that would change spikes, and have one value in Lava; a readout may keep a theta."""
    if "gradedSpike" in values.values and flag(values.values["gradedSpike"], "gradedSpike"):
        raise FormatError("gradedSpike is true; only neurons with binary spikes are read")
    for key, expected in (("refDelay", 1), ("wgtExp", 0)):
        if key in values.values and values.whole(key, Range(least=-(2**15), most=2**15)) != expected:
            raise FormatError(f"{key} is {described(values.values[key])}; only {expected} is read")
    if fires and "theta" in values.values and np.any(values.reals("theta") != threshold * 2**ACTIVATION_SHIFT):
        raise FormatError(f"theta is {described(values.values['theta'])}; expected {2**ACTIVATION_SHIFT} vThMant")
