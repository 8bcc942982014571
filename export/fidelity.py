"""Do executors agree? Every neuron and every step is compared with the fast executor, as integers."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from spikeport.export.errors import ExecutorError
from spikeport.export.executors import executor, executor_names
from spikeport.export.network import Array, IntegerNetwork
from spikeport.export.progress import tracked
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Scores, Step

BASE = "fast"
"""What the others are compared with: equal to the reference, which may be one of them."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Where two executors first differ: the neuron is an index into the population's shape."""

    sample: int
    step: int
    neuron: tuple[int, ...]
    expected: float
    found: float


@dataclass
class Comparison:
    """One population of one executor against the base; spikes, or potentials where it never fires."""

    population: str
    quantity: str
    compared: int = 0
    different: int = 0
    first: Difference | None = None

    def add(self, step: Step, expected: Array, found: Array) -> None:
        """Compare the values of one step."""
        if expected.shape != found.shape:
            raise ExecutorError(f"population {self.population}: shape {found.shape}, expected {expected.shape}")
        self.compared += expected.size
        wrong = expected != found
        count = int(np.count_nonzero(wrong))
        if count and self.first is None:
            sample, *neuron = (int(index) for index in np.argwhere(wrong)[0])
            place = (sample, *neuron)
            self.first = Difference(
                sample=step.rows.start + sample,
                step=step.step,
                neuron=tuple(neuron),
                expected=float(expected[place]),
                found=float(found[place]),
            )
        self.different += count


@dataclass
class Fidelity:
    """All populations of one executor."""

    executor: str
    comparisons: dict[str, Comparison] = field(default_factory=dict)

    @property
    def compared(self) -> int:
        """Neuron steps compared."""
        return sum(comparison.compared for comparison in self.comparisons.values())

    @property
    def mismatches(self) -> int:
        """Neuron steps that differ."""
        return sum(comparison.different for comparison in self.comparisons.values())

    def add(self, expected: Step, found: Step) -> None:
        """Compare one step of every population."""
        for quantity, ours, theirs in (
            ("spikes", expected.spikes, found.spikes),
            ("potentials", expected.potentials, found.potentials),
        ):
            if ours.keys() != theirs.keys():
                raise ExecutorError(f"{self.executor} gives {quantity} of {sorted(theirs)}; expected {sorted(ours)}")
            for name, values in ours.items():
                comparison = self.comparisons.setdefault(name, Comparison(name, quantity))
                comparison.add(expected, values, theirs[name])


def check(network: IntegerNetwork, stimulus: Stimulus, executors: list[str]) -> tuple[dict[str, Fidelity], Array]:
    """Run ``executors`` and the fast one on ``stimulus`` and compare them.

    Returns the verdict per executor, and the classes (executors + the fast one, N) that each predicts.
    """
    names = [name for name in dict.fromkeys(executors) if name != BASE]
    if not names:
        others = ", ".join(name for name in executor_names() if name != BASE)
        raise ExecutorError(f"nothing to compare with {BASE}; name one or more of {others}")
    fidelities = {name: Fidelity(name) for name in names}
    found = [Scores(network, len(stimulus)) for _ in (*names, BASE)]
    runs = {name: executor(name)(network, stimulus) for name in (*names, BASE)}
    for step in _lockstep(network, stimulus, runs):
        for name in names:
            fidelities[name].add(step[BASE], step[name])
        for scores, each in zip(found, step.values(), strict=True):
            scores.add(each)
    return fidelities, np.stack([scores.values.argmax(1) for scores in found])


def _lockstep(
    network: IntegerNetwork, stimulus: Stimulus, runs: Mapping[str, Iterator[Step]]
) -> Iterator[dict[str, Step]]:
    total = network.steps * sum(1 for _ in stimulus.batches(100))
    for steps in tracked("comparing", zip(*runs.values(), strict=True), total):
        yield dict(zip(runs, steps, strict=True))


def summary(fidelity: Fidelity) -> dict[str, Any]:
    """Return the verdict as plain data: totals, and every population with its first difference."""
    return {
        "compared": fidelity.compared,
        "mismatches": fidelity.mismatches,
        "populations": [asdict(comparison) for comparison in fidelity.comparisons.values()],
    }
