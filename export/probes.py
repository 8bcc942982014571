"""Current and potential of chosen populations while a network runs, computed from the spikes that reach them.

A population's state follows from what its sources send, by the definition of its neuron (`executors.reference`, of
float networks `executors.floating`). So every executor that yields spikes can be probed, and where its own spikes of
the population differ from those that follow, the run ends with an error.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from spikeport.export.array_files import Rows, array_file
from spikeport.export.errors import ExecutorError, NetworkError
from spikeport.export.executors import floating, reference
from spikeport.export.image_biases import values_of
from spikeport.export.network import (
    Array,
    FloatNetwork,
    FloatNeuron,
    FloatPopulation,
    IntegerNetwork,
    IntegerNeuron,
    IntegerPopulation,
    Network,
    Source,
)
from spikeport.export.saved_spikes import Batches, Watch, about, chosen
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Step

PARTS = ("current", "potential", "after_reset")


@contextmanager
def saved_probes(
    path: Path,
    network: Network,
    stimulus: Stimulus,
    names: Sequence[str],
    *,
    executor: str,
    samples: Sequence[int] | None = None,
) -> Iterator[Watch]:
    """Yield what takes every step of a run; the file at ``path`` is whole when the block has ended.

    Per population of ``names``: ``NAME.current`` (N, T, *shape), the synaptic current u; ``NAME.potential``, v as it is
    held against the threshold; ``NAME.after_reset``, v at the end of the step. Integers of a Loihi register as int32
    (potentials in units of 1/64 of the threshold's), else float64. After the end of a shorter sample they stay.
    ``samples``: their numbers; all, if None. Raises `NetworkError` for a name that is no population with neurons.
    """
    check_names(network, names)
    numbers, kind = chosen(samples, len(stimulus)), np.float64 if isinstance(network, FloatNetwork) else np.int32
    shape = (len(numbers), stimulus.steps)
    arrays = {
        f"{name}.{part}": Rows(shape=(*shape, *network.population(name).shape), kind=kind)
        for name in names
        for part in PARTS
    }
    told = about(stimulus, numbers)
    probes = [_Probe(network, stimulus, name, executor) for name in names]

    def found(step: Step) -> dict[str, Array]:
        return {f"{probe.name}.{part}": values for probe in probes for part, values in probe.at(step).items()}

    with array_file(path, arrays | {n: Rows(shape=v.shape, kind=v.dtype) for n, v in told.items()}) as file:
        for name, values in told.items():
            file.append(name, values)
        yield Batches(numbers, file, stimulus.steps, found)


def check_names(network: Network, names: Sequence[str]) -> None:
    """Raise `NetworkError` where a name is none of the network's populations of neurons."""
    there = [population.name for population in network.neurons]
    for name in names:
        if name not in there:
            raise NetworkError(f"no population {name!r} with neurons to probe; there are {', '.join(there)}")


class _Probe:
    """The state of one population, step by step."""

    def __init__(self, network: Network, stimulus: Stimulus, name: str, executor: str) -> None:
        self.network, self.stimulus, self.name, self.executor = network, stimulus, name, executor
        self.past: deque[dict[str, Array]] = deque(maxlen=1 + max(each.delay for each in network.projections))
        self.last: dict[str, Array] = {}

    def at(self, step: Step) -> dict[str, Array]:
        """Return the state at the end of a step; steps come in order."""
        if step.step == 0:
            self.past.clear()
            self._rest(len(step.source))
        sent = {**step.spikes, **step.potentials} if isinstance(self.network, FloatNetwork) else dict(step.spikes)
        self.past.appendleft({self.network.source.name: self._source(step), **sent})
        spikes = self._float(step) if isinstance(self.network, FloatNetwork) else self._integer(self.network, step)
        self._compare(spikes, step)
        values = (self.state.u, self._compared(), self.state.v)
        found = dict(zip(PARTS, map(np.array, values), strict=True))
        if step.alive is not None and step.step:
            alive = step.alive.reshape(-1, *[1] * (found["current"].ndim - 1))
            found = {part: np.where(alive, each, self.last[part]) for part, each in found.items()}
        self.last = found
        return found

    def _rest(self, count: int) -> None:
        population = self.network.population(self.name)
        self.state: reference.State | floating.State
        if isinstance(population, FloatPopulation):
            self.state = floating.State.at_rest(population, count)
        else:
            assert isinstance(population, IntegerPopulation)
            self.state = reference.at_rest(population, count)

    def _source(self, step: Step) -> Array:
        source, frame = self.network.source.neuron, step.source
        assert isinstance(source, Source)
        real = isinstance(self.network, FloatNetwork) and frame.dtype.kind != "f"
        return frame * source.unit if real else frame

    def _integer(self, network: IntegerNetwork, step: Step) -> Array:
        population = network.population(self.name)
        assert isinstance(population.neuron, IntegerNeuron)
        assert isinstance(self.state, reference.State)
        if step.step == 0:
            self.bias = values_of(network, self.stimulus, step.rows).get(self.name)
        sums = reference.arriving(network, population, self.past, len(step.source))
        return reference.advance(self.state, sums, population.neuron, self.bias)

    def _float(self, step: Step) -> Array:
        population = self.network.population(self.name)
        assert isinstance(population, FloatPopulation)
        assert isinstance(population.neuron, FloatNeuron)
        assert isinstance(self.network, FloatNetwork)
        assert isinstance(self.state, floating.State)
        sums = floating.arriving(self.network, population, self.past, len(step.source))
        return floating.advance(self.state, sums, population.neuron)

    def _compared(self) -> Array:
        """Return the potential before the reset; a population that never fires has no reset."""
        return self.state.compared if self.state.compared.shape else self.state.v

    def _compare(self, spikes: Array, step: Step) -> None:
        """Refuse spikes of an executor that do not follow from what it sent into the population."""
        yielded = step.spikes.get(self.name)
        exact = self.executor == "floating" or not isinstance(self.network, FloatNetwork)
        if yielded is None or not exact:
            return
        differs = np.asarray(spikes != yielded).reshape(len(spikes), -1)
        if step.alive is not None:
            differs = differs[step.alive]
        if differs.any():
            raise ExecutorError(
                f"in step {step.step} of samples {step.rows.start} to {step.rows.stop - 1}, {int(differs.sum())} "
                f"neurons of {self.name} fire otherwise in executor {self.executor!r} than their currents say: a fault "
                "of the executor; compare it with the others by 'spikeport check'"
            )
