"""Networks drawn at random: large ones, ones of a sign mode and an exponent, and chains of any layers."""

from dataclasses import replace

import numpy as np

from spikeport.export.network import (
    Array,
    Convolution,
    Dense,
    IntegerNeuron,
    IntegerPopulation,
    IntegerProjection,
    Source,
)
from tests.oracles.hardware.emulators.networks import Made, chain, input_of, spike_trains

LEAKS = {
    "if": (4096, 0),
    "leaky": (4096, 300),
    "current": (900, 0),
    "cuba": (1200, 170),
    "slow": (3, 2),
    "fast": (4095, 4094),
}
"""decay_u and decay_v."""
SIGNS = {"mixed": (-0.6, 1), "excitatory": (0, 1), "inhibitory": (-1, 0)}


def drawn(
    rng: np.random.Generator, shape: tuple[int, ...], size: int, sign: str = "mixed", density: float = 0.7
) -> Array:
    """Return weights up to ``size``, ``density`` of them not zero."""
    low, high = (round(end * size) for end in SIGNS[sign])
    weight = rng.integers(min(low, -1) if low else 1, max(high, 1) + 1 if high else 0, shape)
    return np.where(rng.random(shape) < density, weight, 0).astype(np.int8)


def firing(weight: Array, exponent: int, leak: tuple[int, int], by: int, **more: object) -> IntegerNeuron:
    """Return neurons that fire in some steps."""
    drive = np.abs(weight.astype(int)).reshape(len(weight), -1).sum(1).mean()
    threshold = max(1, (int(drive * 0.4) << exponent) * 4096 // max(leak[0], 400))
    number = np.array(min(threshold, 2**16) // by or 1)
    return IntegerNeuron(
        **{"threshold": number, "bias_mantissa": np.array(0), "decay_u": leak[0], "decay_v": leak[1]} | more
    )


def large(
    rng: np.random.Generator, by: int, leak: tuple[int, int], *, stride: int, padding: int, dilation: int = 1
) -> Made:
    """Return two convolutions, two dense layers and a readout that never fires."""
    shape, groups = (2, 12, 12), dilation
    first = Convolution(weight=drawn(rng, (6, 2, 3, 3), 60) // by, padding=(1, 1))
    second = Convolution(
        weight=drawn(rng, (16, 6 // groups, 3, 3), 60) // by,
        stride=(stride, stride),
        padding=(padding, padding),
        dilation=(dilation, dilation),
        groups=groups,
    )
    while np.prod(second.output_shape(first.output_shape(shape))) > 1024:
        second = Convolution(**vars(second) | {"weight": second.weight[: len(second.weight) // 2]})
    size = int(np.prod(second.output_shape(first.output_shape(shape))))
    weights = [drawn(rng, (64, size), 30, density=0.1) // by, drawn(rng, (20, 64), 30) // by]
    layers = [(each, firing(each.weight, 0, leak, 1)) for each in (first, second, Dense(weight=weights[0]))]
    readout = IntegerNeuron(threshold=None, bias_mantissa=np.array(0), decay_u=leak[0], decay_v=leak[1])
    return chain(shape, [*layers, (Dense(weight=weights[1]), readout)], spike_trains(rng, 64, shape))


def pictured(rng: np.random.Generator, by: int, leak: tuple[int, int]) -> Made:
    """Return two convolutions, a dense layer and a readout behind an image of 255 levels, which the host takes in."""
    populations, projections, spikes = large(rng, by, leak, stride=2, padding=1)
    image = replace(populations[0], neuron=Source(levels=255))
    first = replace(populations[1].neuron, threshold=np.array(9000 // by), decay_u=np.array(4096))
    populations[:2] = image, replace(populations[1], neuron=first)
    return populations, projections, np.zeros_like(spikes[:16])


def weighted(rng: np.random.Generator, by: int, sign: str, size: int, exponent: int) -> Made:
    """Return two dense layers whose weights have one sign mode and exponent; where none excites, a bias does."""
    divisor = by if size > 1 else 1
    first, second = (drawn(rng, shape, size, sign) // divisor for shape in ((12, 20), (8, 12)))
    drive = np.array(min(4000, 4 * size << exponent) // by) if sign == "inhibitory" else np.array(0)
    populations, projections, spikes = chain(
        (20,),
        [
            (Dense(weight=each), firing(each, exponent, LEAKS["leaky"], by, bias_mantissa=drive, bias_exponent=6))
            for each in (first, second)
        ],
        spike_trains(rng, 30, (20,), 0.2),
    )
    return populations, [_with(each, exponent=exponent) for each in projections], spikes


def _with(projection: IntegerProjection, **more: int) -> IntegerProjection:
    return IntegerProjection(**vars(projection) | more)


def anything(rng: np.random.Generator, by: int) -> Made:
    """Return a chain of any layers, often with a second path, a loop, different neurons, biases."""
    shape = (int(rng.integers(1, 4)), *(int(side) for side in rng.integers(2, 6, 2)))
    populations, projections = [input_of(shape)], []
    for index in range(rng.integers(1, 4)):
        source, name = populations[-1], f"layer{index}"
        exponent, sign = int(rng.integers(0, 4)), str(rng.choice(["mixed", "mixed", *SIGNS]))
        synapses = _random_synapses(rng, source.shape, by, sign)
        target = synapses.output_shape(source.shape)
        ends = [(source.name, synapses, exponent, 0)]
        if rng.random() < 0.3:
            ends.append((source.name, _copy(rng, synapses, by), int(rng.integers(0, 3)), 0))
        if rng.random() < 0.3:
            size = int(np.prod(target))
            ends.append((name, Dense(weight=drawn(rng, (size, size), 3, density=0.2) // by), 0, 1))
        neuron = _random_neuron(rng, synapses.weight, exponent, by, target)
        populations.append(IntegerPopulation(name=name, shape=target, neuron=neuron))
        projections += [
            IntegerProjection(source=start, target=name, synapses=each, exponent=by_power, delay=delay)
            for start, each, by_power, delay in ends
        ]
    return populations, projections, spike_trains(rng, int(rng.integers(15, 40)), shape, rng.uniform(0.1, 0.6))


def _random_synapses(rng: np.random.Generator, shape: tuple[int, ...], by: int, sign: str) -> Convolution | Dense:
    size, density = int(rng.choice([2, 7, 40, 127])), float(rng.choice([0.3, 1.0]))
    if len(shape) < 3 or rng.random() < 0.3:
        return Dense(weight=drawn(rng, (int(rng.integers(4, 16)), int(np.prod(shape))), size, sign, density) // by)
    groups = int(rng.choice([each for each in (1, 2, 3) if shape[0] % each == 0]))
    kernel = [int(rng.integers(1, min(3, side) + 1)) for side in shape[1:]]
    weight = drawn(rng, (groups * int(rng.integers(1, 4)), shape[0] // groups, *kernel), size, sign, density) // by
    padding = tuple(int(each) for each in rng.integers(0, 2, 2))
    return Convolution(
        weight=weight, groups=groups, padding=padding, stride=tuple(int(e) for e in rng.integers(1, 3, 2))
    )


def _copy(rng: np.random.Generator, synapses: Convolution | Dense, by: int) -> Convolution | Dense:
    """Return synapses of the same shape with other weights."""
    return type(synapses)(**vars(synapses) | {"weight": drawn(rng, synapses.weight.shape, 9) // by})


def _random_neuron(
    rng: np.random.Generator, weight: Array, exponent: int, by: int, shape: tuple[int, ...]
) -> IntegerNeuron:
    """Return neurons with at most two thresholds and two pairs of decays, and a bias of a third of all kinds."""
    names = rng.choice(list(LEAKS), 2)
    which = rng.integers(0, 2, shape) * rng.integers(0, 2)
    decays = np.array([LEAKS[name] for name in names])[which]
    one = firing(weight, exponent, LEAKS[names[0]], by)
    threshold = np.array([int(one.threshold), max(1, int(one.threshold) // 2)])[which if rng.random() < 0.5 else 0]
    kind = rng.choice(["none", "none", "units", "fine"])
    fine = rng.integers(-300, 900, shape)
    bias = {"none": np.zeros((), int), "units": fine // 30, "fine": fine}[kind] // by
    power = {"none": 0, "units": 6, "fine": int(rng.integers(0, 8))}[kind]
    leak = {"decay_u": decays[..., 0], "decay_v": decays[..., 1]}
    if kind == "units":
        leak["decay_u"] = np.array(4096)
    return firing(
        weight, exponent, LEAKS["if"], by, threshold=threshold, bias_mantissa=bias, bias_exponent=power, **leak
    )
