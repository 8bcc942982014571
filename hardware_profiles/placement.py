"""Populations onto cores, under every limit of the chip.

A population is cut into blocks (`spikeport.hardware_profiles.reach.Cut`), one core each. Strategies:

- ``unrolled``: every synapse is written out, one input axon per source neuron that reaches a core;
- ``layers``, on chips whose cores take a whole layer each: `spikeport.hardware_profiles.layer_placement`;
- ``shared``: neurons of a core share a convolution's kernel. A list is stored once for all source positions that meet
  the same taps (a copy per border class), or once per phase of the stride (``one_copy``). The channels of a source
  position that lie on one core arrive over one axon. Synapses that share nothing are written out.

Populations are placed from the readout back to the input, so the cores that a neuron reaches are known when its turn
comes. Of the cuts that fit, fewest cores first, the one is taken that costs fewest cores together with the
populations that it hears. What cannot be known yet, in loops and about channels of a source on several cores, is
assumed, found out, and placed again.
"""

import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field, replace
from functools import lru_cache

import numpy as np

from spikeport.export.errors import PlacementError
from spikeport.export.geometry import Grid
from spikeport.export.network import IntegerNetwork, IntegerPopulation
from spikeport.hardware_profiles.blocks import Blocks
from spikeport.hardware_profiles.encoding import Counts
from spikeport.hardware_profiles.layer_placement import match
from spikeport.hardware_profiles.limits import RULES, CoreUse, Rule, Utilisation, first_violation, sentence
from spikeport.hardware_profiles.profile import HardwareProfile, Limits
from spikeport.hardware_profiles.reach import Cut, Reach

STRATEGIES = ("unrolled", "shared")
CONSIDERED = 8
"""Cuts of a population whose cost to the populations before it is looked at."""
ROUNDS = 12


@dataclass(frozen=True, kw_only=True)
class Core:
    """A block of one population: channels, rows and columns, each from one to before another."""

    population: str
    channels: tuple[int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]
    use: CoreUse


@dataclass(frozen=True, kw_only=True)
class Placement:
    """All cores in the order of the network, and lower bounds that no placement with this strategy can beat.

    ``refused`` says why other strategies were not taken: the cores they need, or what does not fit. ``numbers`` are the
    cores of a chip whose cores differ, ``shared`` the projections, by number, whose kernels are.
    """

    profile: HardwareProfile
    strategy: str
    cuts: dict[str, Cut]
    cores: tuple[Core, ...]
    bound_by_neurons: int
    bound_by_memory: int
    refused: dict[str, str] = field(default_factory=dict)
    numbers: tuple[int, ...] = ()
    shared: frozenset[int] = frozenset()

    @property
    def chips(self) -> int:
        """Chips needed for the cores."""
        return -(-len(self.cores) // self.cores_per_chip)

    @property
    def cores_per_chip(self) -> int:
        """Cores of one chip."""
        if self.profile.layer_cores is not None:
            return len(self.profile.layer_cores.kernel_words.value)
        return int(_limits(self.profile).cores_per_chip.value)

    def utilisation(self, number: int) -> list[Utilisation]:
        """Return what a core uses of every resource, and what there is."""
        use, cores = self.cores[number].use, self.profile.layer_cores
        found = [rule(self.profile, use) for rule in RULES]
        if cores is None:
            return found
        kernels, words = (int(each.value[self.numbers[number]]) for each in (cores.kernel_words, cores.neuron_words))
        potentials = (use.core_memory - use.synaptic_memory) // 2
        return [
            *found,
            Utilisation(resource="kernel_words", used=use.synaptic_memory, available=kernels),
            Utilisation(resource="neuron_words", used=potentials, available=words),
        ]

    @property
    def max_core_memory(self) -> int:
        """Bytes on the fullest core: of everything where the chip limits that, else of synapses."""
        if self.profile.limits is not None and self.profile.limits.core_memory is None:
            return max(core.use.synaptic_memory for core in self.cores)
        return max(core.use.core_memory for core in self.cores)


def place(network: IntegerNetwork, profile: HardwareProfile, strategy: str | None = None) -> Placement:
    """Return where the neurons go, with the strategy that needs the fewest cores, or with the one that is named.

    `PlacementError` names the population, the first limit that a single neuron breaks, by how much, and the way out.
    """
    if profile.layer_cores is not None:
        return _layers(network, profile, strategy)
    if profile.limits is None or profile.encoding is None:
        raise PlacementError(f"{profile.name} has no cores to place neurons on: it prices operations only")
    offered = STRATEGIES if profile.encoding.shared else STRATEGIES[:1]
    if strategy is not None and strategy not in offered:
        raise PlacementError(f"{profile.name} cannot place {strategy!r}; it can {', '.join(offered)}")
    reaches = tuple(Reach(network, projection) for projection in network.projections)
    found: dict[str, Placement] = {}
    refused: dict[str, str] = {}
    for name in offered if strategy is None else (strategy,):
        try:
            found[name] = _Search(network, profile, reaches, name).run()
        except PlacementError as error:
            refused[name] = str(error)
    if not found:
        raise PlacementError(" ".join(refused.values()))
    best = min(found, key=lambda name: len(found[name].cores))
    others = {name: f"{len(other.cores):,} cores" for name, other in found.items() if name != best}
    return replace(found[best], refused=refused | others)


def _layers(network: IntegerNetwork, profile: HardwareProfile, strategy: str | None) -> Placement:
    """Place whole layers on cores that differ; cores that take none are left out."""
    if strategy not in (None, "layers"):
        raise PlacementError(f"{profile.name} cannot place {strategy!r}; it can layers")
    found = match(network, profile)
    cuts = {p.name: Cut(*((0, side) for side in astuple(Grid.of(p.shape)))) for p in network.neurons}
    cores = tuple(
        _core(p.name, cuts[p.name], (0, 0, 0), use) for p, (_, use) in zip(network.neurons, found, strict=True)
    )
    return Placement(
        profile=profile,
        strategy="layers",
        cuts=cuts,
        cores=cores,
        bound_by_neurons=len(cores),
        bound_by_memory=len(cores),
        numbers=tuple(number for number, _ in found),
    )


def _core(name: str, cut: Cut, place_of: tuple[int, int, int], use: CoreUse) -> Core:
    channels, rows, columns = cut.block(*place_of)
    return Core(population=name, channels=channels, rows=rows, columns=columns, use=use)


def _limits(profile: HardwareProfile) -> Limits:
    assert profile.limits is not None
    return profile.limits


@dataclass(frozen=True, eq=False)
class _Option:
    """A cut that fits as far as its inputs go; arrays (rows, columns, channel parts)."""

    cut: Cut
    uses: dict[str, Counts]


class _Search:
    """One strategy on one chip."""

    def __init__(
        self, network: IntegerNetwork, profile: HardwareProfile, reaches: tuple[Reach, ...], strategy: str
    ) -> None:
        self.network, self.profile, self.strategy, self.limits = network, profile, strategy, _limits(profile)
        self.blocks = Blocks(network, profile, reaches, strategy)
        self.incoming, self.grids, self.parts_of = self.blocks.incoming, self.blocks.grids, self.blocks.parts_of
        self.back = {p.name: self.blocks.nobody(p.name) for p in network.populations}
        self.options: dict[tuple[str, int], list[_Option]] = {}
        self.tried: dict[tuple[str, int], int] = {}

    def run(self) -> Placement:
        """Place all populations, again until what was assumed holds."""
        for _ in range(ROUNDS):
            cuts = self._place()
            parts = {name: len(cut.channels) - 1 for name, cut in cuts.items()}
            back = self._sent_back(cuts)
            more = any(parts[n] > self.parts_of[n] for n in parts if self._leaves_shared(n))
            if not more and all(np.all(back[name] <= self.back[name]) for name in back):
                return self._placement(cuts)
            self.parts_of |= {n: max(parts[n], self.parts_of[n]) for n in parts if self._leaves_shared(n)}
            self.back = {name: np.maximum(back[name], self.back[name]) for name in back}
        raise PlacementError(f"{self.profile.name}: axons of loops found no rest in {ROUNDS} rounds ({self.strategy})")

    def _leaves_shared(self, name: str) -> bool:
        """Whether some projection out of a population goes over shared kernels."""
        heard = [reach for reaches in self.incoming.values() for reach in reaches]
        return any(reach.projection.source == name and self.blocks.shares(reach) for reach in heard)

    def _place(self) -> dict[str, Cut]:
        reached = {name: back.copy() for name, back in self.back.items()}
        cuts: dict[str, Cut] = {}
        for population in reversed(self.network.neurons):
            option = self._choose(population, reached)
            cuts[population.name] = option.cut
            for reach in self.incoming[population.name]:
                if reach.projection.source not in cuts:
                    reached[reach.projection.source] += self.blocks.sent(reach, option.cut)
        return cuts

    def _sent_back(self, cuts: dict[str, Cut]) -> dict[str, Counts]:
        """Return the output axons into populations that are placed after their source: in loops only."""
        order = [population.name for population in reversed(self.network.neurons)]
        back = {name: self.blocks.nobody(name) for name in self.back}
        for name, reaches in self.incoming.items():
            for reach in reaches:
                source = reach.projection.source
                if source in order and order.index(source) <= order.index(name):
                    back[source] += self.blocks.sent(reach, cuts[name])
        return back

    def _choose(self, population: IntegerPopulation, reached: dict[str, Counts]) -> _Option:
        """Return the cut that costs fewest cores together with the populations before this one."""
        fitting = self._fitting(population, reached[population.name])
        best, least = None, math.inf
        for option in fitting[:CONSIDERED]:
            cost = float(option.cut.size)
            for reach in self.incoming[population.name]:
                cost += self._cost_of_source(reach, option.cut, reached)
                if cost >= least:
                    break
            if cost < least:
                best, least = option, cost
        return best or fitting[0]

    def _cost_of_source(self, reach: Reach, cut: Cut, reached: dict[str, Counts]) -> float:
        """Return the fewest cores that the source of a projection would take if its target is cut so."""
        source = reach.projection.source
        if source not in self.incoming or source == reach.projection.target:
            return 0.0
        sent = reached[source] + self.blocks.sent(reach, cut)
        try:
            return float(self._fitting(self.network.population(source), sent, most=1)[0].cut.size)
        except PlacementError:
            return math.inf

    def _fitting(self, population: IntegerPopulation, outputs: Counts, most: int = CONSIDERED) -> list[_Option]:
        """Return up to ``most`` cuts that break no rule, fewest cores first."""
        found: list[_Option] = []
        for option in self._options(population):
            if self._room_for(option, outputs):
                found.append(option)
            if len(found) == most:
                break
        if not found:
            raise PlacementError(self._refusal(population, outputs))
        return found

    def _room_for(self, option: _Option, outputs: Counts) -> bool:
        axons, limit = self.limits.output_axons, _blocks(outputs, option.cut)
        return axons is None or int(limit.max()) <= int(axons.value)

    def _options(self, population: IntegerPopulation) -> Iterator[_Option]:
        """Yield the cuts whose inputs fit, fewest cores first; they are looked for once."""
        key = (population.name, sum(self.parts_of[r.projection.source] for r in self.incoming[population.name]))
        known = self.options.setdefault(key, [])
        yield from known
        for number, cut in enumerate(self._cuts(population)):
            if number < self.tried.get(key, 0):
                continue
            self.tried[key] = number + 1
            option = self._option(population, cut)
            if option is not None:
                known.append(option)
                yield option

    def _cuts(self, population: IntegerPopulation) -> list[Cut]:
        return cuts_of(self.grids[population.name], int(self.limits.neurons.value))

    def _option(self, population: IntegerPopulation, cut: Cut) -> _Option | None:
        """Return a cut with what its blocks use, or None where a block does not fit."""
        if self.blocks.least_bits(population) > 8 * cut.size * self.limits.synaptic_memory.value:
            return None
        inner, most = _inner(cut), self.limits.input_axons
        if most is not None and self.blocks.input_axons(population, inner) > most.value:
            return None
        if cut.size > 1 and not self._fits(self.blocks.uses(population, inner)):
            return None
        uses = self.blocks.uses(population, cut)
        return _Option(cut, uses) if self._fits(uses) else None

    def _fits(self, uses: dict[str, Counts]) -> bool:
        for name, used in uses.items():
            limit = getattr(self.limits, name, None)
            if limit is not None and int(used.max()) > int(limit.value):
                return False
        return True

    def _refusal(self, population: IntegerPopulation, outputs: Counts) -> str:
        """Return which rule the smallest blocks break, by how much, and what would help."""
        grid = self.grids[population.name]
        cut = Cut(tuple(range(grid.channels + 1)), tuple(range(grid.height + 1)), tuple(range(grid.width + 1)))
        uses = self.blocks.uses(population, cut) | {"output_axons": _blocks(outputs, cut)}
        worst = CoreUse(**{name: int(used.max()) for name, used in uses.items()})
        broken = first_violation(self.profile, worst)
        if broken is None:
            return f"population {population.name}: no cut into equal blocks fits a core of {self.profile.name}"
        return self._sentence(population, *broken)

    def _sentence(self, population: IntegerPopulation, rule: Rule, found: Utilisation) -> str:
        assert found.available is not None
        return (
            f"population {population.name} does not fit a core of {self.profile.name} ({self.strategy}): one neuron "
            f"takes {found.used:,} of {found.available:,} {found.name}, "
            f"{found.used / max(found.available, 1):.3g} times what there is. {sentence(rule)}"
        )

    def _placement(self, cuts: dict[str, Cut]) -> Placement:
        cores: list[Core] = []
        reached = {name: self.blocks.nobody(name) for name in self.grids}
        for name, reaches in self.incoming.items():
            for reach in reaches:
                reached[reach.projection.source] += self.blocks.sent(reach, cuts[name])
        for population in self.network.neurons:
            cut = cuts[population.name]
            uses = self.blocks.uses(population, cut) | {"output_axons": _blocks(reached[population.name], cut)}
            cores += [
                _core(population.name, cut, (r, c, p), CoreUse(**{key: int(n[r, c, p]) for key, n in uses.items()}))
                for p, r, c in np.ndindex(cut.shape[2], *cut.shape[:2])
            ]
        neurons = sum(core.use.neurons for core in cores)
        return Placement(
            profile=self.profile,
            strategy=self.strategy,
            cuts={population.name: cuts[population.name] for population in self.network.neurons},
            cores=tuple(cores),
            bound_by_neurons=-(-neurons // int(self.limits.neurons.value)),
            bound_by_memory=math.ceil(self.blocks.least_bytes() / self.limits.synaptic_memory.value),
            shared=frozenset(number for number, reach in enumerate(self.blocks.reaches) if self.blocks.shares(reach)),
        )


def _inner(cut: Cut) -> Cut:
    """Return one block of a cut, from its middle."""
    r, c = (len(cut.rows) - 1) // 2, (len(cut.columns) - 1) // 2
    return Cut(*cut.block(r, c, 0))


def _blocks(outputs: Counts, cut: Cut) -> Counts:
    """Return output axons, planes of channels and one for all of them, summed over blocks (rows, columns, parts)."""
    found = np.add.reduceat(np.add.reduceat(outputs, cut.rows[:-1], axis=1), cut.columns[:-1], axis=2)
    per_part = np.add.reduceat(found[:-1], cut.channels[:-1], axis=0) + found[-1]
    return np.moveaxis(per_part, 0, -1)


@lru_cache(maxsize=64)
def cuts_of(grid: Grid, neurons: int) -> list[Cut]:
    """Return the cuts into nearly equal blocks of at most so many neurons, fewest cores first, whole channels first."""
    found = []
    for channels in _pieces(grid.channels):
        for rows in _pieces(grid.height):
            for columns in _pieces(grid.width):
                largest = math.ceil(grid.channels / channels) * math.ceil(grid.height / rows)
                if largest * math.ceil(grid.width / columns) <= neurons:
                    found.append((channels * rows * columns, channels, abs(rows - columns), rows, columns))
    sides = (grid.channels, grid.height, grid.width)
    return [
        Cut(*(_edges(side, count) for side, count in zip(sides, (channels, rows, columns), strict=True)))
        for _, channels, _, rows, columns in sorted(found)
    ]


def _pieces(side: int) -> list[int]:
    """Return the numbers of parts that give parts of different size."""
    return sorted({math.ceil(side / size) for size in range(1, side + 1)})


def _edges(side: int, count: int) -> tuple[int, ...]:
    return tuple(side * part // count for part in range(count + 1))
