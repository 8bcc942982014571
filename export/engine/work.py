"""Blocks of samples on their way through a plan; each takes a thread, a single one can use several."""

import math
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from spikeport.export.engine import kernels
from spikeport.export.engine.costs import LIST_SOURCE
from spikeport.export.engine.neurons import Group, Hears, fire, parameters
from spikeport.export.engine.plan import Choice, Layer, Plan
from spikeport.export.engine.room import Block, Scratch
from spikeport.export.engine.tables import Events, Frame, Planes
from spikeport.export.geometry import Geometry, Grid
from spikeport.export.image_biases import values_of
from spikeport.export.network import Array
from spikeport.export.stimulus import Stimulus

SUMS = 2**18
"""Bytes of synaptic sums that are filled before their neurons advance."""
WORTH_A_THREAD = 6e5
"""Nanoseconds of work below which one sample's population is not split among threads."""
_Key = tuple[Choice, int, bool, bool, frozenset[str]]
"""A choice, samples of a block, whether the stimulus is held, whether spikes are counted, what is kept."""
TURNED = (4, 2, 1, 3, 0)
"""From planes order (C, H, T, W, N) to events order (N, T, H, W, C), and back."""


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
        then: "Callable[[Work, Block], Any] | None" = None,
    ) -> Block:
        """Run the samples ``rows`` and return the spikes of the populations to ``keep``.

        ``count`` adds spikes per neuron; a ``pool`` lends its ``threads`` to single populations. ``then`` may look at
        the block's spikes, and change them, once it is done.
        """
        choice = choice or self.choice
        key = (choice, rows.stop - rows.start, stimulus.held, count, frozenset(keep))
        if key not in self.scratch.works:
            self.scratch.works = {key: Work(self, key)}
        lengths = None if stimulus.lengths is None else stimulus.lengths[rows]
        work: Work = self.scratch.works[key]
        written = values_of(self.plan.network, stimulus, rows)
        block = work.run(stimulus.values[rows], pool, threads, lengths, written)
        block.left = None if then is None else then(work, block)
        return block

    def parameters_of(self, layer: Layer, samples: int) -> list[Array]:
        """Return a population's parameters for so many samples; made once."""
        key = (layer.population.name, layer.planes, samples)
        if key not in self.parameters:
            self.parameters[key] = parameters(layer, samples)
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


class Work:
    """A block on its way through the network; the next one of the same size takes its place."""

    each = False

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
        self.groups: dict[tuple[str, int, int, int], Group] = {}
        self.written: dict[str, Array] = {}
        self.once = {layer.population.name for layer in self.choice.layers if self._once(layer)}
        for layer in self.choice.layers:
            self._prepare(layer)

    def run(
        self,
        frames: Array,
        pool: ThreadPoolExecutor | None,
        threads: int,
        lengths: Array | None,
        written: Mapping[str, Array],
    ) -> Block:
        """Run the source's values (N, ...) and return what is kept.

        ``lengths`` (N,): the steps that count; ``written``: biases (N, *shape) of these samples, by population.
        """
        self.pool, self.threads = pool, threads
        self.written = {
            layer.population.name: self._biases(layer, written)
            for layer in self.choice.layers
            if layer.population.name in written
        }
        grid = Grid.of(self.source.shape)
        frames = frames.reshape(self.samples, -1, grid.channels, grid.height, grid.width)
        self.values[self.source.name] = np.ascontiguousarray(frames.transpose(2, 3, 1, 4, 0))
        self.walk(self.choice.layers, self)
        return self.block(lengths)

    def walk(self, layers: Iterable[Layer], hears: Hears) -> None:
        """Take the spikes through ``layers``, all steps of one after the other, or in loops step by step."""
        self.turned.clear()
        self.listed.clear()
        if not self.plan.looped:
            for layer in layers:
                self.advance(layer, 0, self.length, hears)
            return
        together = list(layers)
        for begin in range(self.length):
            for layer in together:
                self.advance(layer, begin, begin + 1, hears)

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
        grid, each = layer.grid, self.samples
        return (grid.channels * grid.height, grid.width * each) if layer.planes else (each, grid.neurons)

    def advance(self, layer: Layer, begin: int, end: int, hears: Hears) -> None:
        """Advance a population from step ``begin`` to ``end``."""
        if begin == 0:
            for state in self.states[layer.population.name]:
                if state is not None:
                    state[:] = 0
        steps = 1 if layer.population.name in self.once else end - begin
        if not (layer.incoming or hears.each):
            nothing = np.zeros((self.samples, 1, layer.grid.neurons), layer.sums)
            self.hear(layer, 0, nothing, slice(0, self.samples), begin, end)
        elif layer.planes:
            self._advance_planes(layer, begin, end, steps, hears)
        else:
            self._advance_events(layer, begin, end, steps, hears)

    def _once(self, layer: Layer) -> bool:
        """Return whether what arrives is the same at every step."""
        projections = [item.geometry.projection for item in layer.incoming]
        from_input = all(projection.source == self.source.name and projection.delay == 0 for projection in projections)
        return self.held and from_input and not self.plan.looped

    def _advance_planes(self, layer: Layer, begin: int, end: int, steps: int, hears: Hears) -> None:
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
                groups = slice(first * grid.height, (first + len(sums)) * grid.height)
                for number, (item, buffer, starts) in enumerate(arriving):
                    table = (item.rows, item.index, starts, item.weights)
                    kernels.add_planes(sums, buffer, *table, first, number == 0)
                    if hears.each or number + 1 == len(arriving):
                        lines = sums.reshape(-1, steps, lanes // (grid.height * steps))
                        hears.hear(layer, number, lines, groups, begin, end)

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

    def _advance_events(self, layer: Layer, begin: int, end: int, steps: int, hears: Hears) -> None:
        grid, frame = layer.grid, layer.frame
        sums = self.scratch.array("sums", (self.samples * steps, frame.height, frame.width, grid.channels), layer.sums)
        sums[:] = 0
        flat = sums.reshape(len(sums), -1)
        for number, item in enumerate(layer.incoming):
            assert isinstance(item, Events)
            spikes, channels, starts = self._events(item.geometry)
            lanes = self._lanes(item.geometry, begin, steps, len(spikes) // self.samples)
            self._share(partial(_add_events, flat, lanes, item, spikes, channels, starts), len(lanes), layer.cost)
            if hears.each or number + 1 == len(layer.incoming):
                lines = self._inside(layer, sums).reshape(self.samples, steps, -1)
                hears.hear(layer, number, lines, slice(0, self.samples), begin, end)

    def _inside(self, layer: Layer, sums: Array) -> Array:
        """Return sums (lanes, height, width, channels) without the border of merged lists."""
        grid, frame = layer.grid, layer.frame
        if sums[0].size == grid.neurons:
            return sums
        inside = sums[:, frame.top : frame.top + grid.height, frame.left : frame.left + grid.width]
        cut = self.scratch.array("inside", inside.shape, layer.sums)
        cut[:] = inside
        return cut

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

    def hear(self, layer: Layer, number: int, sums: Array, groups: slice, begin: int, end: int) -> None:  # noqa: ARG002
        """Advance the neurons of ``groups`` by ``sums``."""
        fire(layer, sums, self.group(layer, groups, begin), end - begin)

    def group(self, layer: Layer, groups: slice, begin: int) -> Group:
        """Return the states, places and parameters of ``groups`` as the kernels take them; made once."""
        key = (layer.population.name, groups.start, groups.stop, begin)
        if key not in self.groups:
            self.groups[key] = self._group(layer, groups, begin)
        found = self.groups[key]
        if key[0] not in self.written:
            return found
        level, _, *others = found.numbers
        return replace(found, numbers=[level, self.written[key[0]][groups], *others])

    def _biases(self, layer: Layer, written: Mapping[str, Array]) -> Array:
        """Return the biases of the samples (groups, lanes), as the layer's neurons lie."""
        grid, kind = layer.grid, np.int32 if layer.plain else np.int64
        values = written[layer.population.name].reshape(self.samples, grid.channels, grid.height, grid.width)
        ordered = values.transpose((1, 2, 3, 0) if layer.planes else (0, 2, 3, 1))
        return np.ascontiguousarray(ordered, kind).reshape(self._groups(layer))

    def _group(self, layer: Layer, groups: slice, begin: int) -> Group:
        name = layer.population.name
        v, u, active = self.states[name]
        numbers = self.runner.parameters_of(layer, self.samples)
        start, rows, along_channel, along_row, along_step = self.places[name]
        start += groups.start // rows * along_channel + begin * along_step
        return Group(
            v=v[groups],
            u=None if u is None else u[groups],
            flat=self.flat[name],
            place=(start, rows, along_channel, along_row, along_step),
            numbers=[value[groups] if len(value) > 1 else value for value in numbers],
            active=active[groups] if active is not None and layer.planes else active,
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
