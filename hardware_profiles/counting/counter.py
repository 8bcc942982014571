"""Counts a run, batch by batch: by Eq. 12 in every mode, and on sampled images in two other ways."""

import math
from collections.abc import Iterable

import numpy as np

from spikeport.export.network import FloatNetwork, Network
from spikeport.export.three_counts import compared, verification
from spikeport.export.trace import Sampled
from spikeport.hardware_profiles.counting.fan_outs import Counts, FanOuts
from spikeport.hardware_profiles.counting.parts import parts
from spikeport.hardware_profiles.counting.results import LayerCount, OperationCounts, SpikeCount, Spread
from spikeport.hardware_profiles.counting.run import Batch


class Counter:
    """Adds up operations per projection and spikes per population; sampled images are counted in all three ways."""

    def __init__(self, network: Network) -> None:
        heard = {projection.source for projection in network.projections}
        sources = {network.source.name, *(population.name for population in network.spiking), *heard}
        self.network = network
        self.fan_outs = [FanOuts(network, projection) for projection in network.projections]
        self.relay = [0] * len(self.fan_outs)
        self.per_image: list[list[Counts]] = [[] for _ in self.fan_outs]
        self.spikes: dict[str, list[Counts]] = {p.name: [] for p in network.populations if p.name in sources}
        self.active = dict.fromkeys(self.spikes, 0)
        self.sampled: list[int] = []
        self.compared: list[Counts] = []

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        active = {name: values.sum(axis=1, dtype=np.int64) for name, values in batch.spikes.items()}
        for name, counts in active.items():
            self.spikes[name].append(counts.reshape(batch.images, -1).sum(axis=1))
            self.active[name] += int(np.count_nonzero(batch.spikes[name]))
        for number, fan_outs in enumerate(self.fan_outs):
            source = fan_outs.projection.source
            formula = np.tensordot(active[source], fan_outs.fused, axes=fan_outs.fused.ndim)
            self.per_image[number].append(formula)
            self.relay[number] += fan_outs.relay_operations(batch.spikes[source], int(formula.sum()))

        for image in batch.sampled:
            self._compare(image)

    def _compare(self, image: Sampled) -> None:
        """Count a sampled image in every way; the reference counts the first, and all of a float network."""
        first = not self.sampled or isinstance(self.network, FloatNetwork)
        on_chip = self.network.on_chip
        psi = [fan_outs.fused for fan_outs in self.fan_outs if fan_outs.projection in on_chip]
        self.compared.append(compared(on_chip, psi, image, first=first))
        self.sampled.append(image.image)

    def counts(self) -> OperationCounts:
        """Return the totals of all batches."""
        network = self.network
        images = sum(len(each) for each in self.spikes[network.source.name])
        layers = tuple(self._layer(number, part) for number, part in enumerate(parts(network)))
        accumulates = np.zeros(images, np.int64)
        for fan_outs, per_image in zip(self.fan_outs, self.per_image, strict=True):
            if not fan_outs.graded:
                accumulates += np.concatenate(per_image)
        return OperationCounts(
            images=images,
            steps=network.steps,
            neurons=sum(math.prod(population.shape) for population in network.neurons),
            layers=layers,
            spikes=tuple(self._spikes(population.name, images) for population in network.spiking),
            per_image=_spread(accumulates),
            verification=verification(network, self.sampled, self.compared),
        )

    def _layer(self, number: int, part: str) -> LayerCount:
        fan_outs, per_image = self.fan_outs[number], np.concatenate(self.per_image[number])
        spikes = int(np.concatenate(self.spikes[fan_outs.projection.source]).sum())
        return LayerCount(
            source=fan_outs.projection.source,
            target=fan_outs.projection.target,
            graded=fan_outs.graded,
            formula=int(per_image.sum()),
            relay=self.relay[number],
            area_ratio=fan_outs.area_ratio * spikes,
            synapses=int(fan_outs.fused.sum()),
            relay_synapses=int(fan_outs.relay.sum()),
            per_image=_spread(per_image),
            part=part,
        )

    def _spikes(self, name: str, images: int) -> SpikeCount:
        per_image, neurons = np.concatenate(self.spikes[name]), math.prod(self.network.population(name).shape)
        total = int(per_image.sum())
        rate = total / (neurons * images * self.network.steps)
        return SpikeCount(
            population=name,
            neurons=neurons,
            spikes=total,
            active=self.active[name],
            rate=rate,
            per_image=_spread(per_image),
        )


def count_batches(network: Network, run: Iterable[Batch]) -> OperationCounts:
    """Count every projection of a run by Eq. 12, and sampled images in every way."""
    counter = Counter(network)
    for batch in run:
        counter.add(batch)
    return counter.counts()


def _spread(values: Counts) -> Spread:
    return Spread(mean=float(values.mean()), maximum=int(values.max()), deviation=float(values.std()))
