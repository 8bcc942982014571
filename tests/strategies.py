"""Hypothesis strategies that seek the boundaries: beside the threshold, beside the wrap, beside saturation.

Weights and thresholds of random networks are small whole numbers, so potentials meet thresholds exactly all the time;
neuron states are drawn next to the ends of the registers.
"""

import os
from dataclasses import replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from spikeport.export import bounds
from spikeport.export.errors import NetworkError
from spikeport.export.fixed_point import POTENTIAL_LIMIT, STATE_LIMIT, THRESHOLD_MAX
from spikeport.export.network import (
    AveragePooling,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    MaxPooling,
    Normalization,
    Reshape,
    Source,
)

EXAMPLES = int(os.environ.get("SPIKEPORT_EXAMPLES", "15"))
"""Random cases of a property; `make test-all` sets 100."""


def cases(most):
    """Return the settings of a property that `make test-all` tries on ``most`` cases, and `make test` on 15 of 100."""
    return settings(max_examples=max(2, most * EXAMPLES // 100))


seeds = st.integers(0, 2**32 - 1)
near = st.integers(-2, 2)
thresholds = st.one_of(st.integers(0, 5), st.integers(0, THRESHOLD_MAX), st.just(THRESHOLD_MAX))
decays = st.one_of(st.sampled_from([0, 1, 2048, 4095, 4096]), st.integers(0, 4096))
activations = st.one_of(
    st.integers(-5, 5),
    st.builds(lambda sign, d: sign * (STATE_LIMIT >> 6) + d, st.sampled_from([-1, 1]), near),
    st.integers(-(2**18), 2**18),
)


@st.composite
def neuron_steps(draw):
    """Draw (u, v, a, neuron): one scalar neuron just before a step, often one unit from firing or wrapping."""
    neuron = IntegerNeuron(
        threshold=np.array(draw(thresholds)),
        bias_mantissa=np.array(draw(st.one_of(st.just(0), st.integers(-4096, 4095)))),
        bias_exponent=draw(st.integers(0, 7)),
        decay_u=draw(decays),
        decay_v=draw(decays),
        reset_to=np.array(draw(st.one_of(st.just(0), st.integers(-THRESHOLD_MAX, THRESHOLD_MAX)))),
        reset_by=draw(st.one_of(st.none(), thresholds.map(np.array))),
        floor=draw(st.one_of(st.none(), near.map(np.array), st.integers(-THRESHOLD_MAX - 1, 0).map(np.array))),
    )
    u = draw(st.one_of(st.integers(-64, 64), st.integers(-STATE_LIMIT + 1, STATE_LIMIT)))
    a = draw(activations)
    v = draw(st.one_of(_beside_firing(neuron, u, a), st.integers(-POTENTIAL_LIMIT, POTENTIAL_LIMIT)))
    return u, v, a, neuron


def _beside_firing(neuron, u, a):
    """Return potentials that end within two units of the threshold when nothing leaks and nothing wraps."""
    arriving = (u * (4096 - int(neuron.decay_u))) // 4096 + 64 * a + (int(neuron.bias_mantissa) << neuron.bias_exponent)
    target = 64 * int(neuron.threshold) - arriving
    return near.map(lambda d: int(np.clip(target + d, -POTENTIAL_LIMIT, POTENTIAL_LIMIT)))


@st.composite
def convolutions(draw, shape, *, channels=None):
    """Draw a random convolution that reads ``shape``; weights are small integers in float64."""
    groups = draw(st.sampled_from([g for g in (1, 2, 3) if shape[0] % g == 0]))
    out = channels or groups * draw(st.integers(1, 3))
    if out % groups:
        groups = 1
    kernel = [draw(st.integers(1, min(3, side))) for side in shape[1:]]
    rng = np.random.default_rng(draw(seeds))
    weight = rng.integers(-4, 5, (out, shape[0] // groups, *kernel)) * (rng.random((1,)) < 0.9)
    return Convolution(
        weight=np.where(rng.random(weight.shape) < draw(st.sampled_from([0.1, 0.5, 1.0])), weight, 0),
        stride=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        padding=(draw(st.integers(0, 2)), draw(st.integers(0, 2))),
        dilation=tuple(draw(st.integers(1, 2)) if kernel[a] * 2 - 1 <= shape[a + 1] else 1 for a in (0, 1)),
        groups=groups,
    )


def _integers(synapses):
    return replace(synapses, weight=np.asarray(synapses.weight).astype(np.int8))


@st.composite
def _neurons(draw, shape, *, leaky, resets, least=0, floors=False):
    rng = np.random.default_rng(draw(seeds))
    per = draw(st.sampled_from([(), (shape[0], *(1,) * (len(shape) - 1)), shape]))
    leak = leaky and draw(st.booleans())
    reset = draw(st.sampled_from(resets))
    return IntegerNeuron(
        threshold=rng.integers(least, 6, per),
        bias_mantissa=rng.integers(-100, 100, draw(st.sampled_from([(), shape]))) * draw(st.integers(0, 1)),
        bias_exponent=draw(st.integers(0, 2)),
        decay_u=rng.choice([0, 1, 1000, 4096], draw(st.sampled_from([(), shape]))) if leak else 4096,
        decay_v=rng.choice([0, 1, 700, 4095, 4096], draw(st.sampled_from([(), shape]))) if leak else 0,
        reset_to=rng.integers(-3, 4, per) if reset == "value" else 0,
        reset_by=rng.integers(0, 6, per) if reset == "subtract" else None,
        floor=draw(_floors(shape)) if floors else None,
    )


@st.composite
def _floors(draw, shape):
    """Draw a floor or none; a third lies above zero somewhere."""
    rng = np.random.default_rng(draw(seeds))
    per = draw(st.sampled_from([None, (), shape]))
    return None if per is None else rng.integers(-6, draw(st.sampled_from([0, 1, 4])), per)


RESETS = ("zero", "value", "subtract")


@st.composite
def integer_networks(draw, *, leaky=True, resets=RESETS, delays=True, least=0, floors=False):
    """Draw a network: convolutions, several paths, skips, delays and loops, dense readout, silent or spiking.

    Most are proven; where ``least``, the smallest threshold, is below zero, many are not. With ``floors`` many neurons
    have one, also the readout.
    """
    shape = (draw(st.integers(1, 3)), draw(st.integers(2, 6)), draw(st.integers(2, 6)))
    levels = draw(st.sampled_from([1, 255]))
    populations = [IntegerPopulation(name="input", shape=shape, neuron=Source(levels=levels, unit=1 / levels))]
    projections = []
    wait = st.integers(0, 2) if delays and draw(st.booleans()) else st.just(0)
    for index in range(draw(st.integers(1, 3))):
        source = populations[-1]
        paths = [draw(convolutions(source.shape))]
        rng = np.random.default_rng(draw(seeds))
        if draw(st.booleans()):
            paths.append(replace(paths[0], weight=rng.integers(-2, 3, paths[0].weight.shape)))
        name, target = f"conv{index + 1}", paths[0].output_shape(source.shape)
        neuron = draw(_neurons(target, leaky=leaky, resets=resets, least=least, floors=floors))
        populations.append(IntegerPopulation(name=name, shape=target, neuron=neuron))
        ends = [(source.name, _integers(path), draw(wait)) for path in paths]
        if delays and draw(st.integers(0, 3)) == 0:
            ends.append((name, _square(rng, target[0]), draw(st.integers(1, 3))))
        if index and delays and draw(st.integers(0, 2)) == 0:
            first = populations[0].shape
            ends.append(("input", _between(rng, first, target), draw(wait)))
        projections += [
            IntegerProjection(source=s, target=name, synapses=w, exponent=draw(st.integers(0, 2)), delay=d)
            for s, w, d in ends
        ]
    return draw(_finished(populations, projections, resets=resets, leaky=leaky, floors=floors))


@st.composite
def reshaped_networks(draw):
    """Draw a chain in which dense layers give images and convolutions give vectors, with every kind of bias."""
    image = (draw(st.integers(1, 2)), draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    shape = draw(st.sampled_from([image, (int(np.prod(image)),), (2, int(np.prod(image)))]))
    populations = [IntegerPopulation(name="input", shape=shape, neuron=Source(levels=draw(st.sampled_from([1, 255]))))]
    projections = []
    for index in range(draw(st.integers(1, 3))):
        source, rng = populations[-1], np.random.default_rng(draw(seeds))
        if len(source.shape) == 3 and draw(st.booleans()):
            synapses = _integers(draw(convolutions(source.shape)))
            target = synapses.output_shape(source.shape)
            target = draw(st.sampled_from([target, (int(np.prod(target)),)]))
        else:
            target = draw(st.sampled_from([(2, 3, 2), (4,), (1, 1, 5)]))
            synapses = _between(rng, source.shape, target)
        bias = rng.integers(-9, 10, draw(st.sampled_from([(), target, (target[0], *(1,) * (len(target) - 1))])))
        neuron = IntegerNeuron(
            threshold=rng.integers(0, 6),
            bias_mantissa=bias * draw(st.integers(0, 1)),
            bias_exponent=draw(st.integers(0, 7)),
        )
        populations.append(IntegerPopulation(name=f"layer{index + 1}", shape=target, neuron=neuron))
        exponent = draw(st.integers(0, 9))
        projections.append(
            IntegerProjection(source=source.name, target=populations[-1].name, synapses=synapses, exponent=exponent)
        )
    return IntegerNetwork(populations=tuple(populations), projections=tuple(projections), steps=draw(st.integers(1, 4)))


def _square(rng, channels):
    """Return a 3x3 convolution that keeps the shape."""
    return Convolution(weight=rng.integers(-3, 4, (channels, channels, 3, 3)).astype(np.int8), padding=(1, 1))


def _between(rng, source, target):
    """Return synapses between any two shapes."""
    weight = rng.integers(-3, 4, (int(np.prod(target)), int(np.prod(source)))) * (rng.random() < 0.5)
    return Dense(weight=weight.astype(np.int8))


@st.composite
def _finished(draw, populations, projections, *, resets, leaky, floors):
    last, rng = populations[-1], np.random.default_rng(draw(seeds))
    size, outputs = int(np.prod(last.shape)), draw(st.integers(1, 4))
    readout = IntegerNeuron(threshold=None, bias_mantissa=rng.integers(-50, 50, (outputs,)))
    if floors:
        readout = replace(readout, floor=draw(_floors((outputs,))))
    if draw(st.integers(0, 2)) == 0:
        readout = draw(_neurons((outputs,), leaky=leaky, resets=resets, floors=floors))
    weight = rng.integers(-128, 128, (outputs, size)).astype(np.int8)
    populations = [*populations, IntegerPopulation(name="readout", shape=(outputs,), neuron=readout)]
    dense = IntegerProjection(
        source=last.name, target="readout", synapses=Dense(weight=weight), exponent=draw(st.integers(0, 3))
    )
    network = IntegerNetwork(
        populations=tuple(populations), projections=(*projections, dense), steps=draw(st.integers(1, 5))
    )
    return replace(network, bounds=bounds.prove(network))


@st.composite
def chains(draw, *, most=4):
    """Draw (shape, stages): pooling, convolutions of all kinds and a dense end, of which all sums are exact.

    Sides need not divide, a side may be one (a signal), weights are whole numbers and means are over powers of two.
    """
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    stages, source = [], shape
    for _ in range(draw(st.integers(1, most))):
        stage = draw(_linear_stages(shape))
        try:
            shape = stage.output_shape(shape)
        except NetworkError:
            continue
        stages.append(stage)
    if draw(st.integers(0, 4)) == 0:
        rng = np.random.default_rng(draw(seeds))
        stages.append(Dense(weight=rng.integers(-3, 4, (3, int(np.prod(shape)))).astype(float)))
    return source, tuple(stages)


@st.composite
def _linear_stages(draw, shape):
    channels, kind = shape[0], draw(st.sampled_from(["mean", "sum", "depthwise", "convolution", "convolution", "axes"]))
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    geometry = {"stride": draw(pair), "padding": draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))}
    rng = np.random.default_rng(draw(seeds))
    if kind == "mean":
        sides = [[size for size in (1, 2, 4) if side % size == 0] for side in shape[1:]]
        return AveragePooling(size=tuple(draw(st.sampled_from(sizes)) for sizes in sides))
    if kind == "axes":
        shapes = [shape, (channels, 1, shape[1] * shape[2]), (channels * shape[1], 1, shape[2])]
        return Reshape(shape=draw(st.sampled_from(shapes)))
    if kind == "sum":
        return Convolution(weight=np.ones((channels, 1, *draw(pair))), groups=channels, **geometry)
    groups = draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    groups = channels if kind == "depthwise" else groups
    weight = rng.integers(-3, 4, (groups * draw(st.integers(1, 2)), channels // groups, *draw(pair))).astype(float)
    kept = rng.random(weight.shape) < draw(st.sampled_from([0.3, 1.0]))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    return Convolution(weight=weight * kept, groups=groups, dilation=dilation, **geometry)


@st.composite
def float_networks(draw):
    """Draw a network as trained: normalisation, average pooling, convolutions, batch norm, dense readout."""
    rng = np.random.default_rng(draw(seeds))
    shape = (draw(st.integers(1, 3)), 4 * draw(st.integers(1, 2)), 4 * draw(st.integers(1, 2)))
    populations = [FloatPopulation(name="input", shape=shape, neuron=Source())]
    projections = []
    stages = [_normalization(rng, shape[0])]
    for index in range(draw(st.integers(1, 2))):
        pooled = shape
        if index and min(shape[1:]) >= 2 and shape[1] % 2 == shape[2] % 2 == 0:
            stages.append(AveragePooling(size=(2, 2)))
            pooled = stages[-1].output_shape(shape)
            if draw(st.booleans()):
                stages.insert(draw(st.integers(0, 1)), _normalization(rng, shape[0]))
        convolution = draw(convolutions(pooled))
        weight = convolution.weight * rng.uniform(0.5, 1.5, convolution.weight.shape)
        stages.append(replace(convolution, weight=weight))
        target = convolution.output_shape(pooled)
        stages.append(_normalization(rng, target[0]))
        name = f"conv{index + 1}"
        threshold = rng.uniform(0.5, 4, draw(st.sampled_from([(), (target[0], 1, 1)])))
        reset_by = draw(st.sampled_from([None, None, threshold]))
        neuron = FloatNeuron(threshold=threshold, reset_by=reset_by)
        populations.append(FloatPopulation(name=name, shape=target, neuron=neuron))
        projections.append(FloatProjection(source=populations[-2].name, target=name, stages=tuple(stages)))
        shape, stages = target, []
    weight = rng.normal(size=(draw(st.integers(1, 4)), int(np.prod(shape))))
    populations.append(FloatPopulation(name="readout", shape=(len(weight),), neuron=FloatNeuron(threshold=None)))
    projections.append(FloatProjection(source=populations[-2].name, target="readout", stages=(Dense(weight=weight),)))
    return FloatNetwork(populations=tuple(populations), projections=tuple(projections), steps=draw(st.integers(1, 4)))


@st.composite
def residual_networks(draw):
    """Draw a pre-activation residual network, one that adds spikes (SEW), or one with spiking max pooling."""
    rng, builder = np.random.default_rng(draw(seeds)), _Builder()
    kind = draw(st.sampled_from(["pre-activation", "sew", "max pooling"]))
    channels, shape = draw(st.integers(1, 3)), (2, 6, 6)
    builder.add("input", shape, Source())
    if kind == "max pooling":
        _pooling_layers(draw, rng, builder, channels)
    else:
        stem = _stage(rng, 2, channels)
        last = builder.add("stem", (channels, 6, 6), _stream() if kind == "pre-activation" else _spiking(rng))
        builder.join("input", last, _normalization(rng, 2), stem)
        block = _pre_activation if kind == "pre-activation" else _sew
        for index in range(draw(st.integers(1, 3))):
            last = block(draw, rng, builder, last, index)
        _head(rng, builder, last, spikes=kind == "sew")
    return FloatNetwork(
        populations=tuple(builder.populations), projections=tuple(builder.projections), steps=draw(st.integers(1, 4))
    )


class _Builder:
    def __init__(self):
        self.populations, self.projections, self.shapes = [], [], {}

    def add(self, name, shape, neuron):
        self.populations.append(FloatPopulation(name=name, shape=shape, neuron=neuron))
        self.shapes[name] = shape
        return name

    def join(self, source, target, *stages):
        self.projections.append(FloatProjection(source=source, target=target, stages=stages))


def _stream():
    return FloatNeuron(threshold=None, decay_potential=1.0)


def _spiking(rng):
    return FloatNeuron(threshold=np.array(rng.uniform(0.5, 3)), inclusive=bool(rng.integers(0, 2)))


def _stage(rng, inputs, outputs, *, kernel=3, stride=1):
    weight = rng.normal(size=(outputs, inputs, kernel, kernel))
    return Convolution(weight=weight, padding=(kernel // 2, kernel // 2), stride=(stride, stride))


def _pre_activation(draw, rng, builder, stream, index):
    """The normalised stream goes to IF, which goes to a second IF; the sum goes on, perhaps over a 1x1 shortcut."""
    channels, height, width = builder.shapes[stream]
    stride = 2 if height % 2 == 0 and draw(st.booleans()) else 1
    wider = channels + draw(st.integers(0, 1))
    shape = (wider, height // stride, width // stride)
    first = builder.add(f"a{index}", (channels, height, width), _spiking(rng))
    second = builder.add(f"b{index}", shape, _spiking(rng))
    total = builder.add(f"sum{index}", shape, _stream())
    builder.join(stream, first, _normalization(rng, channels))
    builder.join(first, second, _stage(rng, channels, wider, stride=stride), _normalization(rng, wider))
    builder.join(second, total, _stage(rng, wider, wider))
    plain = shape == (channels, height, width)
    on = draw(st.sampled_from([stream, first]))
    builder.join(on, total, *(() if plain else (_stage(rng, channels, wider, kernel=1, stride=stride),)))
    return total


def _sew(draw, rng, builder, before, index):
    """Two spiking layers, whose spikes are added to those of the input or of a spiking 1x1 shortcut."""
    channels, height, width = builder.shapes[before]
    stride = 2 if height % 2 == 0 and draw(st.booleans()) else 1
    wider = channels + draw(st.integers(0, 1))
    shape = (wider, height // stride, width // stride)
    first, second = builder.add(f"a{index}", shape, _spiking(rng)), builder.add(f"b{index}", shape, _spiking(rng))
    builder.join(before, first, _stage(rng, channels, wider, stride=stride), _normalization(rng, wider))
    builder.join(first, second, _stage(rng, wider, wider), _normalization(rng, wider))
    shortcut = before
    if shape != (channels, height, width):
        shortcut = builder.add(f"c{index}", shape, _spiking(rng))
        down = _stage(rng, channels, wider, kernel=1, stride=stride)
        builder.join(before, shortcut, down, _normalization(rng, wider))
    total = builder.add(f"sum{index}", shape, _stream())
    builder.join(second, total)
    builder.join(shortcut, total)
    return total


def _head(rng, builder, last, *, spikes):
    if not spikes:
        shape = builder.shapes[last]
        final = builder.add("final", shape, _spiking(rng))
        builder.join(last, final, _normalization(rng, shape[0]))
        last = final
    shape = builder.shapes[last]
    pooling = AveragePooling(size=shape[1:])
    builder.add("readout", (2,), FloatNeuron(threshold=None))
    builder.join(last, "readout", pooling, Dense(weight=rng.normal(size=(2, shape[0]))))


def _pooling_layers(draw, rng, builder, channels):
    first = builder.add("a", (channels, 6, 6), _spiking(rng))
    builder.join("input", first, _stage(rng, 2, channels))
    windows = [((2, 2), (2, 2), (0, 0)), ((3, 3), (2, 2), (1, 1)), ((2, 3), (1, 1), (0, 1))]
    size, stride, padding = draw(st.sampled_from(windows))
    pooling = MaxPooling(size=size, stride=stride, padding=padding)
    shape = (channels + 1, *pooling.output_shape((channels, 6, 6))[1:])
    second = builder.add("b", shape, _spiking(rng))
    builder.join(first, second, pooling, _stage(rng, channels, channels + 1), _normalization(rng, channels + 1))
    builder.add("readout", (2,), FloatNeuron(threshold=None))
    builder.join(second, "readout", Dense(weight=rng.normal(size=(2, int(np.prod(shape))))))
    if draw(st.booleans()):
        builder.join(first, "readout", pooling, Dense(weight=rng.normal(size=(2, channels * shape[1] * shape[2]))))


def _normalization(rng, channels):
    return Normalization(scale=rng.uniform(0.5, 2, channels), shift=rng.normal(size=channels))


@st.composite
def inputs(draw, network):
    """Draw samples for a network, held or step by step, levels at both ends of the range among them."""
    rng = np.random.default_rng(draw(seeds))
    levels, count = network.source.neuron.levels, draw(st.integers(1, 4))
    timed = (network.steps,) if draw(st.booleans()) else ()
    values = rng.integers(0, levels + 1, (count, *timed, *network.source.shape))
    share = draw(st.sampled_from([0.0, 0.5, 1.0]))
    extreme = rng.choice([0, levels], values.shape)
    return np.where(rng.random(values.shape) < share, extreme, values)
