"""Blocks of samples on their way through a plan; each takes a thread, a single one can use several."""

import math
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeport.export.engine import kernels
from spikeport.export.engine.costs import LIST_SOURCE
from spikeport.export.engine.plan import Choice, Layer, Plan
from spikeport.export.engine.tables import Events, Frame, Planes
from spikeport.export.fixed_point import ACTIVATION_SHIFT
from spikeport.export.geometry import Geometry, Grid
from spikeport.export.network import REGISTERS, Array
from spikeport.export.stimulus import Stimulus

SUMS = 2**18
"""Bytes of synaptic sums that are filled before their neurons advance."""
WORTH_A_THREAD = 6e5
"""Nanoseconds of work below which one sample's population is not split among threads."""
_Key = tuple[Choice, int, bool, bool, frozenset[str]]
"""A choice, samples of a block, whether the stimulus is held, whether spikes are counted, what is kept."""
TURNED = (4, 2, 1, 3, 0)
"""From planes order (C, H, T, W, N) to events order (N, T, H, W, C), and back."""


@dataclass
class Scratch:
    """Memory of one thread, used again by the next block."""

    kept: dict[str, Array] = field(default_factory=dict)
    framed: dict[tuple[str, Frame], Array] = field(default_factory=dict)
    works: "dict[_Key, _Work]" = field(default_factory=dict)

    def array(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return an array with anything in it."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if name not in self.kept or self.kept[name].nbytes < size:
            self.kept[name] = np.empty(size, np.uint8)
        return self.kept[name][:size].view(dtype).reshape(shape)

    def bordered(self, name: str, frame: Frame, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return an array that is zero where nobody writes but inside of this name's ``frame``."""
        key = (name, frame)
        if key not in self.framed or self.framed[key].shape != shape:
            self.framed[key] = np.zeros(shape, dtype)
        return self.framed[key]


@dataclass(eq=False)
class Block:
    """What a block of samples leaves: spikes in planes or events order, potentials alike, spike counts (C, H, W)."""

    samples: int
    values: dict[str, Array]
    active: dict[str, Array]
    in_planes: Mapping[str, bool]


class Runner:
    """Takes blocks of samples through a plan; its threads keep their memory from block to block."""

    def __init__(self, plan: Plan, choice: Choice | None = None) -> None:
        self.plan = plan
        self.choice = choice or plan.choose({})
        self.measured = choice is not None
        self.lock = threading.Lock()
        self.own = threading.local()
        self.parameters: dict[tuple[str, bool, int], list[Array]] = {}

    @property
    def scratch(self) -> Scratch:
        """The memory of this thread."""
        if not hasattr(self.own, "scratch"):
            self.own.scratch = Scratch()
        scratch: Scratch = self.own.scratch
        return scratch

    def choose(self, stimulus: Stimulus) -> Choice:
        """Return the layers for the rates that the first of several samples shows; measured once."""
        with self.lock:
            if not self.measured and self.plan.force is None and len(stimulus) > 1:
                active, steps = self.run(stimulus, slice(0, 1), count=True).active, self.plan.network.steps
                rates = {name: float(counted.mean()) / steps for name, counted in active.items()}
                self.choice, self.measured = self.plan.choose(rates), True
            return self.choice

    def run(
        self,
        stimulus: Stimulus,
        rows: slice,
        keep: Collection[str] = (),
        *,
        choice: Choice | None = None,
        count: bool = False,
        pool: ThreadPoolExecutor | None = None,
        threads: int = 1,
    ) -> Block:
        """Run the samples ``rows`` and return the spikes of the populations to ``keep``.

        ``count`` adds spikes per neuron; a ``pool`` lends its ``threads`` to single populations.
        """
        choice = choice or self.choice
        key = (choice, rows.stop - rows.start, stimulus.held, count, frozenset(keep))
        if key not in self.scratch.works:
            self.scratch.works = {key: _Work(self, key)}
        lengths = None if stimulus.lengths is None else stimulus.lengths[rows]
        return self.scratch.works[key].run(stimulus.values[rows], pool, threads, lengths)

    def parameters_of(self, layer: Layer, samples: int) -> list[Array]:
        """Return threshold, bias, reset (and decays, floor) as (groups or 1, lanes or 1), in units of the potential."""
        key = (layer.population.name, layer.planes, samples)
        if key not in self.parameters:
            neuron = layer.neuron
            after = neuron.reset_to if neuron.reset_by is None else neuron.reset_by
            level = np.zeros((), np.int64) if neuron.level is None else neuron.level
            bias = neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent
            numbers = [level, bias, after.astype(np.int64) << ACTIVATION_SHIFT]
            if not layer.plain:
                floor = np.array(REGISTERS["floor"][0]) if neuron.floor is None else neuron.floor
                numbers += [neuron.decay_u, neuron.decay_v, floor.astype(np.int64) << ACTIVATION_SHIFT]
            kind = np.int32 if layer.plain else np.int64
            self.parameters[key] = [_spread(value, layer, samples).astype(kind) for value in numbers]
        return self.parameters[key]


def _add_events(
    sums: Array, lanes: Array, item: Events, spikes: Array, channels: Array, starts: Array, part: range
) -> None:
    """Add what arrives over a projection in some of the lanes."""
    chosen = lanes[part.start : part.stop]
    place = (item.pairs, item.positions, item.targets)
    if item.whole is not None:
        kernels.add_rows(sums, chosen, channels, starts, *place, item.whole)
    else:
        kernels.add_lists(
            sums, chosen, channels, starts, spikes, *place, item.rows, item.index, item.weights, item.factor
        )


def _flat(planes: Array) -> Array:
    """Return planes with the samples of a line side by side."""
    return planes.reshape(*planes.shape[:3], -1)


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


class _Work:
    """A block on its way through the network; the next one of the same size takes its place."""

    def __init__(self, runner: Runner, key: _Key) -> None:
        self.runner, self.plan, self.scratch = runner, runner.plan, runner.scratch
        self.choice, self.samples, self.held, self.count, self.keep = key
        self.length, self.source = self.plan.network.steps, self.plan.network.source
        self.pool: ThreadPoolExecutor | None = None
        self.threads = 1
        self.values: dict[str, Array] = {}
        self.flat: dict[str, Array] = {}
        self.places: dict[str, tuple[int, int, int, int, int]] = {}
        self.turned: dict[str, Array] = {}
        self.listed: dict[str, tuple[Array, Array, Array]] = {}
        self.states: dict[str, tuple[Array, Array | None, Array | None]] = {}
        self.groups: dict[tuple[str, int, int, int], tuple[Any, ...]] = {}
        self.once = {layer.population.name for layer in self.choice.layers if self._once(layer)}
        for layer in self.choice.layers:
            self._prepare(layer)

    def run(self, frames: Array, pool: ThreadPoolExecutor | None, threads: int, lengths: Array | None = None) -> Block:
        """Run the source's values (N, ...) and return what is kept; ``lengths`` (N,): the steps that count."""
        self.pool, self.threads = pool, threads
        self.turned.clear()
        self.listed.clear()
        grid = Grid.of(self.source.shape)
        frames = frames.reshape(self.samples, -1, grid.channels, grid.height, grid.width)
        self.values[self.source.name] = np.ascontiguousarray(frames.transpose(2, 3, 1, 4, 0))
        for begin in range(self.length) if self.plan.looped else [0]:
            for layer in self.choice.layers:
                self.advance(layer, begin, begin + 1 if self.plan.looped else self.length)
        return self.block(lengths)

    def _prepare(self, layer: Layer) -> None:
        """Make room for a population's spikes (or potentials), its state and its count of spikes."""
        name, grid = layer.population.name, layer.grid
        silent = layer.neuron.threshold is None
        kind = np.int64 if silent else np.uint8
        if layer.planes:
            frame = self.choice.frames.get(name) or Frame(0, 0, grid.height, grid.width)
            whole, inside, size = self._framed(grid, frame, self.length)
            flat = self.scratch.bordered(f"spikes {name}", frame, (size,), kind)
            self.flat[name], self.places[name] = flat, self._place(grid, frame, self.length)
            self.values[name] = flat[: math.prod(whole)].reshape(whole)[inside]
        else:
            shape = (self.samples, self.length, grid.height, grid.width, grid.channels)
            spikes = self.scratch.array(f"spikes {name}", shape, kind)
            self.values[name], self.flat[name] = spikes, spikes.reshape(-1)
            self.places[name] = (0, 1, self.length * grid.neurons, 0, grid.neurons)
        room = name if self.plan.looped else ""  # without loops, one population after another
        groups = self._groups(layer)
        v = self.scratch.array(f"v {room}", groups, np.int32 if layer.plain else np.int64)
        u = None if layer.plain else self.scratch.array(f"u {room}", groups, np.int64)
        line = (groups[0], grid.width) if layer.planes else (1, grid.neurons)
        active = np.zeros(line, np.int64) if self.count and layer.neuron.threshold is not None else None
        self.states[name] = (v, u, active)

    def _framed(self, grid: Grid, frame: Frame, steps: int) -> tuple[tuple[int, ...], tuple[slice, ...], int]:
        """Return the shape of planes with a border, what is inside, and numbers with one more line to overrun into."""
        shape = (grid.channels, frame.height, steps, frame.width, self.samples)
        rows, columns = slice(frame.top, frame.top + grid.height), slice(frame.left, frame.left + grid.width)
        return shape, (slice(None), rows, slice(None), columns), math.prod(shape) + frame.width * self.samples

    def _place(self, grid: Grid, frame: Frame, steps: int) -> tuple[int, int, int, int, int]:
        """Return where the kernels find the lines inside of a frame: start, rows of a channel, strides."""
        wide = frame.width * self.samples
        start = frame.top * steps * wide + frame.left * self.samples
        return start, grid.height, frame.height * steps * wide, steps * wide, wide

    def _groups(self, layer: Layer) -> tuple[int, int]:
        """Return how a population's neurons lie: groups that start a line of the sums, and lanes along it."""
        grid = layer.grid
        if layer.planes:
            return grid.channels * grid.height, grid.width * self.samples
        return self.samples, grid.neurons

    def advance(self, layer: Layer, begin: int, end: int) -> None:
        """Advance a population from step ``begin`` to ``end``."""
        if begin == 0:
            for state in self.states[layer.population.name]:
                if state is not None:
                    state[:] = 0
        steps = 1 if layer.population.name in self.once else end - begin
        if layer.planes:
            self._advance_planes(layer, begin, end, steps)
        else:
            self._advance_events(layer, begin, end, steps)

    def _once(self, layer: Layer) -> bool:
        """Return whether what arrives is the same at every step."""
        projections = [item.geometry.projection for item in layer.incoming]
        from_input = all(projection.source == self.source.name and projection.delay == 0 for projection in projections)
        return self.held and from_input and not self.plan.looped

    def _advance_planes(self, layer: Layer, begin: int, end: int, steps: int) -> None:
        grid, items = layer.grid, [item for item in layer.incoming if isinstance(item, Planes)]
        arriving = [
            (item, self._padded(item, f"buffer {n}", begin, steps), item.starts(steps * self.samples, self.samples))
            for n, item in enumerate(items)
        ]
        lanes = grid.height * steps * items[0].columns * self.samples
        each = max(1, SUMS // (lanes * np.dtype(layer.sums).itemsize))

        def work(targets: range) -> None:
            room = self.runner.scratch.array("sums", (min(each, len(targets)), lanes), layer.sums)
            for first in targets[::each]:
                sums = room[: targets.stop - first]
                for item, buffer, starts in arriving:
                    table = (item.rows, item.index, starts, item.weights)
                    kernels.add_planes(sums, buffer, *table, first, item is items[0])
                groups = slice(first * grid.height, (first + len(sums)) * grid.height)
                self._fire(layer, sums.reshape(-1, steps, lanes // (grid.height * steps)), groups, begin, end)

        self._share(work, grid.channels, layer.cost)

    def _share(self, work: Callable[[range], None], size: int, cost: float) -> None:
        """Do ``work`` on ``range(size)``, split among the threads where it is worth it."""
        parts = self.threads if self.pool and cost > WORTH_A_THREAD else 1
        ranges = [range(size * part // parts, size * (part + 1) // parts) for part in range(parts)]
        others = [self.pool.submit(work, part) for part in ranges[1:]] if self.pool else []
        work(ranges[0])
        for other in others:
            other.result()

    def _padded(self, item: Planes, name: str, begin: int, steps: int) -> Array:
        """Return the flat buffer of a projection: the source's lanes with zeros around them."""
        geometry = item.geometry
        sender, frame = geometry.projection.source, item.frame
        if sender in self.choice.frames:
            return self.flat[sender]
        spikes = self._in_planes(sender)
        levels = geometry.levels
        kind = np.dtype(np.uint8 if levels < 2**8 else np.int32 if levels < 2**31 else np.int64)
        if item.pool != (1, 1):
            source, sent = geometry.source, spikes.shape[2]
            fits = frame is not None and sent == steps
            frame = frame if frame and fits else Frame(0, 0, source.height, source.width)
            whole, inside, size = self._framed(source, frame, sent)
            smaller = self.scratch.bordered(f"{name} {geometry.projection.target}", frame, (size,), kind)
            place = self._place(source, frame, sent)
            kernels.sum_windows(smaller, place, _flat(spikes), self.samples, item.pool)
            if fits:
                return smaller
            spikes = smaller[: math.prod(whole)].reshape(whole)[inside]
        shape = (geometry.source.channels, item.phases, item.height, steps, item.columns * self.samples)
        size = math.prod(shape)
        flat = self.scratch.array(name, (size + item.columns * self.samples,), kind)
        delay = geometry.projection.delay - begin
        stride = geometry.kernel.stride

        def work(channels: range) -> None:
            lines = flat[:size].reshape(shape)
            part = (channels.start, channels.stop)
            kernels.pad_planes(lines, _flat(spikes), self.samples, delay, stride, item.least, *part)

        self._share(work, geometry.source.channels, size * 0.3)
        return flat

    def _in_planes(self, name: str) -> Array:
        """Return spikes in planes order."""
        if self.choice.in_planes[name]:
            return self.values[name]
        if name not in self.turned or self.plan.looped:
            self.turned[name] = np.ascontiguousarray(self.values[name].transpose(TURNED))
        return self.turned[name]

    def _advance_events(self, layer: Layer, begin: int, end: int, steps: int) -> None:
        grid, frame = layer.grid, layer.frame
        sums = self.scratch.array("sums", (self.samples * steps, frame.height, frame.width, grid.channels), layer.sums)
        sums[:] = 0
        flat = sums.reshape(len(sums), -1)
        for item in layer.incoming:
            assert isinstance(item, Events)
            spikes, channels, starts = self._events(item.geometry)
            lanes = self._lanes(item.geometry, begin, steps, len(spikes) // self.samples)
            self._share(partial(_add_events, flat, lanes, item, spikes, channels, starts), len(lanes), layer.cost)
        if flat.shape[1] > grid.neurons:
            inside = sums[:, frame.top : frame.top + grid.height, frame.left : frame.left + grid.width]
            sums = self.scratch.array("inside", inside.shape, layer.sums)
            sums[:] = inside
        self._fire(layer, sums.reshape(self.samples, steps, -1), slice(0, self.samples), begin, end)

    def _lanes(self, geometry: Geometry, begin: int, steps: int, length: int) -> Array:
        """Return the pairs (lane of sums, lane of events) that meet."""
        sample, step = np.divmod(np.arange(self.samples * steps), steps)
        now = step + begin - geometry.projection.delay
        pairs = np.stack([np.arange(len(now)), sample * length + (now if length > 1 else 0)], axis=1)
        return np.ascontiguousarray(pairs[now >= 0])

    def _events(self, geometry: Geometry) -> tuple[Array, Array, Array]:
        """Return the spikes of a source (lanes, positions, channels) and where they are."""
        name, grid = geometry.projection.source, geometry.source
        if name not in self.listed or self.plan.looped:
            spikes = self.values[name]
            if self.choice.in_planes[name]:
                spikes = np.ascontiguousarray(spikes.transpose(TURNED))
            spikes = spikes.reshape(-1, grid.positions, grid.channels)
            channels = self.scratch.array(f"channels {name}", (len(spikes), grid.neurons + 1), np.int32)
            starts = self.scratch.array(f"starts {name}", (len(spikes), grid.positions + 1), np.int32)

            def work(lanes: range) -> None:
                kernels.list_events(spikes, channels, starts, np.arange(lanes.start, lanes.stop))

            self._share(work, len(spikes), spikes.size * LIST_SOURCE)
            self.listed[name] = (spikes, channels, starts)
        return self.listed[name]

    def _fire(self, layer: Layer, sums: Array, groups: slice, begin: int, end: int) -> None:
        """Advance the neurons of ``groups`` by ``sums`` (groups, steps or 1, lanes and more)."""
        key = (layer.population.name, groups.start, groups.stop, begin)
        if key not in self.groups:
            self.groups[key] = self._group(layer, groups, begin)
        v, u, flat, place, chosen, active = self.groups[key]
        (level, bias, after, *others), steps = chosen, end - begin
        subtracts, silent = layer.neuron.reset_by is not None, layer.neuron.threshold is None
        if layer.plain:
            kernels.integrate_and_fire(sums, v, flat, place, steps, level, bias, after, subtracts, active)
        else:
            decay_u, decay_v, floor = others
            kernels.leak_and_fire(
                sums, u, v, flat, place, steps, level, bias, after, decay_u, decay_v, floor, subtracts, silent, active
            )

    def _group(self, layer: Layer, groups: slice, begin: int) -> tuple[Any, ...]:
        """Return the states, places and parameters of ``groups`` as the kernels take them."""
        name = layer.population.name
        v, u, active = self.states[name]
        numbers = self.runner.parameters_of(layer, self.samples)
        start, rows, along_channel, along_row, along_step = self.places[name]
        start += groups.start // rows * along_channel + begin * along_step
        return (
            v[groups],
            None if u is None else u[groups],
            self.flat[name],
            (start, rows, along_channel, along_row, along_step),
            [value[groups] if len(value) > 1 else value for value in numbers],
            active[groups] if active is not None and layer.planes else active,
        )

    def block(self, lengths: Array | None) -> Block:
        """Return what is kept of the block."""
        active: dict[str, Array] = {}
        if self.count and lengths is not None:
            active = self._active_before(lengths)
        elif self.count:
            frames = np.count_nonzero(self.values[self.source.name], axis=(2, 4))
            active[self.source.name] = frames * (self.length if self.held else 1)
            for layer in self.choice.layers:
                counted = self.states[layer.population.name][2]
                if counted is not None:
                    active[layer.population.name] = self._per_neuron(layer, counted.copy())
        values = {name: value.copy() for name, value in self.values.items() if name in self.keep}
        return Block(self.samples, values, active, self.choice.in_planes)

    def _active_before(self, lengths: Array) -> dict[str, Array]:
        """Return non-zero inputs and spikes per neuron (C, H, W) in the steps before each sample's end."""
        active = {}
        for name in (self.source.name, *(p.name for p in self.plan.network.spiking)):
            fired = self.values[name] != 0
            if name != self.source.name and not self.choice.in_planes[name]:
                fired = fired.transpose(TURNED)
            counts = np.arange(self.length)[:, None] < lengths
            if fired.shape[2] == 1:
                counts = lengths[None]
            active[name] = (fired * counts[:, None]).sum(axis=(2, 4))
        return active

    def _per_neuron(self, layer: Layer, counted: Array) -> Array:
        """Return spike counts (C, H, W), summed over samples."""
        grid = layer.grid
        if layer.planes:
            return counted.reshape(grid.channels, grid.height, grid.width)
        return np.asarray(counted.reshape(grid.height, grid.width, grid.channels).transpose(2, 0, 1))
