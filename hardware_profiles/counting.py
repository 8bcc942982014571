"""Synaptic operations: event by event in the simulation, and by the paper's Eq. 12, in three modes.

An accumulate operation is one spike over one non-zero synapse, with true borders. By Eq. 12 of Schmolli et al., CPAL
2025, over the steps t and source neurons i::

    AC_l = sum_t sum_i psi_{l,i} s_{l,i,t};        E = E_AC sum_l mean over images of AC_l

Average pooling in front of a convolution splits the meanings of psi:

- ``fused``: a spike inherits the fan-out of the folded kernel, the exact number of synapses that it crosses.
- ``relay``: pooling is apart; every pooled pixel that is not zero in a step costs its own fan-out once.
- ``area_ratio``: Eq. 11, ``psi = (w' h') / (w h) c' k^2`` for all neurons of a layer, times the density of its weights.

The graded input does not spike: its operations are multiply-accumulates, counted for non-zero pixels and kept apart.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spikeport.export.executors import fast
from spikeport.export.geometry import geometry_of, pooled
from spikeport.export.linear import synaptic_sum
from spikeport.export.network import Array, Convolution, IntegerNetwork, IntegerProjection, Shape, Source, Synapses
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Step

Counts = npt.NDArray[np.int64]
MODES = ("fused", "relay", "area_ratio")
BATCH = 20
"""Images whose spikes are held at a time."""


def fan_out(synapses: Synapses, source: Shape, target: Shape) -> Counts:
    """Return psi: the number of non-zero synapses out of every source neuron, shape ``source``."""
    if not isinstance(synapses, Convolution):
        return np.asarray(np.count_nonzero(synapses.weight, axis=0), np.int64).reshape(source)
    taps = _taps_per_input(synapses)
    reach = [_reached(synapses, axis, source[axis + 1], target[axis + 1]) for axis in (0, 1)]
    counts: Counts = np.einsum("ckl,ky,lx->cyx", taps, *reach)
    return counts


def _taps_per_input(synapses: Convolution) -> Counts:
    """Count non-zero weights per (input channel, row, column) over the output channels that read it."""
    used = (synapses.weight != 0).astype(np.int64)
    groups = used.reshape(synapses.groups, -1, *used.shape[1:])
    return np.asarray(groups.sum(axis=1), np.int64).reshape(-1, *used.shape[2:])


def _reached(synapses: Convolution, axis: int, source: int, target: int) -> Counts:
    """Return 1 where a source position meets an output through a kernel entry, (kernel, source)."""
    taps = np.arange(synapses.weight.shape[axis + 2])[:, None] * synapses.dilation[axis]
    offset = np.arange(source)[None] + synapses.padding[axis] - taps
    place, rest = np.divmod(offset, synapses.stride[axis])
    return np.asarray((rest == 0) & (place >= 0) & (place < target), np.int64)


def zeros(network: IntegerNetwork) -> float:
    """Return the share of weights that are zero, kernels with folded pooling as they are."""
    weights = [projection.synapses.weight for projection in network.projections]
    return 1 - sum(int(np.count_nonzero(weight)) for weight in weights) / sum(weight.size for weight in weights)


def is_graded(network: IntegerNetwork, projection: IntegerProjection) -> bool:
    """Return whether a projection carries grey levels, so that it multiplies."""
    source = network.population(projection.source).neuron
    return isinstance(source, Source) and source.levels > 1


def events(projection: IntegerProjection, spikes: Array) -> int:
    """Return the accumulates that ``spikes`` (N, *source) cause: the synaptic sum with every weight replaced by 1."""
    ones = replace(projection.synapses, weight=(projection.synapses.weight != 0).astype(np.int8))
    return int(synaptic_sum(ones, spikes).sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """The spikes of some images by population, uint8 (N, T, *shape), non-zero inputs too, and synapses they crossed."""

    images: int
    spikes: Mapping[str, Array]
    operations: Sequence[int]


def batches(network: IntegerNetwork, stimulus: Stimulus, size: int = BATCH) -> Iterator[Batch]:
    """Run the fast executor, which counts, and yield all spikes, ``size`` images at a time."""
    yield from gather(network, fast.steps(network, stimulus, batch=size, count=True), counted=True)


def gather(network: IntegerNetwork, steps: Iterable[Step], *, counted: bool = False) -> Iterator[Batch]:
    """Yield the spikes of an executor's steps; what it has not ``counted`` itself is counted event by event."""
    for step in steps:
        fired = {network.source.name: step.source != 0, **step.spikes}
        if step.step == 0:
            shape = (len(step.source), network.steps)
            spikes = {name: np.zeros((*shape, *values.shape[1:]), np.uint8) for name, values in fired.items()}
            crossed = [0] * len(network.projections)
        for name, values in fired.items():
            spikes[name][:, step.step] = values
        if not counted:
            each = [events(projection, fired[projection.source]) for projection in network.projections]
            crossed = [a + b for a, b in zip(crossed, each, strict=True)]
        if step.step == network.steps - 1:
            found = step.count.operations if step.count is not None else crossed
            yield Batch(images=len(step.source), spikes=spikes, operations=found)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean, maximum and standard deviation over images."""

    mean: float
    maximum: int
    deviation: float


@dataclass(frozen=True, kw_only=True)
class LayerCount:
    """One projection, totals over all counted images: accumulates, or MACs from a graded input.

    ``simulated`` is counted in the run, ``formula`` is Eq. 12 with psi of mode fused; ``relay`` and ``area_ratio`` are
    Eq. 12 in the other modes. ``synapses`` and ``relay_synapses`` are non-zero, written out.
    """

    source: str
    target: str
    graded: bool
    simulated: int
    formula: int
    relay: int
    area_ratio: float
    synapses: int
    relay_synapses: int
    per_image: Spread

    def accumulates(self, mode: str) -> float:
        """Return the total in one of `MODES`."""
        return float({"fused": self.formula, "relay": self.relay, "area_ratio": self.area_ratio}[mode])


@dataclass(frozen=True, kw_only=True)
class SpikeCount:
    """Spikes of a population over all counted images; the rate is per neuron and step."""

    population: str
    neurons: int
    spikes: int
    rate: float
    per_image: Spread


@dataclass(frozen=True, kw_only=True)
class OperationCounts:
    """What a run cost, over ``images`` images."""

    images: int
    steps: int
    layers: tuple[LayerCount, ...]
    spikes: tuple[SpikeCount, ...]
    per_image: Spread

    @property
    def simulated(self) -> int:
        """Accumulates counted in the run, graded input apart."""
        return sum(layer.simulated for layer in self.layers if not layer.graded)

    @property
    def formula(self) -> int:
        """Accumulates by Eq. 12 in mode fused, graded input apart."""
        return sum(layer.formula for layer in self.layers if not layer.graded)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the graded input, non-zero pixels only."""
        return sum(layer.simulated for layer in self.layers if layer.graded)

    @property
    def fired(self) -> int:
        """Spikes of all neurons."""
        return sum(each.spikes for each in self.spikes)

    def total(self, mode: str) -> float:
        """Return the accumulates by Eq. 12 in one of `MODES`, graded input apart."""
        return sum(layer.accumulates(mode) for layer in self.layers if not layer.graded)


class Counter:
    """Counts a run batch by batch."""

    def __init__(self, network: IntegerNetwork) -> None:
        self.network = network
        self.fans = [_Fans(network, projection) for projection in network.projections]
        self.simulated = [0] * len(self.fans)
        self.relayed = [0] * len(self.fans)
        self.crossed: list[list[Counts]] = [[] for _ in self.fans]
        self.fired: dict[str, list[Counts]] = {p.name: [] for p in network.populations if p.name in _sending(network)}

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        active = {name: values.sum(axis=1, dtype=np.int64) for name, values in batch.spikes.items()}
        for name, counts in active.items():
            self.fired[name].append(counts.reshape(batch.images, -1).sum(axis=1))
        for number, fans in enumerate(self.fans):
            source = fans.projection.source
            self.simulated[number] += int(batch.operations[number])
            each = np.tensordot(active[source], fans.fused, axes=fans.fused.ndim)
            self.crossed[number].append(each)
            self.relayed[number] += fans.relayed(batch.spikes[source], int(each.sum()))

    def counts(self) -> OperationCounts:
        """Return what was counted."""
        images = sum(len(each) for each in self.fired[self.network.source.name])
        layers, accumulates = [], np.zeros(images, np.int64)
        for number, fans in enumerate(self.fans):
            per_image = np.concatenate(self.crossed[number])
            accumulates += 0 if fans.graded else per_image
            layers.append(
                LayerCount(
                    source=fans.projection.source,
                    target=fans.projection.target,
                    graded=fans.graded,
                    simulated=self.simulated[number],
                    formula=int(per_image.sum()),
                    relay=self.relayed[number],
                    area_ratio=fans.area_ratio * int(np.concatenate(self.fired[fans.projection.source]).sum()),
                    synapses=int(fans.fused.sum()),
                    relay_synapses=int(fans.relay.sum()),
                    per_image=_spread(per_image),
                )
            )
        return OperationCounts(
            images=images,
            steps=self.network.steps,
            layers=tuple(layers),
            spikes=tuple(self._spikes(population.name, images) for population in self.network.spiking),
            per_image=_spread(accumulates),
        )

    def _spikes(self, name: str, images: int) -> SpikeCount:
        per_image, neurons = np.concatenate(self.fired[name]), int(np.prod(self.network.population(name).shape))
        total = int(per_image.sum())
        rate = total / (neurons * images * self.network.steps)
        return SpikeCount(population=name, neurons=neurons, spikes=total, rate=rate, per_image=_spread(per_image))


def count(network: IntegerNetwork, found: Iterable[Batch]) -> OperationCounts:
    """Count every projection of a run, in the simulation and by Eq. 12."""
    counter = Counter(network)
    for batch in found:
        counter.add(batch)
    return counter.counts()


class _Fans:
    """psi of one projection in every mode."""

    def __init__(self, network: IntegerNetwork, projection: IntegerProjection) -> None:
        source = network.population(projection.source)
        self.projection = projection
        self.graded = is_graded(network, projection)
        self.fused = fan_out(projection.synapses, source.shape, projection.output_shape(source.shape))
        geometry, self.window = pooled(geometry_of(network, projection))
        self.relay = self.fused
        if self.window != (1, 1):
            shape = (geometry.source.channels, geometry.source.height, geometry.source.width)
            self.relay = fan_out(geometry.kernel, shape, geometry.kernel.output_shape(shape))
        self.area_ratio = self._area_ratio(projection.synapses, geometry.weight, source.shape)

    def _area_ratio(self, synapses: Synapses, weight: Array, source: Shape) -> float:
        """Return Eq. 10 for dense synapses and Eq. 11 for convolutions, times the density of the weights."""
        density = np.count_nonzero(weight) / weight.size
        if not isinstance(synapses, Convolution):
            return float(len(synapses.weight) * density)
        _, height, width = synapses.output_shape(source)
        outputs = len(weight) / synapses.groups
        kernel = weight.shape[2] * weight.shape[3]
        return float(height * width / (source[1] * source[2]) * outputs * kernel * density)

    def relayed(self, spikes: Array, fused: int) -> int:
        """Return the accumulates of pooled pixels that are not zero; ``fused`` where nothing is pooled."""
        if self.window == (1, 1):
            return fused
        rows, columns = self.window
        images, steps, channels, height, width = spikes.shape
        windows = spikes.reshape(images * steps, channels, height // rows, rows, width // columns, columns)
        used = windows.any(axis=(3, 5)).sum(axis=0, dtype=np.int64)
        return int((used * self.relay).sum())


def _sending(network: IntegerNetwork) -> set[str]:
    return {network.source.name, *(population.name for population in network.spiking)}


def _spread(values: Counts) -> Spread:
    return Spread(mean=float(values.mean()), maximum=int(values.max()), deviation=float(values.std()))
