"""What every core of a placement does during a run: accumulates, and messages between cores.

A spike is one message per projection to every core that holds a synapse of its neuron there. Cores are numbered in the
order of the placement and laid row by row on a mesh of tiles of four cores, eight tiles to a row, as on Loihi; a
message on its way takes as many hops as its tiles lie apart. That numbering is ours: a better one takes fewer hops.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spikeport.export.geometry import AnyProjection, Grid
from spikeport.export.network import Array, Network, Source
from spikeport.export.stimulus import Stimulus
from spikeport.hardware_profiles.chip_steps import ChipSteps, StepTimes, Work
from spikeport.hardware_profiles.counting import Batch, batches, counted, is_graded
from spikeport.hardware_profiles.encoding import Counts
from spikeport.hardware_profiles.placement import Placement
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut
from spikeport.hardware_profiles.placement.cuts import Cut
from spikeport.hardware_profiles.result import Result

CORES_PER_TILE = 4
TILES_PER_ROW = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class CoreLoad(Result):
    """Per core, in the order of the placement; per image, if not said otherwise.

    ``operations`` are accumulates, mean and largest over images; the MACs of a graded input are not among them, they
    may be the host's. ``messages``, ``hops`` (vertical, horizontal) and ``off_chip`` (messages to another chip, whose
    way is not known) are those of a mean image. ``times`` are the seconds of the slowest core in the steps of the chip.
    """

    derived: ClassVar[tuple[str, ...]] = ("bottleneck",)

    operations: Array
    operations_max: Counts
    messages: float
    hops: tuple[float, float]
    off_chip: float
    times: StepTimes

    @property
    def bottleneck(self) -> int:
        """The core with the most operations."""
        return int(np.argmax(self.operations))


def core_load(network: Network, stimulus: Stimulus, placement: Placement) -> CoreLoad:
    """Run ``network`` on ``stimulus`` and return what every core of ``placement`` does, exactly."""
    both = counted(network, stimulus)
    loads = LoadCounter(both.synapses, placement)
    for batch in batches(both, stimulus):
        loads.add(batch)
    return loads.load()


class LoadCounter:
    """Adds up what the cores of a placement do, batch by batch."""

    def __init__(self, network: Network, placement: Placement) -> None:
        self.network, self.placement = network, placement
        self.first_core: dict[str, int] = {}
        for number, core in enumerate(placement.cores):
            self.first_core.setdefault(core.population, number)
        self.grids = {p.name: Grid.of(p.shape) for p in network.populations}
        projections: tuple[AnyProjection, ...] = network.projections
        spiking = {number: each for number, each in enumerate(projections) if not is_graded(network, each)}
        self.fan_outs = {number: BlockFanOut(network, projection) for number, projection in spiking.items()}
        self.core_of = {name: self._cores_of_neurons(name, cut) for name, cut in placement.cuts.items()}
        self.chip_steps = ChipSteps(network, placement, self.fan_outs, self.core_of)
        self.operations: list[Counts] = []
        self.spikes = {p.name: np.zeros(p.shape, np.int64) for p in network.populations}

    def add(self, batch: Batch) -> None:
        """Add the work of a batch."""
        operations = np.zeros((batch.images, len(self.placement.cores)), np.int64)
        for name, values in batch.spikes.items():
            self.spikes[name] += values.sum(axis=(0, 1), dtype=np.int64)
        for depth, numbers in self.chip_steps.by_depth.items():
            work = Work(batch.images, self.network.steps, len(self.placement.cores))
            for number in numbers:
                self._add(number, batch, operations, work)
            self.chip_steps.add_arriving(depth, work)
        self.chip_steps.add_spikes(batch)
        self.operations.append(operations)

    def _add(self, number: int, batch: Batch, operations: Counts, work: Work) -> None:
        fan_out = self.fan_outs[number]
        projection, cut = fan_out.projection, self.placement.cuts[fan_out.projection.target]
        grid = self.grids[projection.source]
        spikes = batch.spikes[projection.source]
        spikes = spikes.reshape(-1, grid.channels, grid.height, grid.width)
        shape = (batch.images, self.network.steps, -1)
        for patch, counts in fan_out.blocks(cut):
            rows, columns = fan_out.sources(patch)
            synapses = counts.reshape(len(counts), -1)
            exact = np.float32 if synapses.sum(axis=1).max() < 2**24 else np.float64
            arriving = spikes[:, :, rows, columns].reshape(len(spikes), -1).astype(exact)
            cores = self._cores(projection.target, cut, patch.row, patch.column)
            done = (arriving @ synapses.T.astype(exact)).reshape(shape).astype(np.int64)
            operations[:, cores] += done.sum(axis=1)
            self.chip_steps.arrive(number, work, cores, arriving, synapses, done)

    def _cores(self, name: str, cut: Cut, row: int, column: int) -> Counts:
        """Return the cores of a patch's channel parts; cores are numbered channels first, then rows, columns."""
        rows, columns = len(cut.rows) - 1, len(cut.columns) - 1
        parts = np.arange(len(cut.channels) - 1)
        return self.first_core[name] + (parts * rows + row) * columns + column

    def _cores_of_neurons(self, name: str, cut: Cut) -> Counts:
        """Return the core of every neuron, (channels, rows, columns)."""
        cores = np.zeros((cut.channels[-1], cut.rows[-1], cut.columns[-1]), np.int64)
        for row in range(len(cut.rows) - 1):
            for column in range(len(cut.columns) - 1):
                per_channel = np.repeat(self._cores(name, cut, row, column), np.diff(cut.channels))
                inside = (slice(*cut.rows[row : row + 2]), slice(*cut.columns[column : column + 2]))
                cores[:, inside[0], inside[1]] = per_channel[:, None, None]
        return cores

    def load(self) -> CoreLoad:
        """Return the load of a mean image, and the most of any."""
        operations = np.concatenate(self.operations)
        messages, off_chip, *hops = np.sum([np.zeros(4), *map(self._traffic, self.fan_outs.values())], axis=0)
        images = len(operations)
        return CoreLoad(
            operations=operations.mean(axis=0),
            operations_max=operations.max(axis=0),
            messages=float(messages / images),
            hops=(float(hops[0] / images), float(hops[1] / images)),
            off_chip=float(off_chip / images),
            times=self.chip_steps.times(),
        )

    def _traffic(self, fan_out: BlockFanOut) -> Counts:
        """Return messages, those to other chips, vertical and horizontal hops of a projection, all images.

        The input's messages are the host's and not among them.
        """
        source, target = fan_out.projection.source, fan_out.projection.target
        if isinstance(self.network.population(source).neuron, Source):
            return np.zeros(4, np.int64)
        cut, total = self.placement.cuts[target], np.zeros(4, np.int64)
        grid = self.grids[source]
        spikes = self.spikes[source].reshape(grid.channels, grid.height, grid.width)
        for patch, counts in fan_out.blocks(cut):
            rows, columns = fan_out.sources(patch)
            sent = (counts > 0) * spikes[:, rows, columns]
            start = self._places(self.core_of[source][:, rows, columns])
            end = self._places(self._cores(target, cut, patch.row, patch.column)[:, None, None, None])
            on_chip = sent * (start[0] == end[0])
            down, across = (np.abs(start[axis] - end[axis]) for axis in (1, 2))
            total += (sent.sum(), (sent - on_chip).sum(), (on_chip * down).sum(), (on_chip * across).sum())
        return total

    def _places(self, cores: Counts) -> tuple[Counts, Counts, Counts]:
        """Return chip, row and column of the tiles of cores."""
        chip, core = np.divmod(cores, self.placement.cores_per_chip)
        return chip, *np.divmod(core // CORES_PER_TILE, TILES_PER_ROW)
