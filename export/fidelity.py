"""Do executors agree? Every neuron and every step is compared with the fast executor, as integers.

Float networks are compared with the floating executor, which computes in float64. Spikes are whole numbers and compared
as such. Potentials round differently where another order or width of numbers adds them up: they agree where they differ
by less than the stated share of the population's largest potential in that step.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from spikeport.export.errors import ExecutorError, SpikeportError
from spikeport.export.executors import ask, executor, executor_names
from spikeport.export.network import Array, FloatNetwork, Network
from spikeport.export.progress import tracked
from spikeport.export.stimulus import Stimulus
from spikeport.export.trace import Scores, Step

BASE = "fast"
"""What the others are compared with: equal to the reference, which may be one of them."""
FLOAT_BASE = "floating"
"""What executors of float networks are compared with."""


@dataclass(frozen=True, kw_only=True)
class Precision:
    """In which numbers an executor of float networks computes: ``bits`` of ``of`` must agree in potentials."""

    name: str
    of: int
    bits: int

    def sentence(self, executor: str) -> str:
        """Return what was compared, and how."""
        return (
            f"{executor} computes in {self.name}, {FLOAT_BASE} in float64: spikes are compared exactly, potentials to "
            f"{self.bits} of {self.of} bits of the largest of a step"
        )


PRECISIONS = {"onnx": Precision(name="float32", of=24, bits=12)}
"""Executors of float networks that do not compute in float64."""
DOUBLE = Precision(name="float64", of=53, bits=40)


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
    bits: int | None = None

    def add(self, step: Step, expected: Array, found: Array) -> None:
        """Compare the values of one step."""
        if expected.shape != found.shape:
            raise ExecutorError(f"population {self.population}: shape {found.shape}, expected {expected.shape}")
        self.compared += expected.size
        wrong = self._wrong(expected, found)
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

    def _wrong(self, expected: Array, found: Array) -> Array:
        if self.bits is None or self.quantity == "spikes" or not expected.size:
            return np.asarray(expected != found)
        allowed = np.abs(expected).max() * 2.0**-self.bits
        return np.asarray(~(np.abs(expected - found) <= allowed))


@dataclass
class Fidelity:
    """All populations of one executor; ``precision`` where numbers are rounded, as those of a float network are."""

    executor: str
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    base: str = BASE
    precision: Precision | None = None

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
                bits = None if self.precision is None else self.precision.bits
                comparison = self.comparisons.setdefault(name, Comparison(name, quantity, bits=bits))
                comparison.add(expected, values, theirs[name])


def base_of(network: Network) -> str:
    """Return the executor that the others are compared with."""
    return FLOAT_BASE if isinstance(network, FloatNetwork) else BASE


def asked(network: Network, executors: Sequence[str]) -> dict[str, SpikeportError | None]:
    """Ask every executor but the base whether it can run ``network``; nothing runs. None stands for yes."""
    base = base_of(network)
    names = [name for name in dict.fromkeys(executors) if name != base]
    if not names:
        others = ", ".join(name for name in executor_names(type(network)) if name != base)
        raise ExecutorError(f"nothing to compare with {base}; name one or more of {others}")
    return {name: ask(name, network) for name in names}


def check(network: Network, stimulus: Stimulus, executors: Sequence[str]) -> tuple[dict[str, Fidelity], Array]:
    """Run ``executors`` and the base on ``stimulus`` and compare them; the error of the first that cannot is raised.

    Returns the verdict per executor, and the classes (executors + the base, N) that each predicts.
    """
    found = asked(network, executors)
    for error in found.values():
        if error is not None:
            raise error
    return compare(network, stimulus, list(found))


def compare(network: Network, stimulus: Stimulus, names: Sequence[str]) -> tuple[dict[str, Fidelity], Array]:
    """Run executors that were asked, and the base, and compare them; returns what `check` does."""
    base, kind = base_of(network), type(network)
    rounded = isinstance(network, FloatNetwork)
    fidelities = {
        name: Fidelity(name, base=base, precision=PRECISIONS.get(name, DOUBLE) if rounded else None) for name in names
    }
    found = [Scores(network, len(stimulus)) for _ in (*names, base)]
    runs = {name: executor(name, kind)(network, stimulus) for name in (*names, base)}
    for step in _lockstep(network, stimulus, runs):
        for name in names:
            fidelities[name].add(step[base], step[name])
        for scores, each in zip(found, step.values(), strict=True):
            scores.add(each)
    return fidelities, np.stack([scores.values.argmax(1) for scores in found])


def _lockstep(network: Network, stimulus: Stimulus, runs: Mapping[str, Iterator[Step]]) -> Iterator[dict[str, Step]]:
    total = network.steps * sum(1 for _ in stimulus.batches(100))
    for steps in tracked("comparing", zip(*runs.values(), strict=True), total):
        yield dict(zip(runs, steps, strict=True))


def summary(fidelity: Fidelity) -> dict[str, Any]:
    """Return the verdict as plain data: totals, and every population with its first difference."""
    return {
        "compared": fidelity.compared,
        "mismatches": fidelity.mismatches,
        "populations": [asdict(comparison) for comparison in fidelity.comparisons.values()],
        **({} if fidelity.precision is None else {"precision": asdict(fidelity.precision)}),
    }
