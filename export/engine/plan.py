"""A network made ready to run: its layers in order, each with the kernels that are cheapest for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np
import numpy.typing as npt

from export import bounds
from export.engine.synapses import (
    LIST_SOURCE,
    TURN,
    Connection,
    Events,
    Grid,
    Planes,
    can_be_whole,
    connect,
    event_cost,
    plane_cost,
    pooled,
    to_events,
    to_planes,
    width_of,
)
from export.fixed_point import ACTIVATION_SHIFT
from export.network import Bounds, IntegerNetwork, IntegerNeuron, IntegerPopulation, Pair

RATE = 0.15
"""Spikes per neuron and step, until some have been counted."""
KERNELS = ("planes", "rows", "lists")


@dataclass(frozen=True, eq=False)
class Layer:
    """A population with the kernels of its projections."""

    population: IntegerPopulation
    neuron: IntegerNeuron
    grid: Grid
    incoming: tuple[Planes | Events, ...]
    planes: bool
    sums: npt.DTypeLike
    plain: bool
    cost: float


class Plan:
    """A network made ready to run: its layers in order, each with the kernels that are cheapest at ``rates``.

    ``force`` names a kernel of `KERNELS` for all projections that it can do.
    """

    def __init__(self, network: IntegerNetwork, *, lanes: int, force: str | None = None) -> None:
        self.network, self.lanes, self.force = network, lanes, force
        self.bounds = bounds.prove(network)
        self.safe = bounds.are_kept(network, self.bounds)
        self.connections = {id(p): connect(network, p) for p in network.projections}
        order = _order(network)
        self.looped = order is None
        self.order = order or list(network.neurons)
        self._built: dict[tuple[str, bool, tuple[str, ...]], Layer] = {}
        self.choose({})

    def choose(self, rates: Mapping[str, float]) -> None:
        """Choose the kernels for so many spikes per neuron and step of each population."""
        self.rates = rates
        self.in_planes = {self.network.source.name: True}
        self.layers = [self._layer(p, self.bounds[p.name]) for p in self.order]

    def _layer(self, population: IntegerPopulation, found: Bounds) -> Layer:
        neuron, grid = population.neuron, Grid.of(population.shape)
        assert isinstance(neuron, IntegerNeuron)
        sums = _width(found) if self.safe else np.dtype(np.int64)
        heard = [self.connections[id(p)] for p in self.network.incoming(population.name)]
        planes, cost, ways = self._choice(heard, wide=sums.itemsize > 2)
        self.in_planes[population.name] = planes
        key = (population.name, planes, tuple(ways))
        if key not in self._built:
            incoming = self._incoming(heard, sums, ways, planes=planes)
            leaks = not neuron.memoryless_current or bool(neuron.decay_v.any())
            plain = self.safe and not leaks and neuron.threshold is not None
            self._built[key] = Layer(population, neuron, grid, incoming, planes, sums, plain, cost * self.lanes)
        return self._built[key]

    def _incoming(
        self, heard: list[Connection], sums: npt.DTypeLike, ways: list[str], *, planes: bool
    ) -> tuple[Planes | Events, ...]:
        if planes:
            smaller = [self._pooled(connection) for connection in heard]
            columns = width_of(smaller)
            return tuple(to_planes(connection, pool, columns, sums) for connection, pool in smaller)
        return tuple(to_events(c, sums, whole=way == "rows") for c, way in zip(heard, ways, strict=True))

    def _choice(self, heard: list[Connection], *, wide: bool) -> tuple[bool, float, list[str]]:
        """Return whether planes are cheapest, nanoseconds per lane, and else the kernel of each projection."""
        ways, total = [], 0.0
        for connection in heard:
            costs = self._event_costs(connection, wide=wide)
            ways.append(min(costs, key=lambda name: costs[name]))
            total += costs[ways[-1]] + connection.source.neurons * LIST_SOURCE
        total += TURN * sum(c.source.neurons for c in heard if self.in_planes.get(c.projection.source))
        if self.force in ("rows", "lists") or not all(connection.direct for connection in heard):
            return False, total, ways
        in_planes = plane_cost([self._pooled(connection) for connection in heard], self.lanes, wide=wide)
        in_planes += TURN * sum(c.source.neurons for c in heard if not self.in_planes.get(c.projection.source, True))
        return self.force == "planes" or in_planes < total, min(in_planes, total), ways

    def _pooled(self, connection: Connection) -> tuple[Connection, Pair]:
        """Sum over windows first where weights repeat; not step by step, where it would be done again and again."""
        return (connection, (1, 1)) if self.looped else pooled(connection)

    def _event_costs(self, connection: Connection, *, wide: bool) -> dict[str, float]:
        name = connection.projection.source
        rate = self.rates.get(name, 1.0 if name == self.network.source.name else RATE)
        ways = ["rows", "lists"] if can_be_whole(connection) else ["lists"]
        if self.force in ways:
            ways = [self.force]
        return {way: event_cost(connection, rate, whole=way == "rows", wide=wide) for way in ways}


def _order(network: IntegerNetwork) -> list[IntegerPopulation] | None:
    """Return the populations, each after all that it hears whatever the delay; None where they form a loop."""
    heard = {p.name: {projection.source for projection in network.incoming(p.name)} for p in network.neurons}
    try:
        names = [name for name in TopologicalSorter(heard).static_order() if name in heard]
    except CycleError:
        return None
    return [network.population(name) for name in names]


def _width(found: Bounds) -> np.dtype[Any]:
    """Return the smallest integers for every partial sum: all inhibition and all excitation are its bounds."""
    largest = max(found.u_max, -found.u_min) >> ACTIVATION_SHIFT
    return np.dtype(np.int16 if largest < 2**15 else np.int32)
