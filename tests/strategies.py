"""Hypothesis strategies that seek the boundaries: beside the threshold, beside the wrap, beside saturation.

Weights and thresholds of random networks are small whole numbers, so potentials meet thresholds exactly all the time;
neuron states are drawn next to the ends of the registers.
"""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from export import bounds
from export.fixed_point import POTENTIAL_LIMIT, STATE_LIMIT, THRESHOLD_MAX
from export.network import (
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
    Normalization,
    Source,
)

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
        reset_by=draw(st.one_of(st.none(), thresholds.map(np.array))),
    )
    u = draw(st.one_of(st.integers(-64, 64), st.integers(-STATE_LIMIT + 1, STATE_LIMIT)))
    a = draw(activations)
    v = draw(st.one_of(_beside_firing(neuron, u, a), st.integers(-POTENTIAL_LIMIT, POTENTIAL_LIMIT)))
    return u, v, a, neuron


def _beside_firing(neuron, u, a):
    """Return potentials that end within two units of the threshold when nothing leaks and nothing wraps."""
    arriving = (u * (4096 - neuron.decay_u)) // 4096 + 64 * a + (int(neuron.bias_mantissa) << neuron.bias_exponent)
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
def _neurons(draw, shape, *, leaky):
    rng = np.random.default_rng(draw(seeds))
    per = draw(st.sampled_from([(), (shape[0], *(1,) * (len(shape) - 1)), shape]))
    leak = leaky and draw(st.booleans())
    return IntegerNeuron(
        threshold=rng.integers(0, 6, per),
        bias_mantissa=rng.integers(-100, 100, draw(st.sampled_from([(), shape]))) * draw(st.integers(0, 1)),
        bias_exponent=draw(st.integers(0, 2)),
        decay_u=draw(st.sampled_from([1, 1000, 4096])) if leak else 4096,
        decay_v=draw(st.sampled_from([0, 1, 700, 4095])) if leak else 0,
    )


@st.composite
def integer_networks(draw, *, leaky=True):
    """Draw a proven feed-forward network: convolutions, perhaps two paths into one population, dense readout."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(2, 6)), draw(st.integers(2, 6)))
    levels = draw(st.sampled_from([1, 255]))
    populations = [IntegerPopulation(name="input", shape=shape, neuron=Source(levels=levels, unit=1 / levels))]
    projections = []
    for index in range(draw(st.integers(1, 3))):
        source = populations[-1]
        paths = [draw(convolutions(source.shape))]
        if draw(st.booleans()):
            rng = np.random.default_rng(draw(seeds))
            paths.append(replace(paths[0], weight=rng.integers(-2, 3, paths[0].weight.shape)))
        name, target = f"conv{index + 1}", paths[0].output_shape(source.shape)
        populations.append(IntegerPopulation(name=name, shape=target, neuron=draw(_neurons(target, leaky=leaky))))
        for path in paths:
            exponent = draw(st.integers(0, 2))
            projections.append(
                IntegerProjection(source=source.name, target=name, synapses=_integers(path), exponent=exponent)
            )
    return draw(_finished(populations, projections))


@st.composite
def _finished(draw, populations, projections):
    last, rng = populations[-1], np.random.default_rng(draw(seeds))
    size, outputs = int(np.prod(last.shape)), draw(st.integers(1, 4))
    readout = IntegerNeuron(threshold=None, bias_mantissa=rng.integers(-50, 50, (outputs,)))
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
        reset = draw(st.sampled_from(["zero", "zero", "subtract"]))
        neuron = FloatNeuron(threshold=threshold, reset=reset)
        populations.append(FloatPopulation(name=name, shape=target, neuron=neuron))
        projections.append(FloatProjection(source=populations[-2].name, target=name, stages=tuple(stages)))
        shape, stages = target, []
    weight = rng.normal(size=(draw(st.integers(1, 4)), int(np.prod(shape))))
    populations.append(FloatPopulation(name="readout", shape=(len(weight),), neuron=FloatNeuron(threshold=None)))
    projections.append(FloatProjection(source=populations[-2].name, target="readout", stages=(Dense(weight=weight),)))
    return FloatNetwork(populations=tuple(populations), projections=tuple(projections), steps=draw(st.integers(1, 4)))


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
