"""Networks and profiles that the tests of several modules use."""

from dataclasses import replace

import msgspec
import numpy as np
from hypothesis import strategies as st

from spikeport.export.network import (
    Convolution,
    Dense,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from spikeport.hardware_profiles.profile import load_profile
from tests.hardware_profiles.written_out import grid_shape, synapses
from tests.strategies import seeds

APART = {"threshold_registers": 1}
"""A limit that keeps populations on cores of their own: each takes a register."""
READOUT = IntegerNeuron(threshold=None, bias_mantissa=np.zeros((), np.int64))


def limited(name="loihi1", lists=None, **limits):
    """Return a profile with other limits and kinds of lists."""
    profile = load_profile(name)
    changed = {
        key: None if value is None else msgspec.structs.replace(getattr(profile.limits, key), value=value)
        for key, value in limits.items()
    }
    profile = msgspec.structs.replace(profile, limits=msgspec.structs.replace(profile.limits, **changed))
    if lists is None:
        return profile
    kinds = msgspec.structs.replace(profile.encoding.lists, value=lists)
    return msgspec.structs.replace(profile, encoding=msgspec.structs.replace(profile.encoding, lists=kinds))


def with_encoding(profile, **values):
    """Return a profile whose encoding has other numbers."""
    changed = {
        key: msgspec.structs.replace(getattr(profile.encoding, key), value=value) for key, value in values.items()
    }
    return msgspec.structs.replace(profile, encoding=msgspec.structs.replace(profile.encoding, **changed))


def convolutional(stride=1, padding=1, kernel=3, side=8, weight=None):
    """Return a network of one convolution over (2, side, side) into 4 channels, and a readout."""
    weight = (
        np.random.default_rng(0).integers(1, 100, (4, 2, kernel, kernel)).astype(np.int8) if weight is None else weight
    )
    convolution = Convolution(weight=weight, stride=(stride, stride), padding=(padding, padding))
    shape = convolution.output_shape((2, side, side))
    hidden = IntegerNeuron(threshold=np.array(100), bias_mantissa=np.zeros((), np.int64))
    out = IntegerNeuron(threshold=None, bias_mantissa=np.zeros((), np.int64))
    dense = Dense(weight=np.ones((3, int(np.prod(shape))), np.int8))
    return IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=(2, side, side), neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="conv", shape=shape, neuron=hidden),
            IntegerPopulation(name="readout", shape=(3,), neuron=out),
        ),
        projections=(
            IntegerProjection(source="input", target="conv", synapses=convolution),
            IntegerProjection(source="conv", target="readout", synapses=dense),
        ),
        steps=4,
    )


def two_convolutions():
    """Return a network of two 3x3 convolutions over 2x2 maps, of 4 and 2 channels, and a readout."""
    first = convolutional(side=2)
    weight = np.random.default_rng(1).integers(1, 100, (2, 4, 3, 3)).astype(np.int8)
    second = Convolution(weight=weight, padding=(1, 1))
    hidden = first.populations[1]
    return replace(
        first,
        populations=(*first.populations[:2], replace(hidden, name="conv2", shape=(2, 2, 2)), first.populations[2]),
        projections=(
            first.projections[0],
            IntegerProjection(source="conv", target="conv2", synapses=second),
            IntegerProjection(source="conv2", target="readout", synapses=Dense(weight=np.eye(3, 8).astype(np.int8))),
        ),
    )


@st.composite
def pooled_networks(draw):
    """Draw (network, small kernel, window): average pooling over windows, folded into a convolution behind it."""
    rng = np.random.default_rng(draw(seeds))
    window = (draw(st.integers(1, 3)), draw(st.integers(2, 3)))
    pixels = (draw(st.integers(2, 3)), draw(st.integers(2, 4)))
    padding, channels = draw(st.integers(0, 1)), draw(st.integers(1, 2))
    small = rng.integers(-3, 4, (draw(st.integers(1, 3)), channels, 2, 2)).astype(np.int8)
    small[0, 0] = [[1, -2], [3, 1]]  # rows and columns differ, so no larger window repeats
    folded = Convolution(
        weight=small.repeat(window[0], axis=2).repeat(window[1], axis=3),
        stride=window,
        padding=(padding * window[0], padding * window[1]),
    )
    shape = (channels, pixels[0] * window[0], pixels[1] * window[1])
    network = IntegerNetwork(
        populations=(
            IntegerPopulation(name="input", shape=shape, neuron=Source(levels=1, unit=1.0)),
            IntegerPopulation(name="readout", shape=folded.output_shape(shape), neuron=READOUT),
        ),
        projections=(IntegerProjection(source="input", target="readout", synapses=folded),),
        steps=draw(st.integers(1, 3)),
    )
    return network, Convolution(weight=small, padding=(padding, padding)), window


def needs(network, strategy):
    """Return limits that a core needs for any one neuron: synaptic memory, input and output axons.

    By synapses written out; exact for strategy unrolled and the axons, an upper bound otherwise.
    """
    memory, inputs = [0], [0]
    outputs = {population.name: 0 for population in network.populations}
    for population in network.neurons:
        per_neuron = sum(
            arriving_axons(network, projection, strategy) for projection in network.incoming(population.name)
        )
        inputs.append(int(per_neuron.max()))
        memory.append(8 * inputs[-1])
    for projection in network.projections:
        full = synapses(network, projection)
        targets = full.sum(axis=(0, 1, 2)).reshape(network.population(projection.source).shape)
        reached = targets.max() if strategy == "unrolled" else 2 * targets.reshape(len(targets), -1).sum(axis=0).max()
        outputs[projection.source] += int(reached)
    sent = [number for name, number in outputs.items() if name != network.source.name]
    return {"synaptic_memory": max(memory), "input_axons": max(inputs), "output_axons": max(sent)}


def arriving_axons(network, projection, strategy):
    """Return the axons into every target neuron: source neurons, or all channels of their positions."""
    full, shape = synapses(network, projection), grid_shape(network.population(projection.source).shape)
    if strategy == "unrolled":
        return full.sum(axis=3)
    return full.reshape(*full.shape[:3], *shape).any(axis=3).sum(axis=(3, 4)) * shape[0]
