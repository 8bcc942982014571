"""Saves the spikes of every population while a network runs: a bit for each neuron and step (docs/formats.md)."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from spikeport.export.array_files import ArrayFile, Rows, array_file
from spikeport.export.errors import ExecutorError, StimulusError
from spikeport.export.network import Array, FloatNeuron, Network, Shape, Source
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Step

Watch = Callable[[Step], None]
"""What every step of a run is given to, in order."""
MOST_ONCE = 2**16 - 1
"""The largest number of spikes of a neuron in a step that a file holds."""


@contextmanager
def saved_spikes(
    path: Path, network: Network, stimulus: Stimulus, samples: Sequence[int] | None = None
) -> Iterator[Watch]:
    """Yield what takes every step of a run; the file at ``path`` is whole when the block has ended.

    ``samples``: their numbers; all, if None. Per population that fires: ``NAME.spikes`` (N, T, bytes), the bits of the
    flat neurons as `numpy.packbits` orders them, or ``NAME.counts`` (N, T, *shape) where a neuron may fire several
    times a step, and ``NAME.shape``. The source counts as a population where it sends spikes. `about` has the rest.
    Raises `StimulusError` for a sample that there is not.
    """
    numbers, packed, counted = chosen(samples, len(stimulus)), _once(network, stimulus), _several(network)
    first = (len(numbers), stimulus.steps)
    arrays = {f"{n}.spikes": Rows(shape=(*first, -(-math.prod(s) // 8)), kind=np.uint8) for n, s in packed.items()}
    arrays |= {f"{name}.counts": Rows(shape=(*first, *shape), kind=np.uint16) for name, shape in counted.items()}
    told = {f"{name}.shape": np.array(shape, np.int64) for name, shape in (packed | counted).items()}

    def found(step: Step) -> dict[str, Array]:
        sent = {network.source.name: step.source, **step.spikes}
        bits = {f"{name}.spikes": np.packbits(_flat(sent[name]) != 0, axis=1) for name in packed}
        return bits | {f"{name}.counts": _counts(name, step.spikes[name]) for name in counted}

    with array_file(path, arrays | _rows(told | about(stimulus, numbers))) as file:
        for name, values in (told | about(stimulus, numbers)).items():
            file.append(name, values)
        yield Batches(numbers, file, stimulus.steps, found)


class Batches:
    """Puts the steps of a batch together and adds them to a file: of samples ``numbers``, the arrays that ``found``."""

    def __init__(
        self, numbers: Array, file: ArrayFile, steps: int, found: Callable[[Step], Mapping[str, Array]]
    ) -> None:
        self._numbers, self._file, self._last, self._found = numbers, file, steps - 1, found
        self._batch: list[Mapping[str, Array]] = []

    def __call__(self, step: Step) -> None:
        """Take a step; with the last one of a batch its rows are written."""
        inside = self._numbers[(self._numbers >= step.rows.start) & (self._numbers < step.rows.stop)] - step.rows.start
        self._batch.append({name: values[inside] for name, values in self._found(step).items()})
        if step.step == self._last:
            for name in self._batch[0]:
                self._file.append(name, np.stack([each[name] for each in self._batch], axis=1))
            self._batch = []


def chosen(samples: Sequence[int] | None, count: int) -> Array:
    """Return numbers of samples, each once and in order; all for None."""
    numbers = np.arange(count) if samples is None else np.unique(np.array(samples, np.int64))
    if not len(numbers) or numbers[0] < 0 or numbers[-1] >= count:
        raise StimulusError(f"samples {', '.join(map(str, samples or ()))} were asked for; expected 0 to {count - 1}")
    return numbers


def about(stimulus: Stimulus, numbers: Array) -> dict[str, Array]:
    """Return what a file says of samples: their numbers ``samples`` (N,), and ``lengths`` (N,) where they differ."""
    lengths = {} if stimulus.lengths is None else {"lengths": stimulus.lengths[numbers]}
    return {"samples": numbers.astype(np.int64), **lengths}


def _rows(arrays: Mapping[str, Array]) -> dict[str, Rows]:
    return {name: Rows(shape=values.shape, kind=values.dtype) for name, values in arrays.items()}


def _once(network: Network, stimulus: Stimulus) -> dict[str, Shape]:
    """Return the shapes of the populations whose neurons fire once a step at most, the source among them."""
    source = network.source
    assert isinstance(source.neuron, Source)
    sends = source.neuron.levels == 1 and stimulus.values.dtype.kind in "biu" and stimulus.values.max(initial=0) <= 1
    several = _several(network)
    named = {population.name: population.shape for population in network.spiking if population.name not in several}
    return ({source.name: source.shape} if sends else {}) | named


def _several(network: Network) -> dict[str, Shape]:
    return {p.name: p.shape for p in network.spiking if isinstance(p.neuron, FloatNeuron) and p.neuron.most != 1}


def _flat(values: Array) -> Array:
    return values.reshape(len(values), -1)


def _counts(name: str, values: Array) -> Array:
    if values.max(initial=0) > MOST_ONCE:
        raise ExecutorError(
            f"a neuron of {name} fires {values.max():g} times in a step; a file holds up to {MOST_ONCE}"
        )
    return values.astype(np.uint16)
