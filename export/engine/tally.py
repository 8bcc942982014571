"""Numbers of accumulates as the compiled kernels find them, on the spikes that a block's run has left.

The layers run once more by the same plan, tables, frames and kernels; only every weight that is not zero is one, and no
threshold is reached. Neurons without leak then add up what arrives, so that a potential is 64 times its accumulates.
Graded input counts where it is not zero.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from spikeport.export.engine.neurons import Group, fire
from spikeport.export.engine.plan import Layer
from spikeport.export.engine.room import Block
from spikeport.export.engine.tables import Planes, with_ones
from spikeport.export.engine.work import TURNED, Work
from spikeport.export.fixed_point import ACTIVATION_SHIFT, DECAY_SHIFT, POTENTIAL_LIMIT
from spikeport.export.network import Array
from spikeport.export.trace import Sampled

DIGITS = 16
"""Bits of a sum that a register takes at a time where it cannot hold the whole."""


def tally(work: Work, block: Block, chosen: Sequence[int], first: int, *, whole: int, ended: bool) -> list[Sampled]:
    """Return what arrives in the samples ``chosen`` of the block of ``work``, which has just run.

    The block's first sample is number ``first`` of the stimulus; of number ``whole`` what arrives at every neuron is
    kept, of others their sum. All steps count, also those after a sample's end;
    where samples have ``ended`` before the last step, the block's spikes are counted otherwise, not by the kernels.
    """
    miscounted = {} if ended else _miscounted(work, block)
    source = work.source.name
    work.values[source] = (work.values[source] != 0).astype(work.values[source].dtype)
    counts = Tally(work, chosen)
    work.walk(counts.layers(), counts)
    found = []
    for place, sample in enumerate(chosen):
        arrived = counts.arrived(place)
        if first + sample != whole:
            arrived = [each.sum(keepdims=True) for each in arrived]
        spikes = _spikes(work, sample)
        found.append(Sampled(image=first + sample, spikes=spikes, arrived=arrived, miscounted=miscounted))
    return found


class Tally:
    """Takes the sums of every population, projection after projection, and keeps what arrived in ``chosen`` samples."""

    each = True

    def __init__(self, work: Work, chosen: Sequence[int]) -> None:
        self.work, self.chosen = work, list(chosen)
        self.totals: dict[tuple[str, int], Array] = {}
        self.unheard: dict[str, Array] = {}

    def layers(self) -> Iterator[Layer]:
        """Yield the run's layers with every weight that is not zero one."""
        for layer in self.work.choice.layers:
            name = layer.population.name
            flat, kept = self.work.flat[name], len(self.chosen)
            shape: tuple[int, ...] = (layer.grid.channels * layer.grid.height, layer.grid.width, kept)
            shape = shape if layer.planes else (kept, layer.grid.neurons)
            self.totals |= {(name, number): np.zeros(shape, np.int64) for number in range(len(layer.incoming))}
            self.unheard[name] = self.work.scratch.array("unheard", flat.shape, flat.dtype)
            yield replace(layer, incoming=tuple(map(with_ones, layer.incoming)), sums=_wide_enough(layer))

    def hear(self, layer: Layer, number: int, sums: Array, groups: slice, begin: int, end: int) -> None:
        """Let neurons add up ``sums``, and add their potentials to the totals."""
        name = layer.population.name
        real = self.work.group(layer, groups, begin)
        group = replace(real, flat=self.unheard[name], numbers=_without_threshold(real.numbers))
        most, limit = _most(layer), (2**31 - 1 if layer.plain else POTENTIAL_LIMIT) >> ACTIVATION_SHIFT
        for digits, unit in _digits(sums, most, limit):
            largest = min(most, 2**DIGITS) if most > limit else most
            for part, steps in _parts(digits, end - begin, max(1, limit // max(1, largest))):
                fire(layer, part, group, steps)
                into = self.totals[name, number]
                into = into[groups] if layer.planes else into
                into += (self._kept(layer, real.v).astype(np.int64) >> ACTIVATION_SHIFT) * unit
                _rest(real)

    def _kept(self, layer: Layer, v: Array) -> Array:
        """Return the potentials of the chosen samples; neighbouring lanes of planes are samples."""
        return v.reshape(len(v), layer.grid.width, -1)[..., self.chosen] if layer.planes else v[self.chosen]

    def arrived(self, place: int) -> list[Array]:
        """Return the accumulates of one of the chosen samples per projection of the network, (*target)."""
        found = {}
        for layer in self.work.choice.layers:
            before: Array = np.zeros((), np.int64)
            for number, item in enumerate(layer.incoming):
                total = _of(layer, self.totals[layer.population.name, number], place)
                found[id(item.geometry.projection)] = total - before
                before = total
        return [found[id(projection)] for projection in self.work.plan.network.on_chip]


def _of(layer: Layer, totals: Array, place: int) -> Array:
    """Return a sample's totals in the shape of the population."""
    grid, shape = layer.grid, layer.population.shape
    if layer.planes:
        return np.asarray(totals[..., place].reshape(shape))
    return np.asarray(totals[place].reshape(grid.height, grid.width, grid.channels).transpose(2, 0, 1).reshape(shape))


def _miscounted(work: Work, block: Block) -> dict[str, int]:
    """Return of how many neurons the spikes of a block are counted otherwise than they lie in it, by source."""
    found = {}
    for name, active in block.active.items():
        values = work.values[name] if work.choice.in_planes[name] else work.values[name].transpose(TURNED)
        times = work.length if values.shape[2] < work.length else 1
        found[name] = int(np.count_nonzero(np.count_nonzero(values, axis=(2, 4)) * times != active))
    return found


def _spikes(work: Work, sample: int) -> dict[str, Array]:
    """Return what every source sent in one sample, (T, *shape), not zero or zero."""
    network, found = work.plan.network, {}
    for name in (network.source.name, *(population.name for population in network.spiking)):
        values = work.values[name]
        if not work.choice.in_planes[name]:
            values = values.transpose(TURNED)
        sent = values[..., sample].transpose(2, 0, 1, 3) != 0
        found[name] = np.broadcast_to(sent, (network.steps, *sent.shape[1:])).reshape(
            network.steps, *network.population(name).shape
        )
    return found


def _most(layer: Layer) -> int:
    """Return an upper bound of the accumulates that reach a neuron of a population in a step."""
    total = 0
    for item in layer.incoming:
        weight = item.geometry.weight
        window = item.pool[0] * item.pool[1] if isinstance(item, Planes) else 1
        total += int(np.count_nonzero(weight.reshape(len(weight), -1), axis=1).max(initial=0)) * window
    return total


def _wide_enough(layer: Layer) -> npt.DTypeLike:
    """Return the run's integers for sums where they hold numbers of accumulates, else wider ones."""
    kinds = [np.dtype(layer.sums), np.dtype(np.int32), np.dtype(np.int64)]
    return next(kind for kind in kinds if _most(layer) <= np.iinfo(kind).max)


def _without_threshold(numbers: list[Array]) -> list[Array]:
    """Return parameters of the same shapes with which neurons only add up: no threshold, bias, reset, leak, memory."""
    level, bias, after, *others = numbers
    never = np.iinfo(np.int32).max if not others else POTENTIAL_LIMIT
    values = [never, 0, 0, 1 << DECAY_SHIFT, 0, -POTENTIAL_LIMIT]
    return [np.full_like(number, value) for number, value in zip((level, bias, after, *others), values, strict=False)]


def _digits(sums: Array, most: int, limit: int) -> Iterator[tuple[Array, int]]:
    """Yield sums and their unit; where a register cannot hold one, its binary digits some at a time."""
    if most <= limit:
        yield sums, 1
        return
    for shift in range(0, most.bit_length(), DIGITS):
        yield sums >> shift & (1 << DIGITS) - 1, 1 << shift


def _parts(sums: Array, steps: int, most: int) -> Iterator[tuple[Array, int]]:
    """Yield sums of at most ``most`` steps at a time, and how many steps these are."""
    for first in range(0, steps, most):
        last = min(first + most, steps)
        yield sums if sums.shape[1] == 1 else sums[:, first:last], last - first


def _rest(group: Group) -> None:
    """Take potentials and currents back to zero."""
    group.v[:] = 0
    if group.u is not None:
        group.u[:] = 0
