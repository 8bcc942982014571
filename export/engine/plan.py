"""A network made ready to run: its layers in order, each with the kernels that are cheapest for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeport.export import bounds
from spikeport.export.engine.costs import LIST_SOURCE, TURN, can_be_whole, event_cost, plane_cost, width_of
from spikeport.export.engine.tables import Events, Frame, Planes, frame_of, to_events, to_planes
from spikeport.export.errors import ExecutorError
from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.geometry import Geometry, Grid, geometry_of, pooled
from spikeport.export.network import Bounds, IntegerNetwork, IntegerNeuron, IntegerPopulation, Pair

RATE = 0.15
"""Spikes per neuron and step, until some have been counted."""
KERNELS = ("planes", "rows", "lists", "merged")


@dataclass(frozen=True, eq=False)
class Layer:
    """A population with the kernels of its projections."""

    population: IntegerPopulation
    neuron: IntegerNeuron
    grid: Grid
    frame: Frame
    incoming: tuple[Planes | Events, ...]
    planes: bool
    sums: npt.DTypeLike
    plain: bool
    cost: float


@dataclass(frozen=True, eq=False)
class Choice:
    """The layers of a plan in order, which populations' spikes lie in planes order, and which with a border."""

    layers: tuple[Layer, ...]
    in_planes: Mapping[str, bool]
    frames: Mapping[str, Frame]


class Plan:
    """A network's synapses, bounds and order; `choose` gives layers for some rates.

    ``lanes``: steps times samples of a block. ``force`` names a kernel of `KERNELS` for all projections that it can do.
    """

    def __init__(self, network: IntegerNetwork, *, lanes: int, force: str | None = None) -> None:
        if force not in (None, *KERNELS):
            raise ExecutorError(f"no kernel {force!r}; there are {', '.join(KERNELS)}")
        self.network, self.lanes, self.force = network, lanes, force
        self.bounds = bounds.prove(network)
        self.safe = bounds.are_kept(network, self.bounds)
        self.geometries = {id(p): geometry_of(network, p) for p in network.projections}
        self.senders = [p.source for p in network.on_chip]
        order = _order(network)
        self.looped = order is None
        self.order = order or list(network.neurons)
        self._built: dict[tuple[str, bool, tuple[str, ...]], Layer] = {}

    def choose(self, rates: Mapping[str, float]) -> Choice:
        """Return the kernels that are cheapest at so many spikes per neuron and step of each population."""
        in_planes, layers = {self.network.source.name: True}, []
        for population in self.order:
            layers.append(self._layer(population, self.bounds[population.name], rates, in_planes))
            in_planes[population.name] = layers[-1].planes
        return Choice(tuple(layers), in_planes, self._frames(layers))

    def _frames(self, layers: list[Layer]) -> dict[str, Frame]:
        """Return the frames of the sources of one projection only, which takes planes: no copy in between."""
        if self.looped:
            return {}
        alone = {layer.population.name for layer in layers if layer.planes}
        alone = {name for name in alone if self.senders.count(name) == 1}
        items = [
            item for layer in layers for item in layer.incoming if isinstance(item, Planes) and item.pool == (1, 1)
        ]
        frames = {item.geometry.projection.source: item.frame for item in items}
        return {name: frame for name, frame in frames.items() if name in alone and frame is not None}

    def _layer(
        self, population: IntegerPopulation, proven: Bounds, rates: Mapping[str, float], in_planes: Mapping[str, bool]
    ) -> Layer:
        neuron, grid = population.neuron, Grid.of(population.shape)
        assert isinstance(neuron, IntegerNeuron)
        sums = _width(proven) if self.safe else np.dtype(np.int64)
        geometries = [self.geometries[id(p)] for p in self.network.incoming_on_chip(population.name)]
        planes, cost, ways = self._choice(geometries, rates, in_planes, wide=sums.itemsize > 2)
        key = (population.name, planes, tuple(ways))
        if key not in self._built:
            merged = [c for c, way in zip(geometries, ways, strict=True) if way == "merged"]
            frame = frame_of(grid, merged)
            incoming = self._incoming(geometries, frame, sums, ways, planes=planes)
            leaks = not neuron.memoryless_current or bool(neuron.decay_v.any())
            plain = self.safe and not leaks and neuron.threshold is not None and neuron.floor is None
            self._built[key] = Layer(population, neuron, grid, frame, incoming, planes, sums, plain, cost * self.lanes)
        return self._built[key]

    def _incoming(
        self, geometries: list[Geometry], frame: Frame, sums: npt.DTypeLike, ways: list[str], *, planes: bool
    ) -> tuple[Planes | Events, ...]:
        if planes:
            smaller = [self._pooled(geometry) for geometry in geometries]
            columns = width_of(smaller)
            return tuple(to_planes(geometry, pool, columns, sums) for geometry, pool in smaller)
        return tuple(to_events(c, frame, sums, way) for c, way in zip(geometries, ways, strict=True))

    def _choice(
        self, geometries: list[Geometry], rates: Mapping[str, float], in_planes: Mapping[str, bool], *, wide: bool
    ) -> tuple[bool, float, list[str]]:
        """Return whether planes are cheapest, nanoseconds per lane, and else the kernel of each projection, if any."""
        ways, total = [], 0.0
        if not geometries:
            return False, 0.0, []
        direct = all(geometry.direct for geometry in geometries)
        for geometry in geometries:
            costs = self._event_costs(geometry, rates, wide=wide, merge=direct)
            ways.append(min(costs, key=lambda name: costs[name]))
            total += costs[ways[-1]] + geometry.source.neurons * LIST_SOURCE
        total += TURN * sum(c.source.neurons for c in geometries if in_planes.get(c.projection.source))
        if self.force in ("rows", "lists", "merged") or not direct:
            return False, total, ways
        steps = self.network.steps
        copied = self.looped or any(self.senders.count(c.projection.source) > 1 for c in geometries)
        smaller = [self._pooled(geometry) for geometry in geometries]
        together = plane_cost(smaller, steps, self.lanes // steps, wide=wide, copied=copied)
        together += TURN * sum(c.source.neurons for c in geometries if not in_planes.get(c.projection.source, True))
        return self.force == "planes" or together < total, min(together, total), ways

    def _pooled(self, geometry: Geometry) -> tuple[Geometry, Pair]:
        """Sum over windows first where weights repeat; not step by step, where it would be done again and again."""
        return (geometry, (1, 1)) if self.looped else pooled(geometry)

    def _event_costs(
        self, geometry: Geometry, rates: Mapping[str, float], *, wide: bool, merge: bool
    ) -> dict[str, float]:
        name = geometry.projection.source
        rate = rates.get(name, 1.0 if name == self.network.source.name else RATE)
        ways = ["lists"]
        if can_be_whole(geometry):
            ways.append("rows")
        if merge and geometry.result.positions > 1:
            ways.append("merged")
        ways = [self.force] if self.force in ways else ways
        return {way: event_cost(geometry, rate, way, wide=wide) for way in ways}


def _order(network: IntegerNetwork) -> list[IntegerPopulation] | None:
    """Return the populations, each after all of its sources, whatever the delay; None where they form a loop."""
    sources = {p.name: {projection.source for projection in network.incoming(p.name)} for p in network.neurons}
    try:
        names = [name for name in TopologicalSorter(sources).static_order() if name in sources]
    except CycleError:
        return None
    return [network.population(name) for name in names]


def _width(proven: Bounds) -> np.dtype[Any]:
    """Return the smallest integers for every partial sum: all inhibition and all excitation are its bounds."""
    largest = max(proven.u_max, -proven.u_min) >> ACTIVATION_SHIFT
    return np.dtype(np.int16 if largest < 2**15 else np.int32)
