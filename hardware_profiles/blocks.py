"""What the blocks of a cut take on their cores: memory, axons and registers.

With strategy ``shared``, neurons of a core share a convolution's kernel: a list is stored once for all source positions
that meet the same weights (a copy per border class), or once per phase of the stride (``one_copy``), and the channels
of a source position that lie on one core arrive over one axon. Synapses that share nothing, and all synapses with
strategy ``unrolled``, are written out: a list and an axon per source neuron that reaches the core.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from spikeport.export.geometry import Grid
from spikeport.export.network import Array, IntegerNetwork, IntegerNeuron, IntegerPopulation
from spikeport.hardware_profiles.encoding import Counts, list_bits
from spikeport.hardware_profiles.profile import HardwareProfile
from spikeport.hardware_profiles.reach import Cut, Reach, Span, Window, spread


@dataclass(frozen=True, eq=False)
class _Heard:
    """What blocks hear over one projection, arrays (rows, columns, channel parts)."""

    axons: Counts
    synapses: Counts
    bits: Counts


class Blocks:
    """Counts what blocks take on one chip with one strategy.

    ``parts_of`` says on how many cores the channels of a population lie side by side.
    """

    def __init__(
        self, network: IntegerNetwork, profile: HardwareProfile, reaches: tuple[Reach, ...], strategy: str
    ) -> None:
        assert profile.encoding is not None
        self.encoding, self.strategy, self.reaches = profile.encoding, strategy, reaches
        self.incoming = {p.name: [r for r in reaches if r.projection.target == p.name] for p in network.neurons}
        self.grids = {p.name: Grid.of(p.shape) for p in network.populations}
        self.slots = int(self.encoding.population_axon_slots.value) if self.encoding.population_axon_slots else 1
        self.parts_of = {p.name: 1 for p in network.populations}

    def shares(self, reach: Reach) -> bool:
        return self.strategy == "shared" and reach.shares

    def uses(self, population: IntegerPopulation, cut: Cut) -> dict[str, Counts]:
        """Return what every block of a cut uses, output axons apart."""
        encoding = self.encoding
        heard = [self._heard(reach, cut) for reach in self.incoming[population.name]]
        sides = [np.diff(edges) for edges in (cut.rows, cut.columns, cut.channels)]
        neurons = np.einsum("r,c,p->rcp", *sides)
        bits = sum((h.bits for h in heard), np.zeros_like(neurons))
        axons = sum((h.axons for h in heard), np.zeros_like(neurons))
        synaptic = -(-bits // 8)
        state, entry = int(encoding.neuron_state.value), int(encoding.input_axon_entry.value)
        return {
            "neurons": neurons,
            "synapses": sum((h.synapses for h in heard), np.zeros_like(neurons)),
            "synaptic_memory": synaptic,
            "core_memory": synaptic + neurons * state + axons * entry,
            "input_axons": axons,
            "threshold_registers": self._registers(population, cut, "threshold"),
            "decay_registers": self._registers(population, cut, "decays"),
            "synapse_registers": np.full_like(neurons, len(heard)),
        }

    def _registers(self, population: IntegerPopulation, cut: Cut, what: str) -> Counts:
        """Return how many different thresholds, or pairs of decays, the neurons of every block have."""
        grid, neuron = self.grids[population.name], population.neuron
        assert isinstance(neuron, IntegerNeuron)
        numbers = [neuron.threshold] if what == "threshold" else [neuron.decay_u, neuron.decay_v]
        values = [np.zeros((), np.int64) if value is None else value.astype(np.int64) for value in numbers]
        shape = cut.shape
        if all(value.size == 1 for value in values):
            return np.ones(shape, np.int64)
        joined = sum(np.broadcast_to(v, population.shape).astype(np.int64) << 24 * i for i, v in enumerate(values))
        whole = np.reshape(joined, (grid.channels, grid.height, grid.width))
        found = np.empty(shape, np.int64)
        for (r, c, p), _ in np.ndenumerate(found):
            found[r, c, p] = len(np.unique(whole[tuple(slice(*edges) for edges in cut.block(r, c, p))]))
        return found

    def least_bits(self, population: IntegerPopulation) -> int:
        """Return bits that the synapses into a population take however it is cut: weights, where none are shared."""
        return sum(0 if self.shares(reach) else reach.synapses * reach.bits for reach in self.incoming[population.name])

    def input_axons(self, population: IntegerPopulation, cut: Cut) -> int:
        """Return the input axons of a cut of one block."""
        reaches = self.incoming[population.name]
        return sum(int(self._axons(reach, counts)[0]) for reach in reaches for _, counts in reach.blocks(cut))

    def _heard(self, reach: Reach, cut: Cut) -> _Heard:
        parts = reach.parts(cut)
        shape = cut.shape
        axons, synapses, bits = (np.empty(shape, np.int64) for _ in range(3))
        known: dict[object, tuple[Counts, Counts, Counts]] = {}
        for window in reach.windows(cut):
            key = window.alike if reach.kernel is not None else (window.row, window.column)
            if key not in known:
                counts = reach.counts(cut, window, parts)
                known[key] = (
                    self._axons(reach, counts),
                    counts.sum(axis=(1, 2, 3)),
                    self._bits(reach, cut, window, counts, parts),
                )
            place = (window.row, window.column)
            axons[place], synapses[place], bits[place] = known[key]
        return _Heard(axons, synapses, bits)

    def _axons(self, reach: Reach, counts: Counts) -> Counts:
        """Return the input axons of blocks: source neurons, or positions times cores that hold their channels."""
        used = counts > 0
        if self.shares(reach):
            return np.asarray(used.any(axis=1).sum(axis=(1, 2)) * self.parts_of[reach.projection.source])
        return np.asarray(used.sum(axis=(1, 2, 3)))

    def _bits(self, reach: Reach, cut: Cut, window: Window, counts: Counts, parts: Array) -> Counts:
        """Return the bits of the blocks at a place, with the kind of lists that takes least."""
        rows, columns = self._stored(reach, window)
        kinds, ways = self.encoding.lists.value, []
        if "sparse" in kinds:
            stored = counts if rows is window.rows else spread(parts, replace(window, rows=rows, columns=columns))
            entry = reach.bits + self._index_bits(cut)
            ways.append(list_bits(self.encoding, stored, entry).sum(axis=(1, 2, 3)))
        if "dense" in kinds:
            ways.append(self._dense_bits(reach, cut, window, parts, rows, columns))
        if "run_length" in kinds:
            ways += self._run_bits(reach, cut, window, rows, columns)
        return np.asarray(np.min(ways, axis=0), np.int64)

    def _index_bits(self, cut: Cut) -> int:
        """Return the bits that say which neuron of a block a weight is for."""
        sides = [int(np.diff(edges).max()) for edges in (cut.channels, cut.rows, cut.columns)]
        least = self.encoding.index_least
        most = int(self.encoding.index.value)
        return most if least is None else min(most, max(int(least.value), (math.prod(sides) - 1).bit_length()))

    def _dense_bits(self, reach: Reach, cut: Cut, window: Window, parts: Array, rows: Span, columns: Span) -> Counts:
        """Return the bits of lists over the channels of adjacent targets in one row."""
        width = np.diff(cut.channels)
        if reach.kernel is None:
            used = (_inside(cut, window, parts) > 0).any(axis=2)
            across = int(np.diff(cut.columns[window.column :][:2])[0])
            return np.asarray(used.sum(axis=(1, 2)) * list_bits(self.encoding, width * across, reach.bits))
        sets, times = np.unique(columns.meets, axis=1, return_counts=True)
        if reach.kernel.dilation[1] > 1:
            sets, times = np.eye(len(sets)), columns.meets.sum(axis=1)
        used = np.matmul(parts, sets.astype(np.float32)) > 0
        lists = np.einsum("pkx,k->px", used.sum(axis=1), rows.meets.sum(axis=1))
        bits = list_bits(self.encoding, width[:, None] * sets.sum(axis=0).astype(np.int64), reach.bits)
        return np.asarray(np.rint((lists * bits) @ times), np.int64)

    def _run_bits(self, reach: Reach, cut: Cut, window: Window, rows: Span, columns: Span) -> list[Counts]:
        """Return the bits of run-length lists over the channels of one target, for every r."""
        found = []
        for bits, entries in reach.runs.entries(np.array(cut.channels)):
            each = list_bits(self.encoding, entries, reach.bits + bits)
            if reach.kernel is None:
                found.append(_inside(cut, window, each).sum(axis=(1, 2, 3)))
            else:
                sides = rows.meets.sum(axis=1), columns.meets.sum(axis=1)
                found.append(np.asarray(np.rint(np.einsum("pkl,k,l->p", each.sum(axis=1), *sides)), np.int64))
        return found

    def _stored(self, reach: Reach, window: Window) -> tuple[Span, Span]:
        """Return the source positions whose lists a block stores: all, or one of each kind where kernels are shared."""
        if not self.shares(reach) or reach.kernel is None or self.encoding.shared is None:
            return window.rows, window.columns
        if self.encoding.shared.value == "one_copy":
            return _phases(reach, 0), _phases(reach, 1)
        return _classes(window.rows, reach.window[0]), _classes(window.columns, reach.window[1])

    def sent(self, reach: Reach, cut: Cut) -> Counts:
        """Return the output axons that a projection takes: per source neuron, and in the last plane per position."""
        found = self.nobody(reach.projection.source)
        for window, counts in reach.blocks(cut):
            rows, columns = reach.sources(window)
            used = counts > 0
            if self.shares(reach):
                found[-1, rows, columns] += used.any(axis=1).sum(axis=0) * self.slots
            else:
                found[:-1, rows, columns] += used.sum(axis=0)
        return found

    def nobody(self, name: str) -> Counts:
        """Return no output axons: a plane per channel, and one for what all channels of a position take."""
        grid = self.grids[name]
        return np.zeros((grid.channels + 1, grid.height, grid.width), np.int64)

    def least_bytes(self) -> float:
        """Return the bytes of full lists without rounding to words, each stored once: no placement takes less."""
        encoding, total = self.encoding, 0.0
        header = encoding.list_header.value / encoding.list_block.value
        index = encoding.index_least or encoding.index
        indexed = index.value if encoding.lists.value == ("sparse",) else 0
        for reach in self.reaches:
            repeated = reach.window[0] * reach.window[1]
            synapses = reach.used // repeated if self.shares(reach) else reach.synapses
            total += synapses * (reach.bits + indexed + header)
        return total / 8


def _phases(reach: Reach, axis: int) -> Span:
    """Return one source position for every phase of the stride whose lists differ, each meeting all its taps."""
    assert reach.kernel is not None
    stride, window = reach.kernel.stride[axis], reach.window[axis]
    taps = np.arange(reach.kernel.weight.shape[axis + 2]) * reach.kernel.dilation[axis] - reach.kernel.padding[axis]
    return Span(0, (taps[:, None] % stride == np.arange(0, stride, window)).astype(np.float32))


def _classes(span: Span, window: int) -> Span:
    """Return one source position for each set of weights that some position meets; they repeat over ``window`` taps."""
    weights = span.meets.reshape(len(span.meets) // window, window, span.meets.shape[1]).max(axis=1)
    _, chosen = np.unique(weights, axis=1, return_index=True)
    return Span(span.first, span.meets[:, chosen])


def _inside(cut: Cut, window: Window, values: Array) -> Array:
    """Return what of values (parts, rows, columns, ...) of all targets lies at one place."""
    _, rows, columns = cut.block(window.row, window.column, 0)
    return values[:, slice(*rows), slice(*columns)]
