"""What rounding changes in every layer: rates, potentials and spikes of a float network and of integers made of it.

Both run in step and no trace is kept. Potentials are those that are held against the thresholds, before the reset, each
in units of its own threshold, so that both networks have one scale::

    error = mean over neurons and steps of | v / V_th  -  v_int / V_th,int |

A neuron whose spike has changed is reset at another step, so its potential differs from there on: the error holds what
earlier changes left, too.
"""

import math
from dataclasses import dataclass

import numpy as np

from spikeport.export.errors import NetworkError
from spikeport.export.executors import floating, reference
from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.flips import AT_ONCE, check_alike
from spikeport.export.network import Array, FloatNetwork, FloatNeuron, IntegerNetwork, IntegerNeuron, Source
from spikeport.export.passes import folded
from spikeport.export.progress import Progress
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Scores, Step


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerDifference:
    """A population of ``neurons`` neurons over T steps; of every image (N,), shares of neurons and steps.

    ``rates``: spikes per neuron and step of the float network and of the integers; ``changed``: of how many neurons and
    steps the spike is another; ``potential``: the mean absolute difference in thresholds.
    """

    population: str
    neurons: int
    rates: tuple[Array, Array]
    changed: Array
    potential: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Differences:
    """All populations that fire, and of every image (N,) whether the class is another."""

    layers: tuple[LayerDifference, ...]
    classes: Array


def comparable(network: FloatNetwork, other: IntegerNetwork) -> FloatNetwork:
    """Return the folded form of a float network, whose populations are those of integers made of it.

    Raises `NetworkError` where ``other`` has other populations, steps or levels of the input.
    """
    alike = folded(network)
    check_alike(alike, other, "the integers")
    ours, theirs = (each.source.neuron for each in (alike, other))
    assert isinstance(ours, Source)
    assert isinstance(theirs, Source)
    if (ours.levels, ours.unit) != (theirs.levels, theirs.unit):
        raise NetworkError(
            f"the integers take {theirs.levels} levels of {theirs.unit:g}, the float network {ours.levels} of "
            f"{ours.unit:g}; expected the network that they were made of"
        )
    return alike


def differences(network: FloatNetwork, other: IntegerNetwork, stimulus: Stimulus) -> Differences:
    """Run a float network and integers made of it (`comparable`) on the same images, and return what differs.

    The floating and the reference executor run: they are the ones that give potentials.
    """
    fold, scores = _Fold(network, other, len(stimulus)), [Scores(each, len(stimulus)) for each in (network, other)]
    batch = max(1, min(floating.BATCH, AT_ONCE // sum(math.prod(each.shape) for each in network.neurons)))
    progress = Progress("comparing layers")
    total = network.steps * sum(1 for _ in stimulus.batches(batch))
    runs = floating.steps(network, stimulus, batch=batch), reference.steps(other, stimulus, batch=batch)
    for done, steps in enumerate(zip(*runs, strict=True), 1):
        for score, step in zip(scores, steps, strict=True):
            score.add(step)
        fold.add(*steps)
        progress.update(done, total)
    first, second = (score.values.argmax(1) for score in scores)
    return Differences(layers=fold.layers(), classes=first != second)


class _Fold:
    """Adds up steps of two networks, (samples,) by population."""

    def __init__(self, network: FloatNetwork, other: IntegerNetwork, samples: int) -> None:
        self.network = network
        self.thresholds = {each.name: _thresholds(each.neuron, other, each.name) for each in network.spiking}
        self.sums = {each.name: np.zeros((4, samples)) for each in network.spiking}

    def add(self, ours: Step, theirs: Step) -> None:
        """Compare one step of some samples."""
        for name, sums in self.sums.items():
            spikes = ours.spikes[name], theirs.spikes[name]
            scaled = [
                step.compared[name] / threshold
                for step, threshold in zip((ours, theirs), self.thresholds[name], strict=True)
            ]
            parts = (*spikes, spikes[0] != spikes[1], np.abs(scaled[0] - scaled[1]))
            for row, part in zip(sums, parts, strict=True):
                row[ours.rows] += part.reshape(len(part), -1).sum(axis=1)

    def layers(self) -> tuple[LayerDifference, ...]:
        """Return the shares of every population."""
        found = []
        for population in self.network.spiking:
            neurons = math.prod(population.shape)
            ours, theirs, changed, potential = self.sums[population.name] / (neurons * self.network.steps)
            found.append(
                LayerDifference(
                    population=population.name,
                    neurons=neurons,
                    rates=(ours, theirs),
                    changed=changed,
                    potential=potential,
                )
            )
        return tuple(found)


def _thresholds(neuron: object, other: IntegerNetwork, name: str) -> tuple[Array, Array]:
    """Return the thresholds of a population in both networks, in the units of their potentials."""
    theirs = other.population(name).neuron
    assert isinstance(neuron, FloatNeuron)
    assert isinstance(theirs, IntegerNeuron)
    assert theirs.threshold is not None
    units = theirs.threshold.astype(np.float64) * 2**ACTIVATION_SHIFT
    both = np.asarray(neuron.threshold, np.float64), units
    if not all((each > 0).all() for each in both):
        raise NetworkError(
            f"population {name}: a threshold is not above 0; potentials are compared in units of the threshold"
        )
    return both
