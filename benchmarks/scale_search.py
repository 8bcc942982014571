"""How long the scale search takes, beside the one that runs every population before the one under search again.

    python benchmarks/scale_search.py [--layers N] [--channels N] [--images N]

A chain of 13 3x3 convolutions and three dense layers, random weights, 8 x 8 maps, T = 4, 4 bits; both
searches take the same clips; the ratio is one over the other, from one process.
"""

import argparse
import time

import numpy as np

from spikeport.export.executors import floating, reference
from spikeport.export.network import (
    Array,
    Convolution,
    Dense,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    FloatProjection,
    IntegerNeuron,
    Source,
    Stage,
)
from spikeport.export.quantize import Quantized, fitted
from spikeport.export.scale_search import CLIPS, _part, search
from spikeport.export.stimulus import Stimulus, stimulus
from spikeport.export.trace import record

BITS, SIDE = 4, 8


def chain(layers: int, channels: int) -> FloatNetwork:
    """Return input, ``layers`` convolutions, two dense layers and a readout, with weights that keep them firing."""
    rng, shape = np.random.default_rng(0), (channels, SIDE, SIDE)
    populations = [FloatPopulation(name="input", shape=(3, SIDE, SIDE), neuron=Source())]
    projections = []

    def add(name: str, size: tuple[int, ...], stage: Stage, threshold: float | None) -> None:
        neuron = FloatNeuron(threshold=None if threshold is None else np.array(threshold))
        projections.append(FloatProjection(source=populations[-1].name, target=name, stages=(stage,)))
        populations.append(FloatPopulation(name=name, shape=size, neuron=neuron))

    def normal(*size: int) -> Array:
        return rng.normal(0.3, 1, size) / np.sqrt(np.prod(size[1:]))

    for index in range(layers):
        kernel = Convolution(weight=normal(channels, channels if index else 3, 3, 3), padding=(1, 1))
        add(f"conv{index + 1}", shape, kernel, 0.6)
    for index, size in enumerate((64, 64)):
        add(f"fc{index + 1}", (size,), Dense(weight=normal(size, int(np.prod(populations[-1].shape)))), 0.6)
    add("readout", (10,), Dense(weight=normal(10, 64)), None)
    return FloatNetwork(populations=tuple(populations), projections=tuple(projections), steps=4)


def from_the_input(network: FloatNetwork, calibration: Stimulus) -> dict[str, float]:
    """Return the clips, every trial run from the input on."""
    expected = record(floating.steps(network, calibration))
    done: list[Quantized] = []
    chosen: dict[str, float] = {}
    for population in network.neurons:
        tried = {clip: fitted(network, population, BITS, clip) for clip in CLIPS}
        errors = {clip: _error(network, [*done, each], calibration, expected) for clip, each in tried.items()}
        chosen[population.name] = min(errors, key=lambda clip: errors[clip])
        done.append(tried[chosen[population.name]])
    return chosen


def _error(network: FloatNetwork, done: list[Quantized], calibration: Stimulus, expected: dict[str, Array]) -> float:
    population = done[-1].population
    values = record(reference.steps(_part(network, done), calibration))[population.name]
    assert isinstance(population.neuron, IntegerNeuron)
    if population.neuron.threshold is not None:
        return float(np.count_nonzero(values != expected[population.name]))
    return float(np.abs(values / (64 * population.neuron.scale) - expected[population.name]).mean())


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=13)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--images", type=int, default=32)
    arguments = parser.parse_args()
    network = chain(arguments.layers, arguments.channels)
    images = np.random.default_rng(1).integers(0, 256, (arguments.images, *network.source.shape))
    calibration, times = stimulus(images, network), []
    for run in (
        lambda: search(network, calibration, weight_bits=BITS)[1],
        lambda: from_the_input(network, calibration),
    ):
        started = time.perf_counter()
        clips = run()
        times.append(time.perf_counter() - started)
        print(f"{times[-1]:.2f} s: {clips}")
    print(f"ratio {times[1] / times[0]:.1f}")


if __name__ == "__main__":
    main()
