"""Neurons of a population as the compiled kernels take them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spikeport.export.engine import kernels
from spikeport.export.engine.plan import Layer
from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.network import REGISTERS, Array


class Hears(Protocol):
    """What takes the synaptic sums of a population; after ``each`` of its projections, or after the last."""

    each: bool

    def hear(self, layer: Layer, number: int, sums: Array, groups: slice, begin: int, end: int) -> None:
        """Take ``sums`` (groups, steps or 1, lanes and more), to which projections up to ``number`` were added."""


@dataclass(frozen=True, eq=False)
class Group:
    """Neurons as the kernels take them: states, where their spikes go, parameters, and where these are counted."""

    v: Array
    u: Array | None
    flat: Array
    place: tuple[int, int, int, int, int]
    numbers: list[Array]
    active: Array | None


def fire(layer: Layer, sums: Array, group: Group, steps: int) -> None:
    """Advance neurons by ``sums`` (groups, steps or 1, lanes and more)."""
    level, bias, after, *others = group.numbers
    subtracts, silent = layer.neuron.reset_by is not None, layer.neuron.threshold is None
    v, flat, place, active = group.v, group.flat, group.place, group.active
    if layer.plain:
        kernels.integrate_and_fire(sums, v, flat, place, steps, level, bias, after, subtracts, active)
    else:
        decay_u, decay_v, floor = others
        kernels.leak_and_fire(
            sums, group.u, v, flat, place, steps, level, bias, after, decay_u, decay_v, floor, subtracts, silent, active
        )


def parameters(layer: Layer, samples: int) -> list[Array]:
    """Return threshold, bias, reset (and decays, floor) as (groups or 1, lanes or 1), in units of the potential."""
    neuron = layer.neuron
    after = neuron.reset_to if neuron.reset_by is None else neuron.reset_by
    level = np.zeros((), np.int64) if neuron.level is None else neuron.level
    bias = neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent
    numbers = [level, bias, after.astype(np.int64) << ACTIVATION_SHIFT]
    if not layer.plain:
        floor = np.array(REGISTERS["floor"][0]) if neuron.floor is None else neuron.floor
        numbers += [neuron.decay_u, neuron.decay_v, floor.astype(np.int64) << ACTIVATION_SHIFT]
    kind = np.int32 if layer.plain else np.int64
    return [_spread(value, layer, samples).astype(kind) for value in numbers]


def _spread(value: Array, layer: Layer, samples: int) -> Array:
    """Return a neuron parameter as (groups or 1, lanes or 1) in the order of its population."""
    if value.size == 1:
        return value.reshape(1, 1)
    grid = layer.grid
    full = np.broadcast_to(value, layer.population.shape).reshape(grid.channels, grid.height, grid.width)
    if not layer.planes:
        return np.ascontiguousarray(full.transpose(1, 2, 0)).reshape(1, -1)
    if value.ndim == 3 and value.shape[1:] == (1, 1):
        return np.repeat(value.reshape(-1, 1), grid.height, axis=0)
    return np.repeat(full.reshape(grid.channels * grid.height, grid.width), samples, axis=1)
