"""What an executor yields, and what folds over it without ever holding a whole trace."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from spikeport.export.network import Array, Network
from spikeport.export.stimulus import Stimulus


@dataclass(frozen=True, kw_only=True, eq=False)
class Count:
    """What a batch did.

    ``active`` are spikes (non-zero inputs) per neuron over samples and steps, by population; ``operations`` the
    non-zero synapses that they crossed, per projection in the network's order.
    """

    active: Mapping[str, Array]
    operations: Sequence[int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step of the samples ``rows``.

    ``spikes`` holds bool (N, *shape) for every population that can fire (numbers of spikes where a float neuron may
    fire several times), ``potentials`` the membrane potential (N, *shape) after the step of those that cannot;
    ``source`` is the input (N, *shape); the last step of a batch may carry a ``count`` of the whole batch.
    """

    rows: slice
    step: int
    source: Array
    spikes: Mapping[str, Array]
    potentials: Mapping[str, Array]
    count: Count | None = None


Kind_contra = TypeVar("Kind_contra", bound=Network, contravariant=True)
Run = TypeVar("Run", bound=Network)
Trace = dict[str, Array]


class Executor(Protocol[Kind_contra]):
    """Runs networks of one type: the ``steps`` of a file in `spikeport.export.executors`."""

    def __call__(self, network: Kind_contra, stimulus: Stimulus, *, batch: int = ...) -> Iterator[Step]:
        """Yield every step of every batch of at most ``batch`` samples; bad input raises a `SpikeportError`."""


def record(steps: Iterable[Step]) -> Trace:
    """Return the whole trace per population: spikes or potentials as (N, T, *shape); for small runs."""
    parts: dict[str, dict[int, list[Array]]] = {}
    for step in steps:
        for name, values in (*step.spikes.items(), *step.potentials.items()):
            parts.setdefault(name, {}).setdefault(step.rows.start, []).append(values)
    return {
        name: np.concatenate([np.stack(by_row[start], axis=1) for start in sorted(by_row)])
        for name, by_row in parts.items()
    }


def scores(steps: Iterable[Step], network: Network, count: int) -> Array:
    """Return one score per sample and output neuron: its potential after the last step, or how often it fired."""
    totals = no_scores(network, count)
    for step in steps:
        add_scores(totals, step, network)
    return totals


def no_scores(network: Network, count: int) -> Array:
    """Return the scores (samples, outputs) before the first step."""
    return np.zeros((count, math.prod(network.readout.shape)))


def add_scores(totals: Array, step: Step, network: Network) -> None:
    """Add one step to the scores of its samples."""
    name = network.readout.name
    if name in step.spikes:
        totals[step.rows] += step.spikes[name].reshape(len(step.source), -1)
    elif step.step == network.steps - 1:
        totals[step.rows] = step.potentials[name].reshape(len(step.source), -1)


def predicted(network: Run, stimulus: Stimulus, execute: Executor[Run]) -> Array:
    """Run ``network`` with the executor's ``steps`` and return the class of the largest score per sample."""
    chosen: Array = scores(execute(network, stimulus), network, len(stimulus)).argmax(1)
    return chosen
