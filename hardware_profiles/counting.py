"""Synaptic operations, counted twice: event by event in the simulation, and by the paper's Eq. 12.

An accumulate operation is one spike over one non-zero synapse, with true borders (mode ``fused``: a spike into a
pooled convolution inherits the fan-out of the pooled kernel). By Eq. 12 of Schmolli et al., CPAL 2025::

    AC_l = sum_t sum_i psi_{l,i} s_{l,i,t};        E = E_AC sum_l mean over images of AC_l

The graded input does not spike: its operations are multiply-accumulates, counted for non-zero pixels and kept apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from export.linear import synaptic_sum
from export.network import Array, Convolution, IntegerNetwork, IntegerProjection, Shape, Source, Synapses
from export.trace import Count, Step

Counts = npt.NDArray[np.int64]


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


def events(projection: IntegerProjection, spikes: Array) -> int:
    """Return the accumulates that ``spikes`` (N, *source) cause: the synaptic sum with every weight replaced by 1."""
    ones = replace(projection.synapses, weight=(projection.synapses.weight != 0).astype(np.int8))
    return int(synaptic_sum(ones, spikes).sum())


@dataclass(frozen=True, kw_only=True)
class LayerCount:
    """Totals over all counted images; ``simulated`` and ``formula`` are accumulates, or MACs from the input."""

    source: str
    target: str
    graded: bool
    simulated: int
    formula: int
    synapses: int


@dataclass(frozen=True, kw_only=True)
class SpikeCount:
    """Spikes of a population over all counted images; the rate is per neuron and step."""

    population: str
    neurons: int
    spikes: int
    rate: float


@dataclass(frozen=True, kw_only=True)
class OperationCounts:
    """What a run cost, over ``images`` images."""

    images: int
    steps: int
    layers: tuple[LayerCount, ...]
    spikes: tuple[SpikeCount, ...]

    @property
    def simulated(self) -> int:
        """Accumulates counted event by event, graded input apart."""
        return sum(layer.simulated for layer in self.layers if not layer.graded)

    @property
    def formula(self) -> int:
        """Accumulates by Eq. 12, graded input apart."""
        return sum(layer.formula for layer in self.layers if not layer.graded)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the graded input, non-zero pixels only."""
        return sum(layer.simulated for layer in self.layers if layer.graded)


def count(network: IntegerNetwork, steps: Iterable[Step]) -> OperationCounts:
    """Fold over the steps of a run and count every projection both ways."""
    simulated = [0] * len(network.projections)
    active = {p.name: np.zeros(p.shape, np.int64) for p in network.populations}
    images = 0
    for step in steps:
        images = max(images, step.rows.stop)
        fired = {network.source.name: step.source != 0, **step.spikes}
        for name, spikes in fired.items():
            active[name] += np.count_nonzero(spikes, axis=0)
        for index, projection in enumerate(network.projections):
            simulated[index] += events(projection, fired[projection.source])
    return _counts(network, simulated, active, images)


def gathered(network: IntegerNetwork, counts: Iterable[Count], images: int) -> OperationCounts:
    """Return the same from what the fast executor counted while it ran on ``images`` samples."""
    simulated = [0] * len(network.projections)
    active = {p.name: np.zeros(p.shape, np.int64) for p in network.populations}
    for found in counts:
        simulated = [before + more for before, more in zip(simulated, found.operations, strict=True)]
        for name, spikes in found.active.items():
            active[name] += spikes
    return _counts(network, simulated, active, images)


def _counts(network: IntegerNetwork, simulated: list[int], active: dict[str, Counts], images: int) -> OperationCounts:
    layers = tuple(
        _layer(network, projection, total, active[projection.source])
        for projection, total in zip(network.projections, simulated, strict=True)
    )
    spikes = tuple(_rate(p.name, active[p.name], images * network.steps) for p in network.spiking)
    return OperationCounts(images=images, steps=network.steps, layers=layers, spikes=spikes)


def _layer(network: IntegerNetwork, projection: IntegerProjection, simulated: int, active: Counts) -> LayerCount:
    source, target = network.population(projection.source), network.population(projection.target)
    shape = projection.output_shape(source.shape)
    psi = fan_out(projection.synapses, source.shape, shape)
    return LayerCount(
        source=source.name,
        target=target.name,
        graded=isinstance(source.neuron, Source) and source.neuron.levels > 1,
        simulated=simulated,
        formula=int((psi * active).sum()),
        synapses=int(psi.sum()),
    )


def _rate(name: str, active: Counts, chances: int) -> SpikeCount:
    total = int(active.sum())
    return SpikeCount(population=name, neurons=active.size, spikes=total, rate=total / (active.size * chances))
