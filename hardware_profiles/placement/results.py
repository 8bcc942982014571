"""Where neurons lie: blocks of populations on cores, what they use, and what a core has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from spikeport.hardware_profiles.columns import percent, table
from spikeport.hardware_profiles.encoding import Counts
from spikeport.hardware_profiles.limits import RULES, CoreUse, Utilisation
from spikeport.hardware_profiles.placement.cuts import Cut
from spikeport.hardware_profiles.profile import HardwareProfile
from spikeport.hardware_profiles.result import Result

MEMORY = ("core_memory", "synaptic_memory", "kernel_words")
"""What fills a core's memory: the first that has a limit."""


@dataclass(frozen=True, kw_only=True)
class Block(Result):
    """A block of one population: channels, rows and columns, each from one to before another."""

    population: str
    channels: tuple[int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Core:
    """The blocks of a core, each of another population, and what they use together."""

    blocks: tuple[Block, ...]
    use: CoreUse

    @property
    def populations(self) -> tuple[str, ...]:
        """The populations of the blocks."""
        return tuple(block.population for block in self.blocks)


@dataclass(frozen=True, kw_only=True)
class CoreSummary(Result):
    """One core as the report writes it.

    ``number`` is its number on the mesh of chips. ``used`` and ``available`` (None: no limit published) are per
    resource, memory in bytes; ``utilisation`` is their ratio, ``fullest`` the resource where it is largest.
    ``operations`` are accumulates of a mean image and ``operations_max`` the most of any image, where a run was
    counted.
    """

    optional: ClassVar[tuple[str, ...]] = ("operations", "operations_max")

    number: int
    blocks: tuple[Block, ...]
    synapses: int
    operations: float | None = None
    operations_max: int | None = None
    used: Mapping[str, int]
    available: Mapping[str, int | None]
    utilisation: Mapping[str, float]
    memory_share: float
    fullest: str


@dataclass(frozen=True, kw_only=True)
class LowerBounds(Result):
    """Cores that no placement with the strategy can do without, by ``neurons`` and by synaptic ``memory``."""

    neurons: int
    memory: int


@dataclass(frozen=True, kw_only=True)
class Placement(Result):
    """All cores in the order of the network, and their ``numbers`` on the mesh of chips (`placement.mesh`).

    ``profile`` is the chip, ``strategy`` how kernels are held, ``cuts`` how each population is cut into blocks,
    ``cores`` what lies on each; ``lower_bounds`` are the fewest cores by neurons and by memory. ``refused`` says why
    other strategies were not taken: the cores they need, or what does not fit. ``shared`` are the
    projections, by number, whose kernels are shared; ``weight_bits`` the stated bits of a real weight, None for
    integers.
    """

    profile: HardwareProfile
    strategy: str
    cuts: Mapping[str, Cut]
    cores: tuple[Core, ...]
    lower_bounds: LowerBounds
    numbers: tuple[int, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    shared: frozenset[int] = frozenset()
    weight_bits: int | None = None

    @property
    def chips(self) -> int:
        """Chips needed for the cores."""
        return max(self.numbers) // self.cores_per_chip + 1

    @cached_property
    def core_of(self) -> Mapping[str, Counts]:
        """The cores of the blocks of every population, in the order of its cut."""
        found = {block: number for number, core in enumerate(self.cores) for block in core.blocks}
        return {
            name: np.array([found[Block(population=name, channels=c, rows=r, columns=k)] for c, r, k in cut.blocks])
            for name, cut in self.cuts.items()
        }

    @property
    def several(self) -> int:
        """Cores that hold blocks of several populations."""
        return sum(len(core.blocks) > 1 for core in self.cores)

    @property
    def cores_per_chip(self) -> int:
        """Cores of one chip."""
        if self.profile.layer_cores is not None:
            return len(self.profile.layer_cores.kernel_words.value)
        assert self.profile.limits is not None
        return int(self.profile.limits.cores_per_chip.value)

    def utilisation(self, number: int) -> list[Utilisation]:
        """Return what a core uses of every resource, and what there is."""
        use, cores = self.cores[number].use, self.profile.layer_cores
        shared = [rule(self.profile, use) for rule in RULES]
        if cores is None:
            return shared
        kernels, words = (int(each.value[self.numbers[number]]) for each in (cores.kernel_words, cores.neuron_words))
        potentials = (use.core_memory - use.synaptic_memory) // 2
        return [
            *shared,
            Utilisation(resource="kernel_words", used=use.synaptic_memory, available=kernels),
            Utilisation(resource="neuron_words", used=potentials, available=words),
        ]

    @property
    def max_core_memory(self) -> int:
        """Bytes on the fullest core: of everything where the chip limits that, else of synapses."""
        if self.profile.limits is not None and self.profile.limits.core_memory is None:
            return max(core.use.synaptic_memory for core in self.cores)
        return max(core.use.core_memory for core in self.cores)

    def core(self, number: int) -> CoreSummary:
        """Return one core with what it uses and what there is."""
        core, resources = self.cores[number], self.utilisation(number)
        shares = {r.resource: r.used / r.available for r in resources if r.available}
        return CoreSummary(
            number=self.numbers[number],
            blocks=core.blocks,
            synapses=core.use.synapses,
            used={r.resource: r.used for r in resources},
            available={r.resource: r.available for r in resources},
            utilisation=shares,
            memory_share=next(shares[key] for key in MEMORY if key in shares),
            fullest=max(shares, key=lambda resource: shares[resource]),
        )

    def text(self) -> str:
        """Return a table of the populations with their cores, and the totals."""
        least = max(self.lower_bounds.neurons, self.lower_bounds.memory)
        total = f"{self.profile.name}, {self.strategy}: {len(self.cores):,} cores (at least {least:,})"
        bits = "" if self.weight_bits is None else f", weights of {self.weight_bits} bit"
        several = f", {self.several:,} of them with several populations" if self.several else ""
        header = ("population", "cores", "neurons", "fullest core")
        return f"{table(header, self._rows())}\n\n{total}{several}, {self.chips:,} chips{bits}"

    def _rows(self) -> list[tuple[str, str, str, str]]:
        cores = [self.core(number) for number in range(len(self.cores))]
        neurons = {name: cut.channels[0][-1] * cut.rows[-1] * cut.columns[-1] for name, cut in self.cuts.items()}
        rows = []
        for name, numbers in self.core_of.items():
            own = [cores[number] for number in np.unique(numbers)]
            fullest = max(own, key=lambda core: core.utilisation[core.fullest])
            share = f"{fullest.fullest.replace('_', ' ')} {percent(fullest.utilisation[fullest.fullest])}"
            rows.append((name, f"{len(own):,}", f"{neurons[name]:,}", share))
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return the placement under the keys of the report's ``placement.PROFILE``; what needs a run is left out."""
        return {
            "profile": self.profile.name,
            "strategy": self.strategy,
            **({} if self.weight_bits is None else {"weight_bits": self.weight_bits}),
            "refused_strategies": dict(self.refused),
            "cores": len(self.cores),
            "cores_with_several_populations": self.several,
            "chips": self.chips,
            "max_core_memory_bytes": self.max_core_memory,
            "lower_bounds": self.lower_bounds.to_dict(),
            "per_core": [self.core(number).to_dict() for number in range(len(self.cores))],
        }
