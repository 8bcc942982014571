"""What the blocks of a cut take on their cores: memory, axons and registers.

With strategy ``shared``, neurons of a core share a convolution's kernel (`block_memory`), and the channels of a source
position that lie on one core arrive over one axon. Synapses that share nothing, and all synapses with strategy
``unrolled``, are written out: a list and an axon per source neuron that reaches the core.
"""

from dataclasses import dataclass

import numpy as np

from earlier_placement.block_fan_out import BlockFanOut
from earlier_placement.block_memory import BlockLists
from earlier_placement.cuts import Cut
from spikeport.export.geometry import Grid
from spikeport.export.network import (
    Array,
    FloatNeuron,
    FloatPopulation,
    IntegerPopulation,
    Network,
    Source,
)
from spikeport.hardware_profiles.encoding import Counts
from spikeport.hardware_profiles.profile import HardwareProfile

AnyPopulation = FloatPopulation | IntegerPopulation


@dataclass(frozen=True, eq=False)
class _InputUse:
    """What blocks take for one projection into them, arrays (rows, columns, channel parts)."""

    axons: Counts
    synapses: Counts
    bits: Counts


class BlockUse:
    """Counts what blocks take on one chip with one strategy.

    ``parts_of`` says on how many cores the channels of a population lie side by side.
    """

    def __init__(
        self, network: Network, profile: HardwareProfile, fan_outs: tuple[BlockFanOut, ...], strategy: str
    ) -> None:
        assert profile.encoding is not None
        self.encoding, self.strategy, self.fan_outs = profile.encoding, strategy, fan_outs
        self.incoming = {p.name: [f for f in fan_outs if f.projection.target == p.name] for p in network.neurons}
        self.grids = {p.name: Grid.of(p.shape) for p in network.populations}
        self.slots = int(self.encoding.population_axon_slots.value) if self.encoding.population_axon_slots else 1
        self.parts_of = {p.name: 1 for p in network.populations}

    def shares(self, fan_out: BlockFanOut) -> bool:
        """Return whether the neurons of a core share a projection's kernel."""
        return self.strategy == "shared" and fan_out.shares

    def uses(self, population: AnyPopulation, cut: Cut) -> dict[str, Counts]:
        """Return what every block of a cut uses, (rows, columns, channel parts) per resource, output axons apart."""
        encoding = self.encoding
        inputs = [self._input_use(fan_out, cut) for fan_out in self.incoming[population.name]]
        sides = [np.diff(edges) for edges in (cut.rows, cut.columns, cut.channels)]
        neurons = np.einsum("r,c,p->rcp", *sides)
        bits = sum((each.bits for each in inputs), np.zeros_like(neurons))
        axons = sum((each.axons for each in inputs), np.zeros_like(neurons))
        synaptic = -(-bits // 8)
        state, entry = int(encoding.neuron_state.value), int(encoding.input_axon_entry.value)
        return {
            "neurons": neurons,
            "synapses": sum((each.synapses for each in inputs), np.zeros_like(neurons)),
            "synaptic_memory": synaptic,
            "core_memory": synaptic + neurons * state + axons * entry,
            "input_axons": axons,
            "threshold_registers": self._registers(population, cut, "threshold"),
            "decay_registers": self._registers(population, cut, "decays"),
            "synapse_registers": np.full_like(neurons, len(inputs)),
        }

    def _registers(self, population: AnyPopulation, cut: Cut, what: str) -> Counts:
        """Return how many different thresholds, or pairs of decays, the neurons of every block have."""
        grid, values = self.grids[population.name], _numbers(population, what)
        if all(value.size == 1 for value in values):
            return np.ones(cut.shape, np.int64)
        kinds = [np.unique(value, return_inverse=True)[1].reshape(value.shape) for value in values]
        joined = sum(np.broadcast_to(v, population.shape).astype(np.int64) << 26 * i for i, v in enumerate(kinds))
        whole = np.reshape(joined, (grid.channels, grid.height, grid.width))
        counts = np.empty(cut.shape, np.int64)
        for (r, c, p), _ in np.ndenumerate(counts):
            counts[r, c, p] = len(np.unique(whole[tuple(slice(*edges) for edges in cut.block(r, c, p))]))
        return counts

    def least_bits(self, population: AnyPopulation) -> int:
        """Return bits that the synapses into a population take however it is cut: weights, where none are shared."""
        unshared = [fan_out for fan_out in self.incoming[population.name] if not self.shares(fan_out)]
        return sum(fan_out.synapses * fan_out.bits for fan_out in unshared)

    def input_axons(self, population: AnyPopulation, cut: Cut) -> int:
        """Return the input axons of a cut of one block."""
        incoming = self.incoming[population.name]
        return sum(int(self._axons(fan_out, counts)[0]) for fan_out in incoming for _, counts in fan_out.blocks(cut))

    def _input_use(self, fan_out: BlockFanOut, cut: Cut) -> _InputUse:
        axons, synapses, bits = (np.empty(cut.shape, np.int64) for _ in range(3))
        known: dict[object, tuple[Counts, Counts, Counts]] = {}
        lists = BlockLists(self.encoding, fan_out, cut, self.shares(fan_out))
        for patch in fan_out.patches(cut):
            if patch.key not in known:
                counts = fan_out.counts(cut, patch, lists.parts)
                known[patch.key] = (
                    self._axons(fan_out, counts),
                    counts.sum(axis=(1, 2, 3)),
                    lists.bits(patch, counts),
                )
            place = (patch.row, patch.column)
            axons[place], synapses[place], bits[place] = known[patch.key]
        return _InputUse(axons, synapses, bits)

    def _axons(self, fan_out: BlockFanOut, counts: Counts) -> Counts:
        """Return the input axons of blocks: source neurons, or positions times cores that hold their channels."""
        used = counts > 0
        if self.shares(fan_out):
            return np.asarray(used.any(axis=1).sum(axis=(1, 2)) * self.parts_of[fan_out.projection.source])
        return np.asarray(used.sum(axis=(1, 2, 3)))

    def output_axons(self, fan_out: BlockFanOut, cut: Cut) -> Counts:
        """Return the output axons of a projection's source whose target is cut so.

        One plane per source channel holds what each neuron takes, and the last plane what a position's channels share.
        """
        axons = self.no_axons(fan_out.projection.source)
        for patch, counts in fan_out.blocks(cut):
            rows, columns = fan_out.sources(patch)
            used = counts > 0
            if self.shares(fan_out):
                axons[-1, rows, columns] += used.any(axis=1).sum(axis=0) * self.slots
            else:
                axons[:-1, rows, columns] += used.sum(axis=0)
        return axons

    def no_axons(self, name: str) -> Counts:
        """Return zero output axons in the form of `output_axons`."""
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


def _numbers(population: AnyPopulation, what: str) -> list[Array]:
    """Return the threshold, or the decays, of a population: registers of a core hold the values that differ."""
    neuron = population.neuron
    assert not isinstance(neuron, Source)
    if what == "threshold":
        return [np.zeros(()) if neuron.threshold is None else neuron.threshold]
    if isinstance(neuron, FloatNeuron):
        return [neuron.decay_current, neuron.decay_potential]
    return [neuron.decay_u, neuron.decay_v]


def per_block(axons: Counts, cut: Cut) -> Counts:
    """Return output axons in the form of `BlockUse.output_axons`, summed over blocks (rows, columns, channel parts)."""
    sums = np.add.reduceat(np.add.reduceat(axons, cut.rows[:-1], axis=1), cut.columns[:-1], axis=2)
    per_part = np.add.reduceat(sums[:-1], cut.channels[:-1], axis=0) + sums[-1]
    return np.moveaxis(per_part, 0, -1)
