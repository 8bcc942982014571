"""Find the rules of a NIR file from an input and an output that its user recorded in another framework.

1. `rules` enumerates what the file allows; rules that give equal neurons are one.
2. Each runs beside the recording (`replay`), on two samples first, and stops where it parts from it.
3. Of the first round with rules that reproduce the recording exactly, the likeliest is taken. If none does, those that
   come furthest run to the end, and the one with the fewest differences is named, with the first of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export.errors import FormatError, NetworkError, StimulusError
from spikeport.export.identification import recording
from spikeport.export.identification.recording import Reading, readings
from spikeport.export.identification.replay import Difference, Outcome, Replay
from spikeport.export.identification.rules import rounds
from spikeport.export.network import Array, FloatNetwork, FloatNeuron
from spikeport.export.nir_import import nodes
from spikeport.export.nir_import.dialect import Dialect, named, told
from spikeport.export.nir_import.evidence import Facts
from spikeport.export.nir_import.frameworks import ORIGINS
from spikeport.export.nir_import.graph import Builder
from spikeport.export.nir_import.nodes import Graph
from spikeport.export.nir_import.origin import told_apart

INPUTS = ("input", "inputs", "images", "x", "data", "labels", "")
"""Names of arrays that may stand beside the recorded layers."""
FIRST = 2
"""Samples of the first run of a rule."""
FURTHEST = 32
"""Rules that run to the end where none is exact: one wrong value of a recording stops the right rules, too."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What reproduced a recording.

    ``exact``: the rules that do, the likeliest first; they are other networks whose difference the recording does not
    show. Where there are none, ``closest`` has the fewest differences of those that came furthest: ``different`` of
    ``cells``, the first of them ``difference``.
    ``tried``: different networks that ran. ``round``: which of the rounds of rules found them.
    """

    exact: tuple[Dialect, ...]
    closest: Dialect
    difference: Difference | None
    different: int
    cells: int
    tried: int
    round: str
    layout: str
    samples: int
    steps: int


def identify(
    path: Path,
    inputs: Array,
    outputs: Array | Mapping[str, Array],
    *,
    dialect: str = "auto",
    steps: int | None = None,
    output: str | None = None,
    trusted: bool = False,
    **changes: Any,
) -> Found:
    """Return the rules with which the NIR file at ``path`` turns ``inputs`` into ``outputs``.

    ``outputs``: of the last layer, or of several layers by name: spikes, counts over the steps, or potentials of a
    readout. ``output``: the Output node that is meant, where there are several. ``dialect`` and ``changes`` are taken
    as told (see `graph.read`), everything else is tried. Raises
    `FormatError` for a file that no rules can hold, `StimulusError` for recordings without a spike or that do not
    fit it.
    """
    graph = nodes.read(path, trusted=trusted)
    try:
        return _Search(graph, dialect, changes, output).found(inputs, outputs, steps)
    except (FormatError, NetworkError) as error:
        raise FormatError(f"{path}: {error}") from None
    except StimulusError as error:
        raise StimulusError(f"{path}: {error}") from None


@dataclass
class _Best:
    dialect: Dialect
    replay: Replay
    neurons: dict[str, FloatNeuron]
    outcome: Outcome


@dataclass
class _Search:
    graph: Graph
    name: str
    changes: dict[str, Any]
    output: str | None = None
    tried: int = 0
    seen: set[Any] = field(default_factory=set)
    replays: dict[Any, Replay] = field(default_factory=dict)
    plain: dict[Any, tuple[Builder, FloatNetwork]] = field(default_factory=dict)

    def found(self, inputs: Array, outputs: Array | Mapping[str, Array], steps: int | None) -> Found:
        """Try the rounds of rules, and return what the first of them that has any reproduces."""
        given = told(self.name, self.changes)
        if self.name != "auto":
            fixed = replace(named(self.name), **given)
            given = {
                key: value for key, value in vars(fixed).items() if key not in ("notes", "kinds", *self._open())
            } | given
        network = self._any(given)
        layers = _layers(network, outputs)
        if all(fires and not values.any() for values, fires in layers.values()):
            raise StimulusError(
                f"the recording holds no spike of {', '.join(map(repr, layers))}, which any rules reproduce; record "
                "stronger or longer input, or a layer that fires"
            )
        most = max(int(values.max()) for values, _ in layers.values())
        shapes = {name: (values, network.population(name).shape) for name, (values, _) in layers.items()}
        read = readings(inputs, network.source.shape, shapes, steps)
        furthest: list[_Best] = []
        exact: list[_Best] = []
        title = ""
        for name, dialects in rounds(self.graph, given, most):
            title = name
            exact, furthest = self._round(read, dialects, furthest)
            if exact:
                break
        if not furthest:
            raise FormatError("no combination of rules can hold the file; see what 'spikeport import' says of it")
        return self._told(exact[0] if exact else _fewest(furthest), exact, title)

    def _any(self, given: dict[str, Any]) -> FloatNetwork:
        """Return the network by the first rules that can hold the file."""
        fault: FormatError | NetworkError = FormatError("there are no rules to try")
        for _, dialects in rounds(self.graph, given, 1):
            for dialect in dialects:
                try:
                    return self._structure(dialect, 1)[1]
                except (FormatError, NetworkError) as error:
                    fault = error
        raise fault

    @property
    def delays(self) -> bool:
        """Whether projections depend on the length of a step."""
        return any(node.kind == "Delay" for node in self.graph.nodes.values())

    def _open(self) -> tuple[str, ...]:
        """Return what stays open where a framework is named."""
        open_ = ORIGINS[self.name].open(Facts(self.graph)) if self.name in ORIGINS else []
        settings = {each.setting for each in open_} | {"dt"}
        return tuple(settings | ({"gain", "gain_li"} if "normalized" in settings else set()))

    def _round(
        self, read: list[Reading], dialects: Iterator[Dialect], furthest: list[_Best]
    ) -> tuple[list[_Best], list[_Best]]:
        """Run every network of a round once, and return those that agree, and those that came furthest so far."""
        exact: list[_Best] = []
        for dialect in dialects:
            try:
                neurons = self._structure(dialect, 1)[0].neurons(dialect)
                key = (
                    told_apart(neurons),
                    dialect.dt if self.delays else None,
                    dialect.silent_start,
                    dialect.sends_late,
                )
                if key in self.seen:
                    continue
                self.seen.add(key)
                runs = [self._run(dialect, neurons, reading) for reading in read]
            except (FormatError, NetworkError):
                continue
            self.tried += 1
            exact += [run for run in runs if run.outcome.exact]
            furthest = sorted([*furthest, *runs], key=lambda run: run.outcome.length, reverse=True)[:FURTHEST]
        return exact, furthest

    def _run(self, dialect: Dialect, neurons: dict[str, FloatNeuron], reading: Reading) -> _Best:
        builder, plain = self._structure(dialect, reading.steps)
        replay = self.replays.setdefault((id(plain), id(reading)), Replay(network=plain, reading=reading))
        if dialect.silent_start or dialect.sends_late:
            neurons = {each.name: each.neuron for each in builder.spoken(plain, dialect).neurons}  # type: ignore[misc]
        outcome = replay.run(neurons, min(FIRST, len(reading)))
        if outcome.exact and len(reading) > FIRST:
            outcome = replay.run(neurons, len(reading))
        return _Best(dialect, replay, neurons, outcome)

    def _structure(self, dialect: Dialect, steps: int) -> tuple[Builder, FloatNetwork]:
        """Return the projections for a dialect: they depend on dt where there are delays, and on the timing."""
        key = (dialect.dt if self.delays else None, dialect.sends_late, steps)
        if key not in self.plain:
            builder = Builder(self.graph, dialect, self.output)
            self.plain[key] = builder, builder.plain(steps=steps)
        return self.plain[key]

    def _told(self, first: _Best, exact: list[_Best], title: str) -> Found:
        reading, outcome = first.replay.reading, first.outcome
        kinds = frozenset(node.kind for node in self.graph.nodes.values())
        return Found(
            exact=tuple(replace(each.dialect, kinds=kinds) for each in exact),
            closest=replace(first.dialect, kinds=kinds),
            difference=outcome.first,
            different=outcome.different,
            cells=reading.cells(),
            tried=self.tried,
            round=title,
            layout=reading.words,
            samples=len(reading),
            steps=reading.steps,
        )


def _fewest(runs: list[_Best]) -> _Best:
    """Return the run with the fewest differences to the end, of equal ones the first."""
    whole = [replace(run, outcome=run.replay.run(run.neurons, len(run.replay.reading), whole=True)) for run in runs]
    return min(whole, key=lambda run: run.outcome.different)


def _layers(network: FloatNetwork, outputs: Array | Mapping[str, Array]) -> dict[str, tuple[Array, bool]]:
    """Return the recorded values by population, and whether it fires; one unnamed array is of the last layer."""
    given = dict(outputs) if isinstance(outputs, Mapping) else {"": outputs}
    kept = recording.numbers_of({name: np.asarray(value) for name, value in given.items()})
    names = {population.name for population in network.neurons}
    found = {_plain(name): value for name, value in kept.items() if _plain(name) in names}
    strange = [name for name in kept if _plain(name) not in names and name not in INPUTS]
    if not found and len(kept) == 1:
        found, strange = {_last(network): next(iter(kept.values()))}, []
    if strange or not found:
        raise StimulusError(
            f"the recorded layers are {', '.join(map(repr, list(kept)[:5]))}; expected one array, of the last layer, "
            f"or names of layers: {', '.join(sorted(names)[:20])}"
        )
    return {name: (value, _fires(network, name, value)) for name, value in found.items()}


def _plain(name: str) -> str:
    """Return a layer's name without what the recording is of."""
    return name.removeprefix("spikes_").removeprefix("potentials_")


def _fires(network: FloatNetwork, name: str, values: Array) -> bool:
    neuron = network.population(name).neuron
    fires = isinstance(neuron, FloatNeuron) and neuron.threshold is not None
    shape = network.population(name).shape
    timed = values.ndim >= len(shape) + 2
    if fires and timed and np.any(values != np.rint(values)):
        raise StimulusError(
            f"the recording of {name!r} holds numbers that are not whole: potentials of a layer that fires; record its "
            "spikes"
        )
    return fires


def _last(network: FloatNetwork) -> str:
    """Return the last layer: an Output node that only hands on what arrives stands for the layer before it."""
    ends = [each for each in network.neurons if all(p.target == each.name for p in network.outgoing(each.name))]
    end = ends[-1]
    neuron, before = end.neuron, network.incoming(end.name)
    passes = isinstance(neuron, FloatNeuron) and neuron.threshold is None and bool(np.all(neuron.decay_potential == 1))
    source = before[0].source if len(before) == 1 and not before[0].stages else network.source.name
    return source if passes and source != network.source.name else end.name
