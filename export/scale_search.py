"""Search weight scales that change the fewest spikes on calibration images.

Max-abs scaling spends the weight bits on the largest weight. With a clip c < 1 the grid is finer by 1 / c and the few
weights beyond are cut to its end. Population by population, from the input on, each clip is tried with the populations
before it already in integers, and the one whose spikes differ least from the float network's is kept; of a population
that never fires, the one whose potentials, in float units, differ least.
"""

from collections.abc import Sequence

import numpy as np

from export.executors import floating, reference
from export.network import Array, FloatNetwork, FloatPopulation, IntegerNetwork, IntegerNeuron, IntegerPopulation
from export.progress import Progress
from export.quantize import WEIGHT_BITS, Quantized, fitted, quantize
from export.stimulus import Stimulus
from export.trace import record

CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)


def search(
    network: FloatNetwork, calibration: Stimulus, *, weight_bits: int = WEIGHT_BITS, clips: Sequence[float] = CLIPS
) -> tuple[IntegerNetwork, dict[str, float]]:
    """Return ``network`` in integers, and the clip of every population; 1.0 is max-abs, which is always tried first.

    ``calibration`` are images for both networks. Raises as `quantize`.
    """
    wanted = record(floating.steps(network, calibration))
    chosen: dict[str, float] = {}
    progress = Progress("scale search")
    for population in progress.track(network.neurons):
        errors = {clip: _error(network, population, calibration, wanted, chosen, clip, weight_bits) for clip in clips}
        chosen[population.name] = min(errors, key=lambda clip: errors[clip])
    return quantize(network, weight_bits=weight_bits, clips=chosen), chosen


def _error(
    network: FloatNetwork,
    population: FloatPopulation,
    calibration: Stimulus,
    wanted: dict[str, Array],
    chosen: dict[str, float],
    clip: float,
    weight_bits: int,
) -> float:
    """Return how far a population is from the float network's with ``clip``, those before it as chosen."""
    done = [fitted(network, p, weight_bits, chosen.get(p.name, 1.0)) for p in _upto(network, population.name)]
    done[-1] = fitted(network, population, weight_bits, clip)
    part = _part(network, done)
    found = record(reference.steps(part, calibration))[population.name]
    if population.neuron.threshold is not None:  # type: ignore[union-attr]
        return float(np.count_nonzero(found != wanted[population.name]))
    neuron = done[-1].population.neuron
    assert isinstance(neuron, IntegerNeuron)
    return float(np.abs(found / (64 * neuron.scale) - wanted[population.name]).mean())


def _upto(network: FloatNetwork, name: str) -> list[FloatPopulation]:
    """Return the populations with neurons up to ``name``, in the order of the network."""
    names = [population.name for population in network.neurons]
    return list(network.neurons[: names.index(name) + 1])


def _part(network: FloatNetwork, done: list[Quantized]) -> IntegerNetwork:
    """Return the network that the first populations form; loops from later ones are not there yet."""
    names = {network.source.name, *(each.population.name for each in done)}
    source = IntegerPopulation(name=network.source.name, shape=network.source.shape, neuron=network.source.neuron)  # type: ignore[arg-type]
    projections = tuple(p for each in done for p in each.projections if p.source in names)
    return IntegerNetwork(
        populations=(source, *(each.population for each in done)), projections=projections, steps=network.steps
    )
