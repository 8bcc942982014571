"""The search for cuts that fit every limit of a core and take few cores.

Populations are placed from the readout back to the input, so the cores that a neuron reaches are known when its turn
comes. Of the cuts that fit, fewest cores first, the one is taken that costs fewest cores together with the
populations in front of it. Two things cannot be known yet: output axons of recurrent projections, and on how many cores
the channels of a source lie. They are assumed, compared with the result, and the search runs again with the larger.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from earlier_placement.block_fan_out import BlockFanOut
from earlier_placement.block_use import AnyPopulation, BlockUse, per_block
from earlier_placement.cuts import Cut, cuts_of
from spikeport.export.errors import PlacementError
from spikeport.export.network import Network
from spikeport.hardware_profiles.encoding import Counts
from spikeport.hardware_profiles.limits import CoreUse, Rule, Utilisation, first_violation, sentence
from spikeport.hardware_profiles.profile import HardwareProfile

CONSIDERED = 8
"""Cuts of a population whose cost to the populations before it is looked at."""
ROUNDS = 12
"""Rounds in which what was assumed may still grow."""


@dataclass(frozen=True, eq=False)
class _Option:
    """A cut that fits as far as its inputs go; arrays (rows, columns, channel parts)."""

    cut: Cut
    uses: dict[str, Counts]


class Search:
    """One strategy on one chip."""

    def __init__(
        self, network: Network, profile: HardwareProfile, fan_outs: tuple[BlockFanOut, ...], strategy: str
    ) -> None:
        assert profile.limits is not None
        self.backwards: tuple[AnyPopulation, ...] = tuple(reversed(network.neurons))
        self.network, self.profile, self.strategy, self.limits = network, profile, strategy, profile.limits
        self.blocks = BlockUse(network, profile, fan_outs, strategy)
        self.incoming, self.grids, self.parts_of = self.blocks.incoming, self.blocks.grids, self.blocks.parts_of
        self.recurrent = {p.name: self.blocks.no_axons(p.name) for p in network.populations}
        self.options: dict[tuple[str, int], list[_Option]] = {}
        self.tried: dict[tuple[str, int], int] = {}

    def run(self) -> dict[str, Cut]:
        """Return the cuts of all populations; search again until what was assumed holds."""
        for _ in range(ROUNDS):
            cuts = self._place()
            parts = {name: len(cut.channels) - 1 for name, cut in cuts.items() if self._leaves_shared(name)}
            recurrent = self._recurrent_axons(cuts)
            more = any(number > self.parts_of[name] for name, number in parts.items())
            if not more and all(np.all(recurrent[name] <= self.recurrent[name]) for name in recurrent):
                return cuts
            self.parts_of |= {name: max(number, self.parts_of[name]) for name, number in parts.items()}
            self.recurrent = {name: np.maximum(recurrent[name], self.recurrent[name]) for name in recurrent}
        raise PlacementError(
            f"{self.profile.name} ({self.strategy}): output-axon counts of recurrent projections and channel parts of "
            f"sources did not converge in {ROUNDS} rounds; place with another strategy, or make the layers smaller"
        )

    def _leaves_shared(self, name: str) -> bool:
        """Whether some projection out of a population goes over shared kernels."""
        return any(
            fan_out.projection.source == name and self.blocks.shares(fan_out) for fan_out in self.blocks.fan_outs
        )

    def _place(self) -> dict[str, Cut]:
        axons = {name: recurrent.copy() for name, recurrent in self.recurrent.items()}
        cuts: dict[str, Cut] = {}
        for population in self.backwards:
            cut = self._choose(population, axons)
            cuts[population.name] = cut
            for fan_out in self.incoming[population.name]:
                if fan_out.projection.source not in cuts:
                    axons[fan_out.projection.source] += self.blocks.output_axons(fan_out, cut)
        return cuts

    def _recurrent_axons(self, cuts: dict[str, Cut]) -> dict[str, Counts]:
        """Return the output axons into populations that are placed after their source: in loops only."""
        order = {population.name: number for number, population in enumerate(self.backwards)}
        axons = {name: self.blocks.no_axons(name) for name in self.recurrent}
        for name, incoming in self.incoming.items():
            for fan_out in incoming:
                source = fan_out.projection.source
                if source in order and order[source] <= order[name]:
                    axons[source] += self.blocks.output_axons(fan_out, cuts[name])
        return axons

    def _choose(self, population: AnyPopulation, axons: dict[str, Counts]) -> Cut:
        """Return the cut that costs fewest cores together with the populations before this one."""
        fitting = self._fitting(population, axons[population.name])
        best, least = fitting[0].cut, math.inf
        for option in fitting[:CONSIDERED]:
            cost = float(option.cut.size)
            for fan_out in self.incoming[population.name]:
                cost += self._cost_of_source(fan_out, option.cut, axons)
                if cost >= least:
                    break
            if cost < least:
                best, least = option.cut, cost
        return best

    def _cost_of_source(self, fan_out: BlockFanOut, cut: Cut, axons: dict[str, Counts]) -> float:
        """Return the fewest cores that the source of a projection would take if its target is cut so."""
        source = fan_out.projection.source
        if source not in self.incoming or source == fan_out.projection.target:
            return 0.0
        outputs = axons[source] + self.blocks.output_axons(fan_out, cut)
        try:
            return float(self._fitting(self.network.population(source), outputs, most=1)[0].cut.size)
        except PlacementError:
            return math.inf

    def _fitting(self, population: AnyPopulation, outputs: Counts, most: int = CONSIDERED) -> list[_Option]:
        """Return up to ``most`` cuts that break no rule, fewest cores first."""
        fitting: list[_Option] = []
        for option in self._options(population):
            if self._outputs_fit(option.cut, outputs):
                fitting.append(option)
            if len(fitting) == most:
                break
        if not fitting:
            raise PlacementError(self._refusal(population, outputs))
        return fitting

    def _outputs_fit(self, cut: Cut, outputs: Counts) -> bool:
        limit = self.limits.output_axons
        return limit is None or int(per_block(outputs, cut).max()) <= int(limit.value)

    def _options(self, population: AnyPopulation) -> Iterator[_Option]:
        """Yield the cuts whose inputs fit, fewest cores first; they are looked for once."""
        key = (population.name, sum(self.parts_of[f.projection.source] for f in self.incoming[population.name]))
        known = self.options.setdefault(key, [])
        yield from known
        for number, cut in enumerate(cuts_of(self.grids[population.name], int(self.limits.neurons.value))):
            if number < self.tried.get(key, 0):
                continue
            self.tried[key] = number + 1
            option = self._option(population, cut)
            if option is not None:
                known.append(option)
                yield option

    def _option(self, population: AnyPopulation, cut: Cut) -> _Option | None:
        """Return a cut with what its blocks use, or None where a block does not fit."""
        if self.blocks.least_bits(population) > 8 * cut.size * self.limits.synaptic_memory.value:
            return None
        inner, most = cut.inner(), self.limits.input_axons
        if most is not None and self.blocks.input_axons(population, inner) > most.value:
            return None
        if cut.size > 1 and not self._fits(self.blocks.uses(population, inner)):
            return None
        uses = self.blocks.uses(population, cut)
        return _Option(cut, uses) if self._fits(uses) else None

    def _fits(self, uses: dict[str, Counts]) -> bool:
        limits = {name: getattr(self.limits, name, None) for name in uses}
        return all(limit is None or int(uses[name].max()) <= int(limit.value) for name, limit in limits.items())

    def _refusal(self, population: AnyPopulation, outputs: Counts) -> str:
        """Return which rule the smallest blocks break, by how much, and what would help."""
        cut = Cut.finest(self.grids[population.name])
        uses = self.blocks.uses(population, cut) | {"output_axons": per_block(outputs, cut)}
        worst = CoreUse(**{name: int(used.max()) for name, used in uses.items()})
        broken = first_violation(self.profile, worst)
        if broken is None:
            return f"population {population.name}: no cut into equal blocks fits a core of {self.profile.name}"
        return self._sentence(population, *broken)

    def _sentence(self, population: AnyPopulation, rule: Rule, broken: Utilisation) -> str:
        assert broken.available is not None
        return (
            f"population {population.name} does not fit a core of {self.profile.name} ({self.strategy}): one neuron "
            f"takes {broken.used:,} of {broken.available:,} {broken.name}, "
            f"{broken.used / max(broken.available, 1):.3g} times what there is. {sentence(rule)}"
        )
