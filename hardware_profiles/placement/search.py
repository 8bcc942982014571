"""The search for cuts that fit every limit of a core and take few cores.

Populations are placed from the readout back to the input, so the cores that a neuron reaches are known when its turn
comes. Of the cuts that fit, fewest cores first, the one is taken that costs fewest cores together with the
populations in front of it. Two things cannot be known yet: output axons of recurrent projections, and on how many cores
the channels of a source lie. They are assumed, compared with the result, and the search runs again with the larger.
"""

import math
from bisect import insort
from collections.abc import Iterator
from heapq import heappop, heappush

import numpy as np

from spikeport.export.errors import PlacementError
from spikeport.export.network import Network
from spikeport.hardware_profiles.encoding import Counts
from spikeport.hardware_profiles.limits import CoreUse, Rule, Utilisation, first_violation, sentence
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut
from spikeport.hardware_profiles.placement.block_use import AnyPopulation, BlockUse, channel_sums
from spikeport.hardware_profiles.placement.cuts import Cut, areas_of
from spikeport.hardware_profiles.placement.packing import Packing
from spikeport.hardware_profiles.placement.parting import Area, Parting
from spikeport.hardware_profiles.placement.results import Block, Core, LowerBounds, Placement
from spikeport.hardware_profiles.profile import HardwareProfile

CONSIDERED = 8
"""Cuts of a population whose cost to the populations before it is looked at."""
ROUNDS = 12
"""Rounds in which what was assumed may still grow; the last assumes the most that any cut can need."""
MOST_CORES = 2**62


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
        self.partings: dict[str, Parting] = {}
        self.areas: dict[str, list[Area]] = {}

    def run(self) -> Placement:
        """Place all populations, again until what was assumed holds."""
        for number in range(ROUNDS):
            if number == ROUNDS - 1:
                self._assume_most()
            cuts = self._place()
            parts = {name: self._parts(cut) for name, cut in cuts.items() if self._leaves_shared(name)}
            recurrent = self._recurrent_axons(cuts)
            grown = [name for name, found in parts.items() if (found > self.parts_of[name]).any()]
            if not grown and all(np.all(recurrent[name] <= self.recurrent[name]) for name in recurrent):
                return self._placement(cuts)
            self._assume(grown, parts, recurrent)
        raise AssertionError("no cut needs more than a core for every neuron")

    def _parts(self, cut: Cut) -> Counts:
        """Return on how many cores the channels of every position lie, (rows, columns)."""
        parts = np.diff(cut.firsts).reshape(len(cut.rows) - 1, -1)
        return np.repeat(np.repeat(parts, np.diff(cut.rows), axis=0), np.diff(cut.columns), axis=1)

    def _assume(self, grown: list[str], parts: dict[str, Counts], recurrent: dict[str, Counts]) -> None:
        """Take the larger of what was assumed and what was found, and forget what rests on the smaller."""
        for name in grown:
            self.parts_of[name] = np.maximum(parts[name], self.parts_of[name])
        for name, incoming in self.incoming.items():
            if any(fan_out.projection.source in grown for fan_out in incoming):
                self.partings.pop(name, None)
        self.recurrent = {name: np.maximum(recurrent[name], self.recurrent[name]) for name in recurrent}

    def _assume_most(self) -> None:
        """Assume a core for every neuron wherever something is assumed: no cut needs more."""
        finest = {name: Cut.finest(self.grids[name]) for name in self.incoming}
        parts = {name: self._parts(cut) for name, cut in finest.items() if self._leaves_shared(name)}
        self._assume(list(parts), parts, self._recurrent_axons(finest))

    def _leaves_shared(self, name: str) -> bool:
        """Whether some projection out of a population goes over shared kernels."""
        return any(
            fan_out.projection.source == name and self.blocks.shares(fan_out) for fan_out in self.blocks.fan_outs
        )

    def _place(self) -> dict[str, Cut]:
        axons = {name: recurrent.copy() for name, recurrent in self.recurrent.items()}
        cuts: dict[str, Cut] = {}
        for population in self.backwards:
            cut = self._choose(population.name, axons)
            cuts[population.name] = cut
            for fan_out, outputs in self._outputs_into(population.name, cut):
                if fan_out.projection.source not in cuts:
                    axons[fan_out.projection.source] += outputs
        return cuts

    def _recurrent_axons(self, cuts: dict[str, Cut]) -> dict[str, Counts]:
        """Return the output axons into populations that are placed after their source: in loops only."""
        order = {population.name: number for number, population in enumerate(self.backwards)}
        axons = {name: self.blocks.no_axons(name) for name in self.recurrent}
        for name, incoming in self.incoming.items():
            late = [order.get(fan_out.projection.source, len(order)) <= order[name] for fan_out in incoming]
            outputs = self._outputs_into(name, cuts[name]) if any(late) else ()
            for (fan_out, each), placed_later in zip(outputs, late, strict=False):
                if placed_later:
                    axons[fan_out.projection.source] += each
        return axons

    def _outputs_into(self, name: str, cut: Cut) -> Iterator[tuple[BlockFanOut, Counts]]:
        """Yield the projections into a population, each with the output axons of its source."""
        uses = [self._parting(name).use((rows, columns), edges) for edges, rows, columns in cut.patches]
        for number, fan_out in enumerate(self.incoming[name]):
            yield fan_out, self.blocks.output_axons(fan_out, cut, (use.reached[number] for use in uses))

    def _parting(self, name: str) -> Parting:
        if name not in self.partings:
            self.partings[name] = Parting(self.blocks, name, self.limits)
        return self.partings[name]

    def _choose(self, name: str, axons: dict[str, Counts]) -> Cut:
        """Return the cut that costs fewest cores together with the populations before this one."""
        fitting = self._fitting(name, axons[name])
        best, least = fitting[0], math.inf
        for cut in fitting:
            cost = float(cut.size)
            for fan_out, outputs in self._outputs_into(name, cut):
                source = fan_out.projection.source
                if source in self.incoming and source != name:
                    cost += self._size(source, axons[source] + outputs)
                if cost >= least:
                    break
            if cost < least:
                best, least = cut, cost
        return best

    def _size(self, name: str, outputs: Counts) -> float:
        """Return the fewest cores that a population would take with these output axons."""
        parting, best = self._parting(name), math.inf
        for least, area in self._areas(name, outputs):
            if least >= best:
                break
            parting.refine(area)
            best = min(best, parting.least(area, outputs) or math.inf)
        return best

    def _areas(self, name: str, outputs: Counts) -> Iterator[tuple[int, Area]]:
        """Yield the areas of a population with the cores that they take at least, fewest first.

        No area takes fewer cores than it has patches, so those with more wait.
        """
        grid, parting = self.grids[name], self._parting(name)
        if name not in self.areas:
            sides = areas_of(grid.height, grid.width, int(self.limits.neurons.value))
            self.areas[name] = [Area(*each) for each in sides]
        waiting: list[tuple[int, int, Area]] = []
        for number, area in enumerate(self.areas[name]):
            while waiting and waiting[0][0] <= len(area.patches):
                least, _, first = heappop(waiting)
                yield least, first
            found = parting.least(area, outputs)
            if found is not None:
                heappush(waiting, (found, number, area))
        for least, _, area in sorted(waiting, key=lambda each: each[:2]):
            yield least, area

    def _fitting(self, name: str, outputs: Counts) -> list[Cut]:
        """Return up to `CONSIDERED` cuts that break no rule, fewest cores first."""
        parting = self._parting(name)
        found: list[tuple[int, int, int, int, int, Cut]] = []
        for least, area in self._areas(name, outputs):
            most = found[CONSIDERED - 1][0] if len(found) >= CONSIDERED else MOST_CORES
            if least > most:
                break
            cut = parting.cut(area, outputs, most)
            if cut is not None:
                rows, columns = len(cut.rows) - 1, len(cut.columns) - 1
                insort(found, (cut.size, max(map(len, cut.channels)), abs(rows - columns), rows, columns, cut))
        if not found:
            raise PlacementError(self._refusal(name, outputs))
        return [each[-1] for each in found[:CONSIDERED]]

    def _refusal(self, name: str, outputs: Counts) -> str:
        """Return which rule the smallest blocks break, by how much, and what would help."""
        cut = Cut.finest(self.grids[name])
        uses = self._uses(name, cut) | {"output_axons": _per_block(outputs, cut)}
        worst = CoreUse(**{resource: int(used.max()) for resource, used in uses.items()})
        broken = first_violation(self.profile, worst)
        if broken is None:
            return f"population {name}: no cut into nearly equal patches fits a core of {self.profile.name}"
        return self._sentence(name, *broken)

    def _uses(self, name: str, cut: Cut) -> dict[str, Counts]:
        """Return what every block of a cut uses, output axons apart."""
        uses = [self._parting(name).use((rows, columns), edges).uses for edges, rows, columns in cut.patches]
        return {resource: np.concatenate([each[resource] for each in uses]) for resource in uses[0]}

    def _sentence(self, name: str, rule: Rule, broken: Utilisation) -> str:
        assert broken.available is not None
        return (
            f"population {name} does not fit a core of {self.profile.name} ({self.strategy}): one neuron "
            f"takes {broken.used:,} of {broken.available:,} {broken.name}, "
            f"{broken.used / max(broken.available, 1):.3g} times what there is. {sentence(rule)}"
        )

    def _placement(self, cuts: dict[str, Cut]) -> Placement:
        axons = {name: self.blocks.no_axons(name) for name in self.grids}
        for name, cut in cuts.items():
            for fan_out, outputs in self._outputs_into(name, cut):
                axons[fan_out.projection.source] += outputs
        cuts = {population.name: cuts[population.name] for population in self.network.neurons}
        alone = [core for name, cut in cuts.items() for core in self._cores(name, cut, axons[name])]
        cores = Packing(self.blocks, self.profile).pack(alone)
        neurons = sum(core.use.neurons for core in cores)
        memory = self.blocks.least_bytes() / self.limits.synaptic_memory.value
        fan_outs = enumerate(self.blocks.fan_outs)
        return Placement(
            profile=self.profile,
            strategy=self.strategy,
            cuts=cuts,
            cores=cores,
            numbers=tuple(range(len(cores))),
            lower_bounds=LowerBounds(neurons=-(-neurons // int(self.limits.neurons.value)), memory=math.ceil(memory)),
            shared=frozenset(number for number, fan_out in fan_outs if self.blocks.shares(fan_out)),
        )

    def _cores(self, name: str, cut: Cut, outputs: Counts) -> Iterator[Core]:
        """Yield a core for every block of a population, patch by patch."""
        uses = self._uses(name, cut) | {"output_axons": _per_block(outputs, cut)}
        for number, (channels, rows, columns) in enumerate(cut.blocks):
            use = CoreUse(**{resource: int(used[number]) for resource, used in uses.items()})
            yield Core(blocks=(Block(population=name, channels=channels, rows=rows, columns=columns),), use=use)


def _per_block(axons: Counts, cut: Cut) -> Counts:
    """Return output axons in the form of `BlockUse.no_axons`, summed over the blocks of a cut."""
    sums = channel_sums(axons, cut.rows, cut.columns)
    parts = [np.add.reduceat(sums[:-1, n], edges[:-1]) + sums[-1, n] for n, edges in enumerate(cut.channels)]
    return np.concatenate(parts)
