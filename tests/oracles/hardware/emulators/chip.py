"""What the recorders share: Loihi 1's registers as plain numbers, and how states are kept. Needs numpy only."""

import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

KEPT = 1500
"""Neuron steps up to which a case's states are kept whole; of larger ones, digests."""


@dataclass
class Population:
    """Neurons; ``registers`` are the file's, one number per neuron."""

    name: str
    shape: tuple
    start: int
    registers: dict = field(default_factory=dict)

    @property
    def size(self):
        return int(np.prod(self.shape))


@dataclass
class Projection:
    """Synapses with their mantissas as kernel or matrix."""

    source: str
    target: str
    delay: int
    weight_exponent: int
    weight_bits: int
    sign_mode: str
    mantissa: np.ndarray
    stride: tuple = (1, 1)
    padding: tuple = (0, 0)
    dilation: tuple = (1, 1)
    groups: int = 1

    @property
    def weights(self):
        """What a mantissa adds to the current, in potential units."""
        wide = self.mantissa.astype(np.int64)
        exponent = self.weight_exponent
        return (wide << exponent if exponent >= 0 else wide >> -exponent) << 6


@dataclass
class Chip:
    """A network and its input spikes, (steps, source neurons)."""

    steps: int
    populations: dict
    projections: list
    spikes: np.ndarray

    @property
    def source(self):
        return next(iter(self.populations.values()))

    @property
    def neurons(self):
        return list(self.populations.values())[1:]

    @property
    def last_start(self):
        return max(each.start for each in self.neurons)


def load(path):
    """Read ``path`` and the spikes beside it."""
    arrays = dict(np.load(path))
    told = json.loads(str(arrays["description"]))
    populations = {}
    for index, each in enumerate(told["populations"]):
        prefix = f"populations/{index}/"
        registers = {name[len(prefix) :]: values for name, values in arrays.items() if name.startswith(prefix)}
        populations[each["name"]] = Population(each["name"], tuple(each["shape"]), each["start"], registers)
    projections = [
        Projection(mantissa=arrays[f"projections/{index}/mantissa"], **each)
        for index, each in enumerate(told["projections"])
    ]
    return Chip(told["steps"], populations, projections, np.load(path.with_suffix(".spikes.npy")))


def digest(path):
    """Return a digest of a case's registers and spikes, whatever the compression of the file."""
    made = hashlib.sha256()
    arrays = {**np.load(path), "spikes": np.load(path.with_suffix(".spikes.npy"))}
    for name, values in sorted(arrays.items()):
        made.update(f"{name} {values.dtype} {values.shape}".encode())
        made.update(np.ascontiguousarray(values).tobytes())
    return made.hexdigest()[:16]


def cases(folder):
    """Yield the names and paths of all cases."""
    for path in sorted(Path(folder).glob("*.npz")):
        yield path.stem, path


def synapses(projection, values, shape):
    """Return sources, targets and ``values`` of all synapses that are not zero; ``shape`` is the source's."""
    if values.ndim == 2:
        targets, sources = np.nonzero(values)
        return sources, targets, values[targets, sources]
    found = np.array(list(_taps(projection, values, shape)), np.int64).reshape(-1, 3)
    return found[:, 0], found[:, 1], found[:, 2]


def _taps(projection, values, shape) -> Iterator[tuple]:
    """Yield every synapse of a convolution, position by position."""
    per_group, filters = values.shape[1], len(values) // projection.groups
    spans = [(size - 1) * step + 1 for size, step in zip(values.shape[2:], projection.dilation, strict=True)]
    rows, columns = (
        (side + 2 * pad - span) // step + 1
        for side, pad, span, step in zip(shape[1:], projection.padding, spans, projection.stride, strict=True)
    )
    for out, plane, down, right in np.argwhere(values):
        channel = out // filters * per_group + plane
        for row in range(rows):
            y = row * projection.stride[0] - projection.padding[0] + down * projection.dilation[0]
            for column in range(columns):
                x = column * projection.stride[1] - projection.padding[1] + right * projection.dilation[1]
                if 0 <= y < shape[1] and 0 <= x < shape[2]:
                    source = (channel * shape[1] + y) * shape[2] + x
                    yield source, (out * rows + row) * columns + column, values[out, plane, down, right]


def kept(u, v, s):
    """Return what is kept of states (steps, neurons): a digest per step, a check per neuron, all of it where small."""
    states = np.stack([np.asarray(each).astype("<i4") for each in (u, v, s)])
    steps = [hashlib.sha256(states[:, step].tobytes()).digest()[:8] for step in range(states.shape[1])]
    neurons = [zlib.crc32(states[:, :, neuron].tobytes()) & 0xFFFF for neuron in range(states.shape[2])]
    found = {"steps": np.array([list(each) for each in steps], np.uint8), "neurons": np.array(neurons, np.uint16)}
    if states[0].size <= KEPT:
        found["states"] = states
    return found
