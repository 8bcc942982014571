"""Run a network beside a recording, and stop where they part.

What a recorded layer sends on is the recording, so what arrives at a layer behind recorded ones is the same for all
rules and is computed once. A layer that fires is compared as integers. Potentials of a readout, and what has no time
axis, are compared within `WITHIN` of the largest recorded value: frameworks add in 32 bits.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from spikeport.export.executors.floating import State, advance
from spikeport.export.identification.recording import Reading
from spikeport.export.linear import apply
from spikeport.export.network import Array, FloatNetwork, FloatNeuron, FloatPopulation, FloatProjection

WITHIN = 1e-4
KEPT_BYTES = 2**28
"""Bytes of what arrives at layers, kept for the next rules."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The first cell that differs: sample, step (None where there is no time axis), neuron, and both values."""

    layer: str
    sample: int
    step: int | None
    neuron: tuple[int, ...]
    recorded: float
    found: float

    def text(self) -> str:
        """Return where it is."""
        place = f"layer {self.layer!r}, sample {self.sample}" + ("" if self.step is None else f", step {self.step}")
        return f"{place}, neuron {list(self.neuron)}: recorded {self.recorded:g}, found {self.found:g}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How far a run agrees: the ``first`` difference, None where there is none, and how many cells differ."""

    first: Difference | None
    different: int
    reached: int

    @property
    def exact(self) -> bool:
        """Whether nothing differs."""
        return self.first is None

    @property
    def length(self) -> tuple[bool, int]:
        """How long the run agrees, for comparison with others."""
        return self.exact, self.reached


@dataclass(kw_only=True)
class Replay:
    """One structure of a network beside one reading of a recording, for any neurons."""

    network: FloatNetwork
    reading: Reading
    kept: dict[tuple[str, int], Array] = field(default_factory=dict)
    kept_bytes: int = 0

    def run(self, neurons: Mapping[str, FloatNeuron], samples: int, *, whole: bool = False) -> Outcome:
        """Run the structure with ``neurons`` on the first ``samples`` samples; ``whole``: to the end."""
        network = self.network
        cells = [(each, neurons.get(each.name, each.neuron)) for each in network.neurons]
        states = {each.name: _at_rest(each, cell, samples) for each, cell in cells}
        past: deque[dict[str, Array]] = deque(maxlen=1 + max(p.delay for p in network.projections))
        sums = _Sums(self.reading, samples)
        tally = _Tally(whole=whole)
        for step in range(self.reading.steps):
            past.appendleft({network.source.name: self.reading.inputs[:samples, step].astype(np.float64)})
            for population, cell in cells:
                assert isinstance(cell, FloatNeuron)
                arriving = self._arriving(population, past, step, samples)
                sent = advance(states[population.name], arriving, cell)
                past[0][population.name] = self._seen(population, sent, step, samples, tally)
                sums.add(population, sent)
            if tally.done:
                return tally.outcome(step)
        sums.compare(network, tally)
        return tally.outcome(self.reading.steps)

    def _seen(self, population: FloatPopulation, sent: Array, step: int, samples: int, tally: "_Tally") -> Array:
        """Compare what a layer sends with its recording, and return what goes on to the next layers."""
        recorded = self.reading.outputs.get(population.name)
        if recorded is None or not recorded.timed:
            return sent
        expected = recorded.values[:samples, step].astype(np.float64)
        if population.neuron.threshold is None:  # type: ignore[union-attr]
            tally.close(population.name, step, expected, sent, float(np.abs(recorded.values).max()))
            return sent
        tally.equal(population.name, step, expected, sent)
        return expected

    def _arriving(self, population: FloatPopulation, past: "deque[dict[str, Array]]", step: int, samples: int) -> Array:
        network, key = self.network, (population.name, step)
        if key in self.kept:
            return self.kept[key][:samples]
        incoming = network.incoming(population.name)
        if not all(self._is_known(network, projection) for projection in incoming):
            return _sum(network, population, past, samples)
        total = _sum(network, population, self._recorded_past(network, step, past.maxlen or 1), len(self.reading))
        if self.kept_bytes + total.nbytes <= KEPT_BYTES:
            self.kept_bytes += total.nbytes
            self.kept[key] = total
        return total[:samples]

    def _is_known(self, network: FloatNetwork, projection: FloatProjection) -> bool:
        """Tell whether a projection's source is the input, or a recorded layer that fires."""
        if projection.source == network.source.name:
            return True
        recorded = self.reading.outputs.get(projection.source)
        fires = getattr(network.population(projection.source).neuron, "threshold", None) is not None
        return recorded is not None and recorded.timed and fires

    def _recorded_past(self, network: FloatNetwork, step: int, length: int) -> "deque[dict[str, Array]]":
        past: deque[dict[str, Array]] = deque()
        for earlier in range(step, max(-1, step - length), -1):
            known = {
                name: each.values[:, earlier].astype(np.float64)
                for name, each in self.reading.outputs.items()
                if each.timed
            }
            past.append({network.source.name: self.reading.inputs[:, earlier].astype(np.float64), **known})
        return past


def _sum(network: FloatNetwork, population: FloatPopulation, past: "deque[dict[str, Array]]", samples: int) -> Array:
    """Return what arrives at a population, as `executors.floating` adds it."""
    total = np.zeros((samples, *population.shape))
    for projection in network.incoming(population.name):
        shape = network.population(projection.source).shape
        values = np.zeros((samples, *shape))
        if projection.delay < len(past):
            values = past[projection.delay][projection.source].reshape(values.shape)
        for stage in projection.stages:
            values = apply(stage, values)
        total += values.reshape(total.shape)
    return total


def _at_rest(population: FloatPopulation, cell: object, samples: int) -> State:
    assert isinstance(cell, FloatNeuron)
    zeros = np.zeros((samples, *population.shape))
    return State(u=zeros, v=zeros + cell.start, rest=zeros)


@dataclass(kw_only=True)
class _Tally:
    """Counts the cells that differ and keeps the first."""

    whole: bool
    first: Difference | None = None
    different: int = 0

    @property
    def done(self) -> bool:
        return self.first is not None and not self.whole

    def outcome(self, reached: int) -> Outcome:
        return Outcome(first=self.first, different=self.different, reached=reached)

    def equal(self, layer: str, step: int | None, expected: Array, found: Array) -> None:
        self._add(layer, step, expected, found, expected.reshape(found.shape) != found)

    def close(self, layer: str, step: int | None, expected: Array, found: Array, largest: float) -> None:
        differs = np.abs(expected.reshape(found.shape) - found) > WITHIN * max(largest, 1e-30)
        self._add(layer, step, expected, found, differs)

    def _add(self, layer: str, step: int | None, expected: Array, found: Array, differs: Array) -> None:
        count = int(np.count_nonzero(differs))
        self.different += count
        if count and self.first is None:
            place = tuple(int(each) for each in np.argwhere(differs)[0])
            values = float(expected.reshape(found.shape)[place]), float(found[place])
            self.first = Difference(
                layer=layer, sample=place[0], step=step, neuron=place[1:], recorded=values[0], found=values[1]
            )


class _Sums:
    """Layers that were recorded without a time axis: their sum, mean, largest and last value are kept."""

    def __init__(self, reading: Reading, samples: int) -> None:
        self.recorded = {name: each for name, each in reading.outputs.items() if not each.timed}
        self.steps, self.samples = reading.steps, samples
        self.total: dict[str, Array] = {}
        self.most: dict[str, Array] = {}
        self.last: dict[str, Array] = {}

    def add(self, population: FloatPopulation, sent: Array) -> None:
        name = population.name
        if name in self.recorded:
            self.total[name] = self.total.get(name, np.zeros(sent.shape)) + sent
            self.most[name] = np.maximum(self.most.get(name, sent), sent)
            self.last[name] = sent

    def compare(self, network: FloatNetwork, tally: _Tally) -> None:
        """Compare each with whichever of sum, mean, largest and last fits best."""
        for name, recorded in self.recorded.items():
            expected = recorded.values[: self.samples]
            largest = float(np.abs(recorded.values).max())
            ways = [self.total[name], self.total[name] / self.steps, self.most[name], self.last[name]]
            if getattr(network.population(name).neuron, "threshold", None) is not None:
                ways = ways[:2]
            wrong = [int(np.count_nonzero(np.abs(expected - way) > WITHIN * max(largest, 1e-30))) for way in ways]
            tally.close(name, None, expected, ways[int(np.argmin(wrong))], largest)
