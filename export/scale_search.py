"""Search weight scales that change the fewest spikes on calibration images.

Max-abs scaling spends the weight bits on the largest weight. With a clip c < 1 the grid is finer by 1 / c and the few
weights beyond are cut to its end. Population by population, from the input on, each clip is tried with the populations
before it already in integers, and the one whose spikes differ least from the float network's is kept; of a population
that never fires, the one whose potentials, in float units, differ least.

A trial runs the population under search alone, on the recorded spikes of those before it; where it closes a loop, with
all that its spikes reach.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from spikeport.export.executors import floating
from spikeport.export.executors.reference import advance, arriving, at_rest
from spikeport.export.network import (
    Array,
    FloatNetwork,
    FloatPopulation,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
)
from spikeport.export.progress import Progress
from spikeport.export.quantize import Quantized, fitted, quantize
from spikeport.export.quantize_checks import check_neurons
from spikeport.export.stimulus import Stimulus
from spikeport.export.targets import LAVA, WEIGHT_BITS, Target

CLIPS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
BATCH = 100
"""Samples that are worked on at a time; of the others one bit per neuron and step is kept."""


def search(
    network: FloatNetwork,
    calibration: Stimulus,
    *,
    weight_bits: int = WEIGHT_BITS,
    clips: Sequence[float] = CLIPS,
    target: Target = LAVA,
) -> tuple[IntegerNetwork, dict[str, float]]:
    """Return ``network`` in integers, and the clip of every population; 1.0 is max-abs, which is always tried first.

    ``calibration`` are images for both networks, ``target`` the formats to keep to. Raises as `quantize`.
    """
    check_neurons(network)
    expected = _recorded(network, calibration)
    known = _Record(calibration)
    done: list[Quantized] = []
    chosen: dict[str, float] = {}
    for population in Progress("scale search").track(_ordered(network)):
        tried = {clip: fitted(network, population, weight_bits, clip, target) for clip in clips}
        best: _Trial | None = None
        for clip, each in tried.items():
            trial = _tried(_part(network, [*done, each]), population.name, known, expected)
            if best is None or trial.error < best.error:
                best, chosen[population.name] = trial, clip
        assert best is not None
        known.update(best.record)
        done.append(tried[chosen[population.name]])
    return quantize(network, weight_bits=weight_bits, clips=chosen, target=target), chosen


@dataclass(kw_only=True)
class _Trial:
    """How far a population is from the float network's, and what it and all that it reaches did."""

    error: float
    record: "_Record"


@dataclass
class _Record:
    """What populations did on the calibration images: bits of spikes (N, T, bytes), potentials (N, T, *shape)."""

    stimulus: Stimulus
    bits: dict[str, Array] = field(default_factory=dict)
    potentials: dict[str, Array] = field(default_factory=dict)

    def add(self, name: str, rows: slice, step: int, values: Array) -> None:
        """Add one step of some samples: spikes as bool, or potentials."""
        of_spikes, alive = values.dtype == bool, self.stimulus.alive(rows, step)
        if alive is not None:
            values = values * alive.reshape(-1, *[1] * (values.ndim - 1))
        kept = self.bits if of_spikes else self.potentials
        values = np.packbits(values.reshape(len(values), -1), axis=1) if of_spikes else values
        if name not in kept:
            kept[name] = np.empty((len(self.stimulus), self.stimulus.steps, *values.shape[1:]), values.dtype)
        kept[name][rows, step] = values

    def update(self, other: "_Record") -> None:
        """Take over the populations of another record."""
        self.bits.update(other.bits)
        self.potentials.update(other.potentials)

    def spikes(self, population: IntegerPopulation, rows: slice, step: int) -> Array:
        """Return one step of some samples, (n, *shape)."""
        if population.name not in self.bits:
            return self.stimulus.frame(rows, step)
        bits = np.unpackbits(self.bits[population.name][rows, step], axis=1, count=int(np.prod(population.shape)))
        return bits.reshape(-1, *population.shape)


def _ordered(network: FloatNetwork) -> list[FloatPopulation]:
    """Return the populations in the network's order, but each after one of its sources, whatever the delay."""
    waiting, names, ordered = list(network.neurons), {network.source.name}, list[FloatPopulation]()
    while waiting:
        ready = (p for p in waiting if any(q.source in {*names, p.name} for q in network.incoming(p.name)))
        population = next(ready, waiting[0])
        waiting.remove(population)
        ordered.append(population)
        names.add(population.name)
    return ordered


def _recorded(network: FloatNetwork, calibration: Stimulus) -> _Record:
    record = _Record(calibration)
    for step in floating.steps(network, calibration, batch=BATCH):
        for name, values in (*step.spikes.items(), *step.potentials.items()):
            record.add(name, step.rows, step.step, values)
    return record


def _tried(part: IntegerNetwork, name: str, known: _Record, expected: _Record) -> _Trial:
    """Run a population and all that it reaches in ``part``, and compare it with the float network's."""
    record = _Record(known.stimulus)
    for rows in known.stimulus.batches(BATCH):
        for step, values in enumerate(_run(part, _reached(part, name), known, rows)):
            for each, value in values.items():
                record.add(each, rows, step, value)
    if name in record.bits:
        error = float(np.bitwise_count(record.bits[name] ^ expected.bits[name]).sum(dtype=np.int64))
    else:
        neuron = part.population(name).neuron
        assert isinstance(neuron, IntegerNeuron)
        error = float(np.abs(record.potentials[name] / (64 * neuron.scale) - expected.potentials[name]).mean())
    return _Trial(error=error, record=record)


def _run(part: IntegerNetwork, names: set[str], known: _Record, rows: slice) -> Iterator[Mapping[str, Array]]:
    """Yield per step what the populations ``names`` do on some samples: spikes, or potentials where they never fire."""
    count, populations = rows.stop - rows.start, [p for p in part.neurons if p.name in names]
    sources = {projection.source for p in populations for projection in part.incoming(p.name)} - names
    states = {population.name: at_rest(population, count) for population in populations}
    past: deque[dict[str, Array]] = deque(maxlen=1 + max(projection.delay for projection in part.projections))
    for step in range(part.steps):
        past.appendleft({source: known.spikes(part.population(source), rows, step) for source in sources})
        for population in populations:
            assert isinstance(population.neuron, IntegerNeuron)
            state = states[population.name]
            spikes = advance(state, arriving(part, population, past, count), population.neuron)
            past[0][population.name] = state.v if population.neuron.threshold is None else spikes
        yield {name: past[0][name] for name in names}


def _reached(part: IntegerNetwork, name: str) -> set[str]:
    """Return the population and all that its spikes reach; beyond itself that is something only in loops."""
    reached, waiting = {name}, [name]
    while waiting:
        targets = {projection.target for projection in part.outgoing(waiting.pop())} - reached
        reached |= targets
        waiting += targets
    return reached


def _part(network: FloatNetwork, done: list[Quantized]) -> IntegerNetwork:
    """Return the network that the first populations form; loops from later ones are not there yet."""
    names = {network.source.name, *(each.population.name for each in done)}
    source = IntegerPopulation(name=network.source.name, shape=network.source.shape, neuron=network.source.neuron)  # type: ignore[arg-type]
    projections = tuple(p for each in done for p in each.projections if p.source in names)
    return IntegerNetwork(
        populations=(source, *(each.population for each in done)), projections=projections, steps=network.steps
    )
