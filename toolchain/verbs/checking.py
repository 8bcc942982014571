"""Compare executors, every neuron and every step, as integers."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikeport.export import archive, bounds, fidelity
from spikeport.export.errors import ExecutorError
from spikeport.export.executors import executor as find_executor
from spikeport.export.fidelity import Difference, Fidelity
from spikeport.export.files import write_text
from spikeport.export.junit import to_xml
from spikeport.export.network import IntegerNetwork
from spikeport.export.stimulus import InputSettings, random_stimulus
from spikeport.hardware_profiles.report.text import table
from spikeport.toolchain.verbs.sources import AnyInput, AnyPath, images_and_labels, integer_network, names_file


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """What to compare, and what passes.

    ``executors``: names of `executor_names`, each compared with the fast one. ``samples`` random samples of ``seed``
    are taken where no images are given. A verdict passes with at most ``max_mismatches`` differing neuron steps, and
    with a proof that no register can overflow, or ``unproven``.
    """

    executors: tuple[str, ...] = ("lava", "onnx", "nir")
    samples: int = 20
    seed: int = 0
    max_mismatches: int = 0
    unproven: bool = False

    def __post_init__(self) -> None:
        if self.max_mismatches < 0:
            raise ExecutorError(f"max_mismatches is {self.max_mismatches}; expected a number from 0")
        for name in self.executors:
            find_executor(name)


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """Whether executors agree.

    ``executors``: per executor every population with the neuron steps compared, those that differ, and the first of
    them. ``proven``: for every input, no register wraps or saturates; computed anew.
    """

    network: str
    proven: bool
    executors: dict[str, Fidelity]
    settings: CheckSettings = field(default_factory=CheckSettings)

    @property
    def mismatches(self) -> int:
        """Neuron steps that differ, over all executors."""
        return sum(each.mismatches for each in self.executors.values())

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is bad; empty where it is good."""
        allowed, reasons = self.settings.max_mismatches, []
        if self.mismatches > allowed:
            reasons.append(f"{self.mismatches:,} neuron steps differ ({allowed:,} allowed)")
        if not (self.proven or self.settings.unproven):
            reasons.append("no proof: for some input a register wraps or saturates")
        return tuple(reasons)

    @property
    def passed(self) -> bool:
        """Whether there is no reason against it."""
        return not self.reasons

    def text(self) -> str:
        """Return a table per executor and the verdict in one line."""
        proof = "proof recomputed: no register can wrap or saturate"
        if not self.proven:
            proof = "no proof: for some input a register wraps or saturates"
        allowed = f" ({self.settings.max_mismatches:,} allowed)" if self.settings.max_mismatches else ""
        exact = "exact" if self.mismatches == 0 else f"{self.mismatches:,} neuron steps differ{allowed}"
        return "\n\n".join([*map(_table, self.executors.values()), f"{exact}; {proof}"])

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        return {
            "passed": self.passed,
            "reasons": list(self.reasons),
            "network": self.network,
            "proven": self.proven,
            "mismatches": self.mismatches,
            "fidelity": {name: fidelity.summary(each) for name, each in self.executors.items()},
        }

    def write_json(self, path: AnyPath) -> None:
        """Write `to_dict` as JSON."""
        write_text(Path(path), json.dumps(self.to_dict(), indent=1) + "\n")

    def write_junit(self, path: AnyPath, *, name: str = "network") -> None:
        """Write the verdict as JUnit XML, with ``name`` for the network."""
        write_text(Path(path), to_xml(self.executors, network=name, proven=self.proven))


@names_file
def check(
    network: IntegerNetwork | AnyPath,
    images: AnyInput | None = None,
    *,
    settings: CheckSettings | None = None,
    reading: InputSettings | None = None,
) -> Verdict:
    """Compare executors with the fast one: every neuron, every step, as integers.

    ``network``: an integer network or the path of its archive. ``images``: a stimulus, an array (N, *shape) or (N, T,
    *shape), or a file; random samples, if None. ``settings``: the executors, and what passes. ``reading``: the unit of
    the images' numbers, and how events become steps. Raises `ExecutorError`
    where an executor is unknown or nothing is left to compare, `LavaError` where Lava is not installed, `FormatError`
    where a format cannot say the network.
    """
    chosen, loaded = settings or CheckSettings(), integer_network(network)
    if images is None:
        stimulus = random_stimulus(loaded, chosen.samples, chosen.seed)
    else:
        stimulus = images_and_labels(images, loaded, reading)[0]
    fidelities, _ = fidelity.check(loaded, stimulus, list(chosen.executors))
    return Verdict(network=archive.digest(loaded), proven=bounds.is_safe(loaded), executors=fidelities, settings=chosen)


def _table(executor: Fidelity) -> str:
    rows = [
        (c.population, c.quantity, f"{c.compared:,}", f"{c.different:,}", _place(c.first))
        for c in executor.comparisons.values()
    ]
    header = (f"{executor.executor} against {fidelity.BASE}", "quantity", "compared", "different", "first difference")
    return table(header, rows)


def _place(first: Difference | None) -> str:
    if first is None:
        return "none"
    neuron = ", ".join(map(str, first.neuron))
    return (
        f"sample {first.sample}, step {first.step}, neuron ({neuron}): "
        f"expected {first.expected:g}, found {first.found:g}"
    )
