"""Seconds of the slowest core in every step of the chip, on which populations run staggered.

A population runs its step t in chip step ``t + depth`` (`Network.depths`), and its spikes arrive in the same chip step,
so the synapses that they cross are work of that chip step. One sample alone takes ``T + the largest depth`` chip
steps. Back to back, samples follow each other every ``P = T + the longest delay`` chip steps, as in Lava: the
samples of a run in their order and after the last the first again, so that all populations always work.

Of a core in a chip step, with the numbers of its neurons (N), of those that fire, of messages and of synapses::

    neurons  = N t_update + N_firing (t_active - t_update) + N_sent t_sent
    synapses = N_received t_received + N_accumulates t_accumulate
    reads    = N_words t_read
    arriving = N_received t_link;   leaving = N_sent t_link

A message reads at least the words of a list of its weights, without zeros and indices.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from spikeport.export.errors import NetworkError
from spikeport.export.network import Array, Network
from spikeport.hardware_profiles.core_stages import Stage
from spikeport.hardware_profiles.counting import Batch
from spikeport.hardware_profiles.encoding import Counts, list_bits
from spikeport.hardware_profiles.placement import Placement
from spikeport.hardware_profiles.placement.block_fan_out import BlockFanOut


@dataclass(frozen=True, kw_only=True, eq=False)
class StepTimes:
    """Seconds of the slowest core by kind of work: ``alone`` (images, T + D) and ``back_to_back`` (images * P,).

    ``latency_steps`` are T + D, ``interval_steps`` P. ``constants`` are the keys of the profile's latency in them. Both
    are empty where ``refused`` says why the populations have no depths.
    """

    alone: Mapping[str, Array]
    back_to_back: Mapping[str, Array]
    images: int
    latency_steps: int
    interval_steps: int
    constants: tuple[str, ...]
    refused: str = ""


class Work:
    """What arrives at the cores in the steps of a batch from populations of one depth, (images, T, cores)."""

    def __init__(self, images: int, steps: int, cores: int) -> None:
        self.seconds = np.zeros((images, steps, cores))
        self.messages = np.zeros_like(self.seconds)
        self.words = np.zeros_like(self.seconds)


class ChipSteps:
    """Adds up seconds of cores, batch by batch.

    ``fan_outs`` are those of the projections that carry spikes, by number; ``core_of`` says on which core every neuron
    of a population lies.
    """

    def __init__(
        self, network: Network, placement: Placement, fan_outs: Mapping[int, BlockFanOut], core_of: Mapping[str, Counts]
    ) -> None:
        self.placement, self.fan_outs, self.core_of = placement, fan_outs, core_of
        self.cores, self.steps, self.images = len(placement.cores), network.steps, 0
        self.depths, self.period, self.refused = _timing(network)
        self.by_depth: dict[int, list[int]] = {}
        for number, fan_out in fan_outs.items():
            self.by_depth.setdefault(self.depths[fan_out.projection.source], []).append(number)
        self.used: set[str] = set()
        self.accumulate = {number: self._accumulate(number) for number in fan_outs}
        self.received, self.read = self._time("message_received"), self._time("memory_read")
        self.update, self.link = self._time("neuron_update"), self._time("link_message")
        self.firing, self.sending = self._time("neuron_update_active", "neuron_update"), self._time("message_sent")
        self.stages = self._stages()
        self.blocks = {name: _blocks(cores) for name, cores in core_of.items()}
        self.sent = {name: np.zeros(cores.shape, np.int64) for name, cores in core_of.items()}
        if self.sending or self.link:
            self._count_ways()

    def _time(self, *names: str) -> float:
        """Return the first of the profile's constants that it has, in seconds, and keep its name; 0 without one."""
        for name in names:
            constant = getattr(self.placement.profile.latency, name)
            if constant is not None:
                self.used.add(name)
                return float(constant.value)
        return 0.0

    def _accumulate(self, number: int) -> float:
        shared = ("accumulate_shared",) if number in self.placement.shared else ()
        return self._time(*shared, "accumulate")

    def _stages(self) -> dict[str, Stage]:
        """Return the kinds of work that the profile has a time of."""
        ends = [fan_out.projection for fan_out in self.fan_outs.values()]
        arriving = self._pairs((each.source, each.target) for each in ends)
        own = self._pairs((name, name) for name in self.core_of)
        idle = self.update * np.array([core.use.neurons for core in self.placement.cores], float)
        stages = {}
        if self.update or self.firing or self.sending:
            stages["neurons"] = Stage(own, self.cores, idle)
        if any(self.accumulate.values()) or self.received:
            stages["synapses"] = Stage(arriving, self.cores)
        if self.read:
            stages["reads"] = Stage(arriving, self.cores)
        if self.link:
            stages |= {"arriving": Stage(arriving, self.cores), "leaving": Stage(own, self.cores)}
        return stages

    def _pairs(self, ends: Iterable[tuple[str, str]]) -> dict[int, Counts]:
        """Return the cores of the second population of each pair by the depth of the first."""
        found: dict[int, list[Counts]] = {}
        for source, target in ends:
            found.setdefault(self.depths[source], []).append(self.core_of[target].ravel())
        return {depth: np.unique(np.concatenate(cores)) for depth, cores in found.items()}

    def _count_ways(self) -> None:
        """Count the cores that every neuron sends its spikes to; the input's messages are the host's."""
        for fan_out in self.fan_outs.values():
            sent = self.sent.get(fan_out.projection.source)
            if sent is not None:
                for patch, counts in fan_out.blocks(self.placement.cuts[fan_out.projection.target]):
                    rows, columns = fan_out.sources(patch)
                    sent[:, rows, columns] += (counts > 0).sum(axis=0)

    def arrive(self, number: int, work: Work, cores: Counts, arriving: Array, synapses: Counts, done: Counts) -> None:
        """Add what the spikes of one projection cause on ``cores``.

        ``arriving`` are spikes (images * T, sources), ``synapses`` those of every source on each core, ``done`` the
        accumulates (images, T, cores).
        """
        messages = (arriving @ (synapses > 0).T.astype(arriving.dtype)).reshape(done.shape).astype(np.int64)
        work.messages[:, :, cores] += messages
        work.seconds[:, :, cores] += self.accumulate[number] * done + self.received * messages
        if self.read:
            words = self._words(number, synapses).T.astype(np.float64)
            work.words[:, :, cores] += (arriving @ words).reshape(done.shape)

    def _words(self, number: int, synapses: Counts) -> Counts:
        """Return the words that a message reads, by the number of its synapses on a core."""
        encoding = self.placement.profile.encoding
        if encoding is None:
            return np.asarray(synapses > 0, np.int64)
        return np.asarray(list_bits(encoding, synapses, self.fan_outs[number].bits) // int(encoding.word.value))

    def add_arriving(self, depth: int, work: Work) -> None:
        """Add what the spikes of all populations of one depth cause in a batch."""
        if "synapses" in self.stages:
            self.stages["synapses"].add(depth, work.seconds)
        if "reads" in self.stages:
            self.stages["reads"].add(depth, self.read * work.words)
        if "arriving" in self.stages:
            self.stages["arriving"].add(depth, self.link * work.messages)

    def add_spikes(self, batch: Batch) -> None:
        """Add what the spikes of a batch cost the cores of their own neurons, and count its images."""
        self.images += batch.images
        shape = (batch.images, self.steps, self.cores)
        for depth in sorted({self.depths[name] for name in self.core_of}):
            firing, leaving = np.zeros(shape), np.zeros(shape)
            for name in self.core_of:
                if self.depths[name] == depth and name in batch.spikes:
                    self._count_spikes(name, batch.spikes[name], firing, leaving)
            if "neurons" in self.stages:
                self.stages["neurons"].add(depth, (self.firing - self.update) * firing + self.sending * leaving)
            if "leaving" in self.stages:
                self.stages["leaving"].add(depth, self.link * leaving)

    def _count_spikes(self, name: str, spikes: Array, firing: Array, leaving: Array) -> None:
        """Count, core by core and image by image, the neurons of a population that fire and the messages they send."""
        order, there, first = self.blocks[name]
        for image, unordered in enumerate(spikes.reshape(len(spikes), self.steps, -1)):
            values = unordered[:, order]
            if self.firing != self.update:
                firing[image][:, there] += np.add.reduceat(values != 0, first, axis=1, dtype=np.int64)
            if self.sending or self.link:
                messages = values * self.sent[name].ravel()[order]
                leaving[image][:, there] += np.add.reduceat(messages, first, axis=1, dtype=np.int64)

    def times(self) -> StepTimes:
        """Return the seconds of the slowest core in every chip step."""
        alone, ring = {}, {}
        width = self.steps + max(self.depths.values())
        for name, stage in {} if self.refused else self.stages.items():
            alone[name] = stage.slowest((self.images, width), partial(staggered, width=width))
            ring[name] = stage.slowest((self.images * self.period,), partial(in_a_ring, period=self.period))
        return StepTimes(
            alone=alone,
            back_to_back=ring,
            images=self.images,
            latency_steps=width,
            interval_steps=self.period,
            constants=tuple(sorted(self.used)),
            refused=self.refused,
        )


def _timing(network: Network) -> tuple[dict[str, int], int, str]:
    """Return the depth of every population, the chip steps from sample to sample, and why there are none."""
    short = network.with_short_delays()
    period = network.steps + max((projection.delay for projection in short.projections), default=0)
    try:
        return short.depths(), period, ""
    except NetworkError as error:
        return dict.fromkeys((population.name for population in network.populations), 0), period, str(error)


def _blocks(cores: Counts) -> tuple[Counts, Counts, Counts]:
    """Return the neurons in the order of their cores, these cores, and where the neurons of each begin."""
    order = np.argsort(cores, axis=None, kind="stable")
    return order, *np.unique(cores.ravel()[order], return_index=True)


def staggered(trace: Array, depth: int, idle: float, *, width: int) -> Array:
    """Return a trace (images, T) that starts in chip step ``depth`` of ``width``, with ``idle`` around it."""
    return np.pad(trace, ((0, 0), (depth, width - depth - trace.shape[1])), constant_values=idle)


def in_a_ring(trace: Array, depth: int, idle: float, *, period: int) -> Array:
    """Return a trace (images, T), an image every ``period`` chip steps, shifted by ``depth`` and closed to a ring."""
    return np.roll(np.pad(trace, ((0, 0), (0, period - trace.shape[1])), constant_values=idle).ravel(), depth)
