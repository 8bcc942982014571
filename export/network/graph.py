"""Networks: populations and projections that fit together, and what follows from their order."""

import math
import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from spikeport.export.errors import NetworkError
from spikeport.export.network.arrays import NAME, Array, broadcasts
from spikeport.export.network.populations import (
    Bounds,
    FloatNeuron,
    FloatPopulation,
    IntegerNeuron,
    IntegerPopulation,
    Source,
)
from spikeport.export.network.projections import FloatProjection, IntegerProjection
from spikeport.export.numbers import ALL_NEURONS, NEURONS, STEPS, whole

Population = TypeVar("Population", FloatPopulation, IntegerPopulation)
Projection = TypeVar("Projection", FloatProjection, IntegerProjection)
AnyNetwork = TypeVar("AnyNetwork", bound="_Network[Any, Any]")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Network(Generic[Population, Projection]):
    """Populations and projections that fit together, run for ``steps`` steps per sample."""

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    steps: int
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        names = [population.name for population in self.populations]
        if len(set(names)) != len(names):
            raise NetworkError(f"two populations share a name among {listed(names)}")
        if len({id(projection) for projection in self.projections}) != len(self.projections):
            raise NetworkError("a projection stands twice in the network; make a second one of the same synapses")
        whole(self.steps, "number of steps", STEPS, error=NetworkError)
        for projection in self.projections:
            self._check_projection(projection)
        for population in self.populations:
            self._check_population(population)
        total = sum(math.prod(population.shape) for population in self.populations)
        whole(total, f"number of neurons of {len(self.populations):,} populations", ALL_NEURONS, error=NetworkError)
        self._order  # noqa: B018 - a loop without delay is refused here

    def _check_projection(self, projection: Projection) -> None:
        label = f"projection {projection.source} -> {projection.target}"
        try:
            shape = projection.output_shape(self.population(projection.source).shape)
        except NetworkError as error:
            raise NetworkError(f"{label}: {error}") from None
        expected = self.population(projection.target).shape
        if math.prod(shape) != math.prod(expected) or (len(shape) == len(expected) and shape != expected):
            raise NetworkError(f"{label}: gives shape {shape}, the target has {expected}")

    def _check_population(self, population: Population) -> None:
        if not re.fullmatch(NAME, population.name):
            raise NetworkError(f"population {population.name!r}: a name holds letters, digits, '_', '-' and '.' only")
        if not population.shape or min(population.shape) < 1:
            raise NetworkError(f"population {population.name}: shape {population.shape} holds no neuron")
        whole(math.prod(population.shape), f"size of population {population.name}", NEURONS, error=NetworkError)
        targeted = bool(self.incoming(population.name))
        if targeted == isinstance(population.neuron, Source):
            state = "is a source but has" if targeted else "has no"
            raise NetworkError(f"population {population.name} {state} incoming projections")
        for name, value in _arrays(population.neuron).items():
            if not broadcasts(value.shape, population.shape):
                raise NetworkError(
                    f"population {population.name}: {name} of shape {value.shape} does not fit {population.shape}"
                )

    def population(self, name: str) -> Population:
        """Return the population called ``name``."""
        if name not in self._named:
            raise NetworkError(f"no population {name!r}; there are {listed(self._named)}")
        return self._named[name]

    def incoming(self, name: str) -> tuple[Projection, ...]:
        """Return the projections into ``name``."""
        return tuple(self._into.get(name, ()))

    def outgoing(self, name: str) -> tuple[Projection, ...]:
        """Return the projections out of ``name``."""
        return tuple(self._out_of.get(name, ()))

    @property
    def on_chip(self) -> tuple[Projection, ...]:
        """The projections whose synapses a chip holds: all of them, unless the host computes some."""
        return self.projections

    def incoming_on_chip(self, name: str) -> tuple[Projection, ...]:
        """Return the projections into ``name`` whose synapses a chip holds."""
        return self.incoming(name)

    @cached_property
    def _named(self) -> dict[str, Population]:
        return {population.name: population for population in self.populations}

    @cached_property
    def _into(self) -> dict[str, list[Projection]]:
        return _grouped((projection.target, projection) for projection in self.projections)

    @cached_property
    def _out_of(self) -> dict[str, list[Projection]]:
        return _grouped((projection.source, projection) for projection in self.projections)

    def label(self, projection: Projection) -> str:
        """Return a name of its own for a projection: 'a_to_b', and 'a_to_b:2' for a second one."""
        same = [p for p in self.outgoing(projection.source) if p.target == projection.target]
        number = next(index for index, p in enumerate(same, 1) if p is projection)
        return f"{projection.source}_to_{projection.target}" + (f":{number}" if number > 1 else "")

    @cached_property
    def source(self) -> Population:
        """The one input population."""
        sources = [population for population in self.populations if isinstance(population.neuron, Source)]
        if len(sources) != 1:
            raise NetworkError(f"a network has one source population, found {len(sources)}")
        return sources[0]

    @cached_property
    def neurons(self) -> tuple[Population, ...]:
        """All populations but the source, each after the sources of its projections without delay."""
        return tuple(p for p in self.ordered() if not isinstance(p.neuron, Source))

    @cached_property
    def spiking(self) -> tuple[Population, ...]:
        """The populations that can fire."""
        return tuple(p for p in self.neurons if _threshold(p.neuron) is not None)

    @cached_property
    def silent(self) -> tuple[Population, ...]:
        """The populations that integrate and never fire."""
        return tuple(p for p in self.neurons if _threshold(p.neuron) is None)

    @cached_property
    def readout(self) -> Population:
        """The one population without projections to another one; it may fire."""
        sources = {projection.source for projection in self.projections if projection.source != projection.target}
        last = [population for population in self.neurons if population.name not in sources]
        if len(last) != 1:
            raise NetworkError(f"a network has one readout population, found {[p.name for p in last]}")
        return last[0]

    def ordered(self) -> tuple[Population, ...]:
        """Return the populations, each after the sources of its projections without delay."""
        return self._order

    @cached_property
    def _order(self) -> tuple[Population, ...]:
        """The populations by the number of projections without delay on the longest way to each; ties as given."""
        levels = _levels(self._named, [p for p in self.projections if p.delay == 0])
        missing = [name for name in self._named if name not in levels]
        if missing:
            raise NetworkError(
                f"populations {listed(missing)} form a loop without delay, or lie behind one; "
                "give one projection of the loop a delay of at least 1"
            )
        return tuple(sorted(self.populations, key=lambda population: levels[population.name]))

    def depths(self) -> dict[str, int]:
        """Return how many steps behind the source each population runs where every projection takes one step.

        That is Loihi and Lava. A projection with a delay of its own has that much less to wait, so a population is
        as deep as its longest path, each projection counted as ``1 - delay``. A loop needs a delay of at least one
        step per projection; one with less raises `NetworkError`.
        """
        levels = _levels(self._named, self.projections)
        in_order = sorted(self.projections, key=lambda projection: levels.get(projection.source, len(levels)))
        depths = dict.fromkeys(self._named, 0)
        deepest: dict[str, str] = {}
        while True:
            settled = True
            for projection in in_order:
                depth = depths[projection.source] + 1 - projection.delay
                if depth > depths[projection.target]:
                    depths[projection.target], deepest[projection.target] = depth, projection.source
                    settled = False
            if settled:
                return depths
            _refuse_loop(deepest)

    def with_short_delays(self: AnyNetwork) -> AnyNetwork:  # noqa: PYI019 - Lava's Python 3.10 has no typing.Self
        """Return a network of the same spikes in every sample, whose delays follow its number of steps.

        A projection whose delay is at least T delivers nothing within a sample, however long it is. It keeps T and one
        step per projection of the network, so that a loop waits as long as `depths` asks for.
        """
        most = self.steps + len(self.projections)
        if all(projection.delay <= most for projection in self.projections):
            return self
        return replace(self, projections=tuple(replace(p, delay=min(p.delay, most)) for p in self.projections))

    def slack(self, projection: Projection, depths: dict[str, int]) -> int:
        """Return how many steps a spike must wait beyond the one that the projection takes."""
        return depths[projection.target] - depths[projection.source] + projection.delay - 1


@dataclass(frozen=True, kw_only=True, eq=False)
class FloatNetwork(_Network[FloatPopulation, FloatProjection]):
    """A network in real numbers, as trained or as read from another framework.

    ``populations`` with names of their own, one of them the source; ``projections`` between them by name; a sample
    takes ``steps`` steps. `NetworkError` names the population or projection that does not fit.
    """

    populations: tuple[FloatPopulation, ...]
    projections: tuple[FloatProjection, ...]

    kind: ClassVar[str] = "float"


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerNetwork(_Network[IntegerPopulation, IntegerProjection]):
    """A network in integers; ``bounds`` prove per population that no register of Lava's wraps or saturates.

    ``populations`` with names of their own, one of them the source; ``projections`` between them by name; a sample
    takes ``steps`` steps. `NetworkError` names the population or projection that does not fit.
    """

    populations: tuple[IntegerPopulation, ...]
    projections: tuple[IntegerProjection, ...]

    bounds: dict[str, Bounds] = field(default_factory=dict)
    kind: ClassVar[str] = "integer"

    def __post_init__(self) -> None:
        super().__post_init__()
        for population in self.silent:
            if self.outgoing(population.name):
                raise NetworkError(f"population {population.name} never fires; it cannot be the source of a projection")


@dataclass(frozen=True, kw_only=True, eq=False)
class BiasNetwork(IntegerNetwork):
    """An integer network for a chip without graded spikes: the host computes what comes from its held input.

    Once per image, each population that the source projects to gets that sum as its bias, in the format of the bias
    register (`spikeport.export.biases`); the chip holds the other projections. A bias acts on the potential at every
    step alike, so these populations keep no synaptic current, and the source's projections have no delay.
    ``populations``, ``projections``, ``steps`` and ``bounds`` are those of `IntegerNetwork`.
    """

    kind: ClassVar[str] = "bias"

    def __post_init__(self) -> None:
        super().__post_init__()
        source = self.source.neuron
        assert isinstance(source, Source)
        if source.levels == 1:
            raise NetworkError("the input are spikes, which every chip takes; expected grey levels to write as biases")
        for projection in self.host:
            self._check_host(projection)

    def _check_host(self, projection: IntegerProjection) -> None:
        label = f"projection {projection.source} -> {projection.target}"
        if projection.delay:
            raise NetworkError(
                f"{label} has a delay of {projection.delay}; a bias acts from the first step on: expected no delay"
            )
        neuron = self.population(projection.target).neuron
        assert isinstance(neuron, IntegerNeuron)
        if not neuron.memoryless_current:
            raise NetworkError(
                f"population {projection.target} has a synaptic current with memory (decay_u below 4096), which "
                "approaches a held input over the steps; a bias acts at once: train or import it without a synaptic "
                "time constant, or send the image as spikes"
            )

    @property
    def host(self) -> tuple[IntegerProjection, ...]:
        """The projections that the host computes, those out of the source."""
        return self.outgoing(self.source.name)

    @property
    def biased(self) -> tuple[IntegerPopulation, ...]:
        """The populations that get a bias for each image."""
        targets = {projection.target for projection in self.host}
        return tuple(population for population in self.populations if population.name in targets)

    @property
    def on_chip(self) -> tuple[IntegerProjection, ...]:
        """The projections whose synapses the chip holds."""
        return tuple(projection for projection in self.projections if projection.source != self.source.name)

    def incoming_on_chip(self, name: str) -> tuple[IntegerProjection, ...]:
        """Return the projections into ``name`` whose synapses the chip holds."""
        return tuple(projection for projection in self.incoming(name) if projection.source != self.source.name)


Network = FloatNetwork | IntegerNetwork


def listed(names: Iterable[str], most: int = 10) -> str:
    """Return the first names, and how many more there are."""
    shown = list(names)
    rest = f" and {len(shown) - most:,} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + rest


def _grouped(pairs: Iterable[tuple[str, Projection]]) -> dict[str, list[Projection]]:
    groups: dict[str, list[Projection]] = {}
    for name, projection in pairs:
        groups.setdefault(name, []).append(projection)
    return groups


def _levels(
    names: Iterable[str], projections: Sequence[FloatProjection] | Sequence[IntegerProjection]
) -> dict[str, int]:
    """Return per population the most ``projections`` in a row that lead to it; those on or behind a loop are left out.

    Each population and projection is looked at once (Kahn, 1962).
    """
    waiting = Counter(projection.target for projection in projections)
    targets: dict[str, list[str]] = {}
    for projection in projections:
        targets.setdefault(projection.source, []).append(projection.target)
    levels = {name: 0 for name in names if not waiting[name]}
    ready = deque(levels)
    while ready:
        name = ready.popleft()
        for target in targets.get(name, ()):
            waiting[target] -= 1
            if not waiting[target]:
                levels[target] = levels[name] + 1
                ready.append(target)
    return levels


def _refuse_loop(deepest: Mapping[str, str]) -> None:
    """Raise where populations are each deep because of one another: the loop would make itself ever deeper."""
    checked: set[str] = set()
    for start in deepest:
        way: dict[str, None] = {}
        name = start
        while name in deepest and name not in checked:
            if name in way:
                loop = list(way)[list(way).index(name) :]
                raise NetworkError(
                    f"populations {listed(sorted(loop))} form a loop with a shorter delay than it has projections; "
                    "Loihi and Lava take one step per projection: give each projection of the loop a delay of 1"
                )
            way[name] = None
            name = deepest[name]
        checked |= way.keys()


def _threshold(neuron: FloatNeuron | IntegerNeuron | Source) -> Array | None:
    return None if isinstance(neuron, Source) else neuron.threshold


def _arrays(neuron: FloatNeuron | IntegerNeuron | Source) -> dict[str, Array]:
    return {name: value for name, value in vars(neuron).items() if isinstance(value, np.ndarray)}
