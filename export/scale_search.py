"""Search weight scales that change the fewest spikes on calibration images.

Max-abs scaling spends the weight bits on the largest weight. With a clip c < 1 the grid is finer by 1 / c and the few
weights beyond are cut to its end. Population by population, from the input on, each clip is tried with the populations
before it already in integers, and the one whose spikes differ least from the float network's is kept; of a population
that never fires, the one whose potentials, in float units, differ least.
"""

from collections.abc import Sequence

import numpy as np

from spikeport.export.executors import floating, reference
from spikeport.export.network import Array, FloatNetwork, IntegerNetwork, IntegerNeuron, IntegerPopulation
from spikeport.export.progress import Progress
from spikeport.export.quantize import WEIGHT_BITS, Quantized, fitted, quantize
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import record

CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)


def search(
    network: FloatNetwork, calibration: Stimulus, *, weight_bits: int = WEIGHT_BITS, clips: Sequence[float] = CLIPS
) -> tuple[IntegerNetwork, dict[str, float]]:
    """Return ``network`` in integers, and the clip of every population; 1.0 is max-abs, which is always tried first.

    ``calibration`` are images for both networks. Raises as `quantize`.
    """
    wanted = record(floating.steps(network, calibration))
    done: list[Quantized] = []
    chosen: dict[str, float] = {}
    for population in Progress("scale search").track(network.neurons):
        tried = {clip: fitted(network, population, weight_bits, clip) for clip in clips}
        errors = {clip: _error(network, [*done, each], calibration, wanted) for clip, each in tried.items()}
        best = min(errors, key=lambda clip: errors[clip])
        chosen[population.name] = best
        done.append(tried[best])
    return quantize(network, weight_bits=weight_bits, clips=chosen), chosen


def _error(network: FloatNetwork, done: list[Quantized], calibration: Stimulus, wanted: dict[str, Array]) -> float:
    """Return how far the last of the populations in integers is from the float network's."""
    last = done[-1].population
    found = record(reference.steps(_part(network, done), calibration))[last.name]
    assert isinstance(last.neuron, IntegerNeuron)
    if last.neuron.threshold is not None:
        return float(np.count_nonzero(found != wanted[last.name]))
    return float(np.abs(found / (64 * last.neuron.scale) - wanted[last.name]).mean())


def _part(network: FloatNetwork, done: list[Quantized]) -> IntegerNetwork:
    """Return the network that the first populations form; loops from later ones are not there yet."""
    names = {network.source.name, *(each.population.name for each in done)}
    source = IntegerPopulation(name=network.source.name, shape=network.source.shape, neuron=network.source.neuron)  # type: ignore[arg-type]
    projections = tuple(p for each in done for p in each.projections if p.source in names)
    return IntegerNetwork(
        populations=(source, *(each.population for each in done)), projections=projections, steps=network.steps
    )
