"""What every core of a placement does during a run: accumulates, and messages between cores.

A spike is one message per projection to every core that holds a synapse of its neuron there, and takes as many hops as
the tiles of its cores lie apart on the mesh (`placement.mesh`), where both lie on one chip. Spikes of the input come
from the host: their messages are counted apart, and their way is not known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spikeport.export.geometry import AnyProjection, Grid
from spikeport.export.network import Array, Network
from spikeport.export.stimulus import Stimulus
from spikeport.hardware_profiles.chip_steps import ChipSteps, StepTimes, Work
from spikeport.hardware_profiles.counting import Batch, batches, counted, is_graded
from spikeport.hardware_profiles.encoding import Counts
from spikeport.hardware_profiles.placement import Placement
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut, Patch
from spikeport.hardware_profiles.placement.mesh import Mesh
from spikeport.hardware_profiles.placement.traffic import core_of_neurons
from spikeport.hardware_profiles.result import Result


@dataclass(frozen=True, kw_only=True, eq=False)
class CoreLoad(Result):
    """Per core, in the order of the placement; per image, if not said otherwise.

    ``operations`` are accumulates, mean and largest over images; the MACs of a graded input are not among them, they
    may be the host's. ``messages``, ``hops`` (vertical, horizontal) and ``off_chip`` (messages to another chip, whose
    way is not known) are those of a mean image, ``host_messages`` those of the input's spikes, which the host sends;
    a graded input sends none, as the host does the first layer. ``host_axons`` are the input axons that the cores
    take for the input, graded or not. ``times`` are the seconds of the slowest core in the steps of the chip.
    """

    derived: ClassVar[tuple[str, ...]] = ("bottleneck",)

    operations: Array
    operations_max: Counts
    messages: float
    hops: tuple[float, float]
    off_chip: float
    host_messages: float = 0.0
    host_axons: int = 0
    times: StepTimes

    @property
    def bottleneck(self) -> int:
        """The core with the most operations."""
        return int(np.argmax(self.operations))


def core_load(network: Network, stimulus: Stimulus, placement: Placement) -> CoreLoad:
    """Run ``network`` on ``stimulus`` and return what every core of ``placement`` does, exactly."""
    return core_loads(network, stimulus, [placement])[0]


def core_loads(network: Network, stimulus: Stimulus, placements: Sequence[Placement]) -> list[CoreLoad]:
    """Run ``network`` once and return the load of each of several placements."""
    if not placements:
        return []
    both = counted(network, stimulus)
    loads = [LoadCounter(both.synapses, placement) for placement in placements]
    for batch in batches(both, stimulus):
        for each in loads:
            each.add(batch)
    return [each.load() for each in loads]


class LoadCounter:
    """Adds up what the cores of a placement do, batch by batch."""

    def __init__(self, network: Network, placement: Placement) -> None:
        self.network, self.placement = network, placement
        self.grids = {p.name: Grid.of(p.shape) for p in network.populations}
        projections: tuple[AnyProjection, ...] = network.projections
        both = {number: BlockFanOut(network, projection) for number, projection in enumerate(projections)}
        graded = [number for number, projection in enumerate(projections) if is_graded(network, projection)]
        self.fan_outs = {number: fan_out for number, fan_out in both.items() if number not in graded}
        self.graded = [both[number] for number in graded if any(projections[number] is p for p in network.on_chip)]
        self.mesh, self.numbers = Mesh(placement.cores_per_chip), np.array(placement.numbers)
        self.home_of = {name: core_of_neurons(cut, placement.core_of[name]) for name, cut in placement.cuts.items()}
        self.chip_steps = ChipSteps(network, placement, self.fan_outs, self.home_of)
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
        grid, spikes = self.grids[fan_out.projection.source], batch.spikes[fan_out.projection.source]
        spikes = spikes.reshape(-1, grid.channels, grid.height, grid.width)
        shape = (batch.images, self.network.steps, -1)
        for patch, counts, cores in self._blocks(fan_out):
            rows, columns = fan_out.sources(patch)
            synapses = counts.reshape(len(counts), -1)
            exact = np.float32 if synapses.sum(axis=1).max() < 2**24 else np.float64
            arriving = spikes[:, :, rows, columns].reshape(len(spikes), -1).astype(exact)
            done = (arriving @ synapses.T.astype(exact)).reshape(shape).astype(np.int64)
            operations[:, cores] += done.sum(axis=1)
            self.chip_steps.arrive(number, work, cores, arriving, synapses, done)

    def _blocks(self, fan_out: BlockFanOut) -> Iterator[tuple[Patch, Counts, Counts]]:
        """Yield the patches of a projection's target with the synapses into their blocks, and the blocks' cores."""
        target = fan_out.projection.target
        cut, cores = self.placement.cuts[target], self.placement.core_of[target]
        for first, (patch, counts) in zip(cut.firsts, fan_out.blocks(cut), strict=False):
            yield patch, counts, cores[first : first + len(counts)]

    def load(self) -> CoreLoad:
        """Return the load of a mean image, and the most of any."""
        operations = np.concatenate(self.operations)
        spiking = list(self.fan_outs.values())
        own = [fan_out for fan_out in spiking if fan_out.projection.source in self.home_of]
        messages, off_chip, *hops = np.sum([np.zeros(4), *map(self._traffic, own)], axis=0)
        host = [self._host(fan_out) for fan_out in (*spiking, *self.graded) if fan_out not in own]
        sent, axons = (sum(each) for each in zip((0, 0), *host, strict=True))
        images = len(operations)
        return CoreLoad(
            operations=operations.mean(axis=0),
            operations_max=operations.max(axis=0),
            messages=float(messages / images),
            hops=(float(hops[0] / images), float(hops[1] / images)),
            off_chip=float(off_chip / images),
            host_messages=float(sent / images),
            host_axons=axons,
            times=self.chip_steps.times(),
        )

    def _host(self, fan_out: BlockFanOut) -> tuple[int, int]:
        """Return the messages of the input's spikes over a projection, all images, and the input axons they take."""
        spikes, sent, axons = self._spikes(fan_out), 0, 0
        for patch, counts, _ in self._blocks(fan_out):
            used = counts > 0
            axons += int(np.count_nonzero(used))
            sent += int((used * spikes[(slice(None), *fan_out.sources(patch))]).sum())
        return (0 if fan_out in self.graded else sent), axons

    def _spikes(self, fan_out: BlockFanOut) -> Counts:
        grid = self.grids[fan_out.projection.source]
        return self.spikes[fan_out.projection.source].reshape(grid.channels, grid.height, grid.width)

    def _traffic(self, fan_out: BlockFanOut) -> Counts:
        """Return messages, those to other chips, vertical and horizontal hops of a projection, all images."""
        total, spikes = np.zeros(4, np.int64), self._spikes(fan_out)
        homes = self.home_of[fan_out.projection.source]
        for patch, counts, cores in self._blocks(fan_out):
            inside = (slice(None), *fan_out.sources(patch))
            sent = (counts > 0) * spikes[inside]
            start = self.mesh.places(self.numbers[homes[inside]])
            end = self.mesh.places(self.numbers[cores][:, None, None, None])
            on_chip = sent * (start[0] == end[0])
            down, across = (np.abs(start[axis] - end[axis]) for axis in (1, 2))
            total += (sent.sum(), (sent - on_chip).sum(), (on_chip * down).sum(), (on_chip * across).sum())
        return total
