"""What the blocks of a cut take on their cores: memory, axons and registers.

With strategy ``shared``, neurons of a core share a convolution's kernel (`block_memory`), and the channels of a source
position that lie on one core arrive over one axon. Synapses that share nothing, and all synapses with strategy
``unrolled``, are written out: a list and an axon per source neuron that reaches the core.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from spikeport.export.geometry import Grid
from spikeport.export.network import (
    Array,
    FloatNeuron,
    FloatPopulation,
    IntegerPopulation,
    Network,
    Pair,
    Source,
)
from spikeport.hardware_profiles.encoding import Counts
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut
from spikeport.hardware_profiles.placement.block_memory import BlockLists
from spikeport.hardware_profiles.placement.cuts import Cut, Edges
from spikeport.hardware_profiles.profile import HardwareProfile

AnyPopulation = FloatPopulation | IntegerPopulation
DENSER = 4
REGISTERS = ("threshold", "decay")


@dataclass(frozen=True, eq=False)
class PatchUse:
    """What the blocks of a patch use, (channel parts) per resource, output axons apart.

    ``reached`` says per projection into them how many of the blocks every source neuron reaches, or, with shared
    kernels, every source position: (source channels or 1, rows, columns) of `BlockFanOut.sources`.
    """

    uses: dict[str, Counts]
    reached: tuple[Counts, ...]


class BlockUse:
    """Counts what blocks take on one chip with one strategy.

    ``parts_of`` says on how many cores the channels of every position of a population lie side by side.
    """

    def __init__(
        self, network: Network, profile: HardwareProfile, fan_outs: tuple[BlockFanOut, ...], strategy: str
    ) -> None:
        assert profile.encoding is not None
        self.encoding, self.strategy, self.fan_outs = profile.encoding, strategy, fan_outs
        self.incoming = {p.name: [f for f in fan_outs if f.projection.target == p.name] for p in network.neurons}
        self.grids = {p.name: Grid.of(p.shape) for p in network.populations}
        self.slots = int(self.encoding.population_axon_slots.value) if self.encoding.population_axon_slots else 1
        self.parts_of = {name: np.ones((grid.height, grid.width), np.int64) for name, grid in self.grids.items()}
        self.kinds = {p.name: {what: _kinds(p, what) for what in REGISTERS} for p in network.neurons}

    def shares(self, fan_out: BlockFanOut) -> bool:
        """Return whether the neurons of a core share a projection's kernel."""
        return self.strategy == "shared" and fan_out.shares

    def patch_use(self, population: str, edges: Edges, rows: Pair, columns: Pair) -> PatchUse:
        """Return what the blocks of a patch use whose channels are parted at ``edges``."""
        neurons = np.diff(edges) * (rows[1] - rows[0]) * (columns[1] - columns[0])
        axons, synapses, bits = (np.zeros_like(neurons) for _ in range(3))
        reached = []
        for fan_out in self.incoming[population]:
            patch = fan_out.patch(edges, rows, columns)
            parts = fan_out.parts(edges)
            counts = fan_out.counts(patch, parts)
            sources, used = fan_out.sources(patch), np.asarray(counts > 0)
            if self.shares(fan_out):
                used = np.asarray(used.any(axis=1, keepdims=True))
                axons += (used * self.parts_of[fan_out.projection.source][sources]).sum(axis=(1, 2, 3))
            else:
                axons += np.count_nonzero(used, axis=(1, 2, 3))
            synapses += counts.sum(axis=(1, 2, 3))
            bits += BlockLists(self.encoding, fan_out, patch, parts, self.shares(fan_out)).bits(counts)
            reached.append(used.sum(axis=0))
        uses = self._with_memory({"neurons": neurons, "synapses": synapses, "input_axons": axons}, bits)
        for what in REGISTERS:
            uses[f"{what}_registers"] = self._registers(population, edges, rows, columns, what)
        uses["synapse_registers"] = np.full_like(neurons, len(reached))
        return PatchUse(uses, tuple(reached))

    def _with_memory(self, uses: dict[str, Counts], bits: Counts) -> dict[str, Counts]:
        synaptic = -(-bits // 8)
        state, entry = int(self.encoding.neuron_state.value), int(self.encoding.input_axon_entry.value)
        core = synaptic + uses["neurons"] * state + uses["input_axons"] * entry
        return {**uses, "synaptic_memory": synaptic, "core_memory": core}

    def bits(self, population: str, channels: Pair, rows: Pair, columns: Pair, neurons: int) -> int:
        """Return the bits of a block's lists on a core that holds so many neurons in all."""
        return sum(self.list_bits(each, channels, rows, columns, neurons) for each in self.incoming[population])

    def list_bits(self, fan_out: BlockFanOut, channels: Pair, rows: Pair, columns: Pair, neurons: int) -> int:
        """Return those of one projection into the block."""
        patch, parts = fan_out.patch(channels, rows, columns), fan_out.parts(channels)
        lists = BlockLists(self.encoding, fan_out, patch, parts, self.shares(fan_out), np.array([neurons]))
        return int(lists.bits(fan_out.counts(patch, parts))[0])

    def _registers(self, population: str, edges: Edges, rows: Pair, columns: Pair, what: str) -> Counts:
        """Return how many different thresholds, or pairs of decays, the neurons of every block have."""
        kinds = self.kinds[population][what]
        if kinds is None:
            return np.ones(len(edges) - 1, np.int64)
        inside = kinds[:, slice(*rows), slice(*columns)]
        return np.array([len(np.unique(inside[slice(*part)])) for part in itertools.pairwise(edges)])

    def least_bits(self, population: str, rows: Pair, columns: Pair) -> float:
        """Return bits that the lists of a patch take at least, however its channels are parted.

        Dense lists are taken to hold `DENSER` times as large a share of weights that are not zero as the whole kernel.
        """
        total = 0.0
        for fan_out in self.incoming[population]:
            index = (self.encoding.index_least or self.encoding.index).value
            bits = {"sparse": fan_out.bits + index, "dense": fan_out.bits / min(1.0, DENSER * (fan_out.density or 1.0))}
            least = min(bits.get(kind, float(fan_out.bits)) for kind in self.encoding.lists.value)
            weights = fan_out.reached(rows, columns, once=self.shares(fan_out))
            total += weights * least
        return total

    def output_axons(self, fan_out: BlockFanOut, cut: Cut, reached: Iterable[Counts]) -> Counts:
        """Return the output axons of a projection's source whose target is cut so, in the form of `no_axons`.

        ``reached`` are those of `PatchUse`, patch by patch.
        """
        axons = self.no_axons(fan_out.projection.source)
        for (edges, rows, columns), each in zip(cut.patches, reached, strict=True):
            sources = fan_out.sources(fan_out.patch(edges, rows, columns))
            if self.shares(fan_out):
                axons[(-1, *sources)] += each[0] * self.slots
            else:
                axons[(slice(0, -1), *sources)] += each
        return axons

    def no_axons(self, name: str) -> Counts:
        """Return zero output axons of a population.

        One plane per channel holds what each neuron takes, and the last plane what a position's channels share.
        """
        grid = self.grids[name]
        return np.zeros((grid.channels + 1, grid.height, grid.width), np.int64)

    def least_bytes(self) -> float:
        """Return the bytes of full lists without rounding to words, each stored once: no placement takes less."""
        encoding, total = self.encoding, 0.0
        header = encoding.list_header.value / encoding.list_block.value
        index = encoding.index_least or encoding.index
        indexed = index.value if encoding.lists.value == ("sparse",) else 0
        for fan_out in self.fan_outs:
            repeated = fan_out.pool[0] * fan_out.pool[1]
            synapses = fan_out.reached_weights // repeated if self.shares(fan_out) else fan_out.synapses
            total += synapses * (fan_out.bits + indexed + header)
        return total / 8


def _kinds(population: AnyPopulation, what: str) -> Array | None:
    """Return a number for every threshold, or pair of decays, of neurons (C, H, W); None where there is one."""
    grid, values = Grid.of(population.shape), _numbers(population, what)
    if all(value.size == 1 for value in values):
        return None
    kinds = [np.unique(value, return_inverse=True)[1].reshape(value.shape) for value in values]
    joined = sum(np.broadcast_to(v, population.shape).astype(np.int64) << 26 * i for i, v in enumerate(kinds))
    return np.reshape(joined, (grid.channels, grid.height, grid.width))


def _numbers(population: AnyPopulation, what: str) -> list[Array]:
    """Return the threshold, or the decays, of a population: registers of a core hold the values that differ."""
    neuron = population.neuron
    assert not isinstance(neuron, Source)
    if what == "threshold":
        return [np.zeros(()) if neuron.threshold is None else neuron.threshold]
    if isinstance(neuron, FloatNeuron):
        return [neuron.decay_current, neuron.decay_potential]
    return [neuron.decay_u, neuron.decay_v]


def channel_sums(axons: Counts, cut_rows: Edges, cut_columns: Edges) -> Counts:
    """Return output axons in the form of `BlockUse.no_axons`, summed over patches (channels + 1, patches)."""
    sums = np.add.reduceat(np.add.reduceat(axons, cut_rows[:-1], axis=1), cut_columns[:-1], axis=2)
    return np.asarray(sums.reshape(len(axons), -1))
