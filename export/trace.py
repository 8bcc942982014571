"""What an executor yields, and what folds over it without ever holding a whole trace."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar

import numpy as np

from spikeport.export.errors import ExecutorError
from spikeport.export.network import Array, Network, Source
from spikeport.export.stimulus import Stimulus


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampled:
    """One sample whose accumulates the executor's own kernels have counted.

    ``spikes`` are what every source sent, bool (T, *shape), of the input what is not zero; ``arrived`` the accumulates
    that reached every neuron in all T steps, (*target), or their sum in one number, per projection in the network's
    order. ``miscounted``: of how
    many neurons of a source the executor counted other numbers of spikes than there are, in the block of the sample.
    """

    image: int
    spikes: Mapping[str, Array]
    arrived: Sequence[Array]
    miscounted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Count:
    """What a batch did.

    ``active`` are spikes (non-zero inputs) per neuron over samples and steps, by population; ``operations`` these
    spike counts times the fan-outs, per projection in the network's order; ``sampled`` the samples whose accumulates
    were counted.
    """

    active: Mapping[str, Array]
    operations: Sequence[int]
    sampled: Sequence[Sampled] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step of the samples ``rows``.

    ``spikes`` holds bool (N, *shape) for every population that can fire (numbers of spikes where a float neuron may
    fire several times), ``potentials`` the membrane potential (N, *shape) after the step of those that cannot;
    ``source`` is the input (N, *shape); the last step of a batch may carry a ``count`` of the whole batch. ``alive``
    (N,): which samples have not ended before this step, where they differ in length. ``compared``: what the neurons
    that can fire held against their thresholds, the potential before the reset, of executors that know it.
    """

    rows: slice
    step: int
    source: Array
    spikes: Mapping[str, Array]
    potentials: Mapping[str, Array]
    count: Count | None = None
    alive: Array | None = None
    compared: Mapping[str, Array] = field(default_factory=dict)


Kind_contra = TypeVar("Kind_contra", bound=Network, contravariant=True)
Run = TypeVar("Run", bound=Network)
Arguments = ParamSpec("Arguments")
Trace = dict[str, Array]


class Executor(Protocol[Kind_contra]):
    """Runs networks of one type: the ``steps`` of a file in `spikeport.export.executors`."""

    def __call__(self, network: Kind_contra, stimulus: Stimulus, *, batch: int = ...) -> Iterator[Step]:
        """Yield every step of every batch of at most ``batch`` samples; bad input raises a `SpikeportError`."""


def until_end(execute: Callable[Arguments, Iterator[Step]]) -> Callable[Arguments, Iterator[Step]]:
    """Return an executor whose samples end at their length: no spikes and no input after it, potentials as they were.

    A sample of L steps then gives what it gives alone in a network with L steps.
    """

    @wraps(execute)
    def ended(*args: Arguments.args, **options: Arguments.kwargs) -> Iterator[Step]:
        stimulus = next(value for value in (*args, *options.values()) if isinstance(value, Stimulus))
        steps = execute(*args, **options)
        return steps if stimulus.lengths is None else _ended(steps, stimulus)

    return ended


def _ended(steps: Iterator[Step], stimulus: Stimulus) -> Iterator[Step]:
    last: dict[str, Array] = {}
    for step in steps:
        alive = stimulus.alive(step.rows, step.step)
        assert alive is not None
        last = {
            name: np.where(_along(alive, values), values, last.get(name, values)) if step.step else values
            for name, values in step.potentials.items()
        }
        yield replace(
            step,
            source=step.source * _along(alive, step.source),
            spikes={name: values * _along(alive, values) for name, values in step.spikes.items()},
            potentials=dict(last),
            alive=alive,
        )


def _along(alive: Array, values: Array) -> Array:
    """Return one truth value per sample, to be broadcast over ``values``."""
    return alive.reshape(-1, *[1] * (values.ndim - 1))


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


SCORES = ("count", "last", "mean", "max")
"""Ways to turn what the readout puts out over a sample into one score per class."""


def score_rule(network: Network, asked: str | None = None) -> str:
    """Return how the score of a class comes about; ``asked`` is one of `SCORES`, or None for the network's own way.

    'count': spikes over the sample, of a readout that fires. 'last': the potential after the last step. 'mean' and
    'max': of the spikes or potentials over all steps. By itself a readout that fires gives counts, one that keeps
    nothing from step to step (synapses without neurons behind them) the mean, any other its last potential. Raises
    `ExecutorError` for another word, and for counts of a readout that never fires.
    """
    neuron = network.readout.neuron
    assert not isinstance(neuron, Source)
    fires = neuron.threshold is not None
    if asked is None:
        return "count" if fires else "mean" if neuron.keeps_nothing else "last"
    if asked not in SCORES:
        raise ExecutorError(f"no score {asked!r}; there are {', '.join(SCORES)}")
    if asked == "count" and not fires:
        raise ExecutorError(
            f"score 'count' needs a readout that fires, and population {network.readout.name} never does; take 'last', "
            "'mean' or 'max' of its potential"
        )
    return asked


class Scores:
    """Scores of ``samples`` samples, added up step by step; ``values`` are (samples, outputs), float64."""

    def __init__(self, network: Network, samples: int, rule: str | None = None) -> None:
        self.name, self.last = network.readout.name, network.steps - 1
        self.rule = score_rule(network, rule)
        self.values: Array = np.zeros((samples, math.prod(network.readout.shape)))
        self.steps = np.zeros(samples)

    def add(self, step: Step) -> None:
        """Add one step to the scores of its samples."""
        put_out = step.spikes[self.name] if self.name in step.spikes else step.potentials[self.name]
        flat, rows = put_out.reshape(len(step.source), -1), np.arange(step.rows.start, step.rows.stop)
        if step.alive is not None:
            flat, rows = flat[step.alive], rows[step.alive]
        self.steps[rows] += 1
        if self.rule == "last":
            if step.alive is not None or step.step == self.last:
                self.values[rows] = flat
        elif self.rule == "max":
            self.values[rows] = flat if step.step == 0 else np.maximum(self.values[rows], flat)
        else:
            self.values[rows] += flat
        if self.rule == "mean" and step.step == self.last:
            self.values[step.rows] /= self.steps[step.rows, None]


def scores(steps: Iterable[Step], network: Network, count: int, rule: str | None = None) -> Array:
    """Return one score per sample and output neuron, (count, outputs); ``rule`` as `score_rule` takes it."""
    totals = Scores(network, count, rule)
    for step in steps:
        totals.add(step)
    return totals.values


def predicted(network: Run, stimulus: Stimulus, execute: Executor[Run], rule: str | None = None) -> Array:
    """Run ``network`` with the executor's ``steps`` and return the class of the largest score per sample."""
    chosen: Array = scores(execute(network, stimulus), network, len(stimulus), rule).argmax(1)
    return chosen
