"""What an executor yields, and what folds over it without ever holding a whole trace."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from export.network import Array, FloatNetwork, IntegerNetwork
from export.stimulus import Stimulus


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step of the samples ``rows``.

    ``spikes`` holds bool (N, *shape) for every population that can fire, ``potentials`` the membrane potential
    (N, *shape) after the step of those that cannot; ``source`` is the input (N, *shape).
    """

    rows: slice
    step: int
    source: Array
    spikes: Mapping[str, Array]
    potentials: Mapping[str, Array]


Executor = Callable[..., Iterator[Step]]
Trace = dict[str, Array]


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


def classes(steps: Iterable[Step], readout: str, count: int, last: int) -> Array:
    """Return the predicted class per sample: the largest potential of ``readout`` after step ``last``."""
    chosen = np.zeros(count, np.int64)
    for step in steps:
        if step.step == last:
            chosen[step.rows] = step.potentials[readout].reshape(len(step.source), -1).argmax(1)
    return chosen


def predicted(network: FloatNetwork | IntegerNetwork, stimulus: Stimulus, execute: Executor) -> Array:
    """Run ``network`` with the executor's ``steps`` and return the predicted class per sample."""
    return classes(execute(network, stimulus), network.readout.name, len(stimulus), network.steps - 1)
