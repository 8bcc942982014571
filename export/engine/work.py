"""Blocks of samples on their way through a plan; each takes a thread, a single one can use several."""

import math
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from export.engine import kernels
from export.engine.plan import Choice, Layer, Plan
from export.engine.synapses import LIST_SOURCE, Connection, Events, Grid, Planes
from export.fixed_point import ACTIVATION_SHIFT
from export.network import Array
from export.stimulus import Stimulus

SUMS = 2**18
"""Bytes of synaptic sums that are filled before their neurons advance."""
WORTH_A_THREAD = 6e5
"""Nanoseconds of work below which one sample's population is not split among threads."""
TURNED = (4, 2, 1, 3, 0)
"""From planes order (C, H, T, W, N) to events order (N, T, H, W, C), and back."""


@dataclass
class Scratch:
    """Memory of one thread, used again by the next block."""

    kept: dict[str, Array] = field(default_factory=dict)

    def array(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return an array with anything in it."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if name not in self.kept or self.kept[name].nbytes < size:
            self.kept[name] = np.empty(size, np.uint8)
        return self.kept[name][:size].view(dtype).reshape(shape)


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
        self.memories: list[Scratch] = []
        self.parameters: dict[tuple[str, bool, int], dict[str, Array]] = {}

    @property
    def scratch(self) -> Scratch:
        """The memory of this thread."""
        if not hasattr(self.own, "scratch"):
            self.own.scratch = Scratch()
            self.memories.append(self.own.scratch)
        found: Scratch = self.own.scratch
        return found

    @property
    def memory(self) -> int:
        """Bytes of the tables and of what the threads keep."""
        tables = sum(item.nbytes for layer in self.choice.layers for item in layer.incoming)
        return tables + sum(array.nbytes for scratch in self.memories for array in scratch.kept.values())

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
        work = _Work(self, choice, stimulus, rows, keep, count=count, pool=pool, threads=threads)
        length = self.plan.network.steps
        for begin, end in [(step, step + 1) for step in range(length)] if self.plan.looped else [(0, length)]:
            for layer in choice.layers:
                work.advance(layer, begin, end)
        return work.block()

    def parameters_of(self, layer: Layer, samples: int) -> dict[str, Array]:
        """Return the numbers of a population's neurons as (groups or 1, lanes or 1), in units of the potential."""
        key = (layer.population.name, layer.planes, samples)
        if key not in self.parameters:
            neuron = layer.neuron
            after = neuron.reset_to if neuron.reset_by is None else neuron.reset_by
            level = np.zeros((), np.int64) if neuron.level is None else neuron.level
            numbers = {
                "level": level,
                "bias": neuron.bias_mantissa.astype(np.int64) << neuron.bias_exponent,
                "after": after.astype(np.int64) << ACTIVATION_SHIFT,
            }
            if not layer.plain:
                numbers |= {"decay_u": neuron.decay_u, "decay_v": neuron.decay_v}
            kind = np.int32 if layer.plain else np.int64
            self.parameters[key] = {name: _spread(v, layer, samples).astype(kind) for name, v in numbers.items()}
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
        kernels.add_lists(sums, chosen, channels, starts, spikes, *place, item.rows, item.index, item.weights)


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
    """One block on its way through the network."""

    def __init__(
        self,
        runner: Runner,
        choice: Choice,
        stimulus: Stimulus,
        rows: slice,
        keep: Collection[str],
        *,
        count: bool,
        pool: ThreadPoolExecutor | None,
        threads: int,
    ) -> None:
        self.runner, self.plan, self.choice, self.scratch = runner, runner.plan, choice, runner.scratch
        self.keep, self.count, self.pool, self.threads = keep, count, pool, threads
        self.samples, self.length = rows.stop - rows.start, self.plan.network.steps
        self.source = self.plan.network.source
        self.held = stimulus.held
        self.values: dict[str, Array] = {}
        self.turned: dict[str, Array] = {}
        self.listed: dict[str, tuple[Array, Array, Array]] = {}
        self.states: dict[str, tuple[Array, Array | None, Array | None]] = {}
        grid = Grid.of(self.source.shape)
        frames = stimulus.values[rows].reshape(self.samples, -1, grid.channels, grid.height, grid.width)
        self.values[self.source.name] = np.ascontiguousarray(frames.transpose(2, 3, 1, 4, 0))
        for layer in self.choice.layers:
            self._prepare(layer)

    def _prepare(self, layer: Layer) -> None:
        """Make room for a population's spikes (or potentials) and set its state to zero."""
        name, grid, kept = layer.population.name, layer.grid, layer.population.name in self.keep
        silent = layer.neuron.threshold is None
        shape: tuple[int, ...] = (grid.channels, grid.height, self.length, grid.width, self.samples)
        if not layer.planes:
            shape = tuple(shape[axis] for axis in TURNED)
        kind = np.int64 if silent else np.uint8
        self.values[name] = np.empty(shape, kind) if kept else self.scratch.array(f"spikes {name}", shape, kind)
        groups, lanes = self._groups(layer)
        state = self.scratch.array(f"v {name}", (groups, lanes), np.int32 if layer.plain else np.int64)
        current = None if layer.plain else self.scratch.array(f"u {name}", (groups, lanes), np.int64)
        line = (groups, grid.width) if layer.planes else (1, grid.neurons)
        active = np.zeros(line, np.int64) if self.count and not silent else None
        state[:] = 0
        if current is not None:
            current[:] = 0
        self.states[name] = (state, current, active)

    def _groups(self, layer: Layer) -> tuple[int, int]:
        """Return how a population's neurons lie: groups that start a line of the sums, and lanes along it."""
        grid = layer.grid
        if layer.planes:
            return grid.channels * grid.height, grid.width * self.samples
        return self.samples, grid.neurons

    def advance(self, layer: Layer, begin: int, end: int) -> None:
        """Advance a population from step ``begin`` to ``end``."""
        one = not self.plan.looped and all(self._is_held(item.connection) for item in layer.incoming)
        if layer.planes:
            self._advance_planes(layer, begin, end, 1 if one else end - begin)
        else:
            self._advance_events(layer, begin, end, 1 if one else end - begin)

    def _is_held(self, connection: Connection) -> bool:
        """Return whether what arrives is the same at every step."""
        projection = connection.projection
        return self.held and projection.source == self.source.name and projection.delay == 0

    def _advance_planes(self, layer: Layer, begin: int, end: int, steps: int) -> None:
        grid, items = layer.grid, [item for item in layer.incoming if isinstance(item, Planes)]
        buffers = [(item, self._padded(item, f"buffer {number}", begin, steps)) for number, item in enumerate(items)]
        columns = items[0].columns
        lanes = grid.height * steps * columns * self.samples
        each = max(1, SUMS // (lanes * np.dtype(layer.sums).itemsize))

        def work(targets: range) -> None:
            for first in targets[::each]:
                count = min(each, targets.stop - first)
                sums = self.runner.scratch.array("sums", (count, lanes), layer.sums)
                sums[:] = 0
                for item, buffer in buffers:
                    offsets = item.offsets(steps * self.samples, self.samples)
                    kernels.add_planes(sums, buffer, item.rows, offsets, item.weights, first)
                groups = slice(first * grid.height, (first + count) * grid.height)
                self._fire(layer, sums.reshape(count * grid.height, steps, -1), groups, begin, end)

        self._share(work, grid.channels, layer.cost)

    def _share(self, work: Callable[[range], None], size: int, cost: float) -> None:
        """Do ``work`` on ``range(size)``, split among the threads where it is worth it."""
        parts = self.threads if self.pool and cost > WORTH_A_THREAD else 1
        ranges = [range(size * part // parts, size * (part + 1) // parts) for part in range(parts)]
        if parts == 1 or self.pool is None:
            work(ranges[0])
        else:
            list(self.pool.map(work, ranges))

    def _padded(self, item: Planes, name: str, begin: int, steps: int) -> Array:
        """Return the flat buffer of a projection: the source's lanes with zeros around them."""
        connection = item.connection
        spikes = self._in_planes(connection.projection.source)
        levels = connection.levels
        kind = np.dtype(np.uint8 if levels < 2**8 else np.int32 if levels < 2**31 else np.int64)
        if item.pool != (1, 1):
            source = connection.source
            sums = (source.channels, source.height, spikes.shape[2], source.width, self.samples)
            smaller = self.scratch.array("pooled", sums, kind)
            kernels.sum_windows(_flat(smaller), _flat(spikes), self.samples, item.pool)
            spikes = smaller
        shape = (connection.source.channels, item.phases, item.height, steps, item.columns * self.samples)
        size = math.prod(shape)
        flat = self.scratch.array(name, (size + item.columns * self.samples,), kind)
        delay = connection.projection.delay - begin
        stride = connection.kernel.stride

        def work(channels: range) -> None:
            lines = flat[:size].reshape(shape)
            part = (channels.start, channels.stop)
            kernels.pad_planes(lines, _flat(spikes), self.samples, delay, stride, item.least, *part)

        self._share(work, connection.source.channels, size * 0.3)
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
            spikes, channels, starts = self._events(item.connection)
            lanes = self._lanes(item.connection, begin, steps, len(spikes) // self.samples)
            self._share(partial(_add_events, flat, lanes, item, spikes, channels, starts), len(lanes), layer.cost)
        if flat.shape[1] > grid.neurons:
            inside = sums[:, frame.top : frame.top + grid.height, frame.left : frame.left + grid.width]
            sums = self.scratch.array("inside", inside.shape, layer.sums)
            sums[:] = inside
        self._fire(layer, sums.reshape(self.samples, steps, -1), slice(0, self.samples), begin, end)

    def _lanes(self, connection: Connection, begin: int, steps: int, length: int) -> Array:
        """Return the pairs (lane of sums, lane of events) that meet."""
        sample, step = np.divmod(np.arange(self.samples * steps), steps)
        now = step + begin - connection.projection.delay
        pairs = np.stack([np.arange(len(now)), sample * length + (now if length > 1 else 0)], axis=1)
        return np.ascontiguousarray(pairs[now >= 0])

    def _events(self, connection: Connection) -> tuple[Array, Array, Array]:
        """Return the spikes of a source (lanes, positions, channels) and where they are."""
        name, grid = connection.projection.source, connection.source
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
        """Let neurons of ``groups`` hear ``sums`` (groups, steps or 1, lanes and more)."""
        v, u, active = self.states[layer.population.name]
        v, u = v[groups], None if u is None else u[groups]
        active = None if active is None else active[groups] if layer.planes else active
        numbers = self.runner.parameters_of(layer, self.samples)
        chosen = {name: value[groups] if len(value) > 1 else value for name, value in numbers.items()}
        values = self.values[layer.population.name].reshape(-1, self.length, self._groups(layer)[1])
        values = values[groups, begin:end]
        subtracts = layer.neuron.reset_by is not None
        if layer.plain:
            kernels.integrate_and_fire(
                sums, v, values, chosen["level"], chosen["bias"], chosen["after"], subtracts, active
            )
        else:
            kernels.leak_and_fire(
                sums, u, v, values, chosen["level"], chosen["bias"], chosen["after"], chosen["decay_u"],
                chosen["decay_v"], subtracts, layer.neuron.threshold is None, active,
            )  # fmt: skip

    def block(self) -> Block:
        """Return what is kept of the block."""
        active: dict[str, Array] = {}
        if self.count:
            frames = np.count_nonzero(self.values[self.source.name], axis=(2, 4))
            active[self.source.name] = frames * (self.length if self.held else 1)
            for layer in self.choice.layers:
                counted = self.states[layer.population.name][2]
                if counted is not None:
                    active[layer.population.name] = self._per_neuron(layer, counted)
        values = {name: value for name, value in self.values.items() if name in self.keep}
        return Block(self.samples, values, active, self.choice.in_planes)

    def _per_neuron(self, layer: Layer, counted: Array) -> Array:
        """Return spike counts (C, H, W), summed over samples."""
        grid = layer.grid
        if layer.planes:
            return counted.reshape(grid.channels, grid.height, grid.width)
        return np.asarray(counted.reshape(grid.height, grid.width, grid.channels).transpose(2, 0, 1))
