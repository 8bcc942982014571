"""Compare executors, every neuron and every step: integer networks as integers, float ones with their rounding."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikeport.export import archive, bounds, fidelity
from spikeport.export.bias_form import Rounding, measured
from spikeport.export.crossings import costed
from spikeport.export.errors import ExecutorError, LavaError, NetworkError, PlacementError, SpikeportError
from spikeport.export.executors import known
from spikeport.export.fidelity import Difference, Fidelity
from spikeport.export.files import write_json, write_text
from spikeport.export.junit import to_xml
from spikeport.export.network import BiasNetwork, FloatNetwork, IntegerNetwork, Network
from spikeport.export.shown import Shown
from spikeport.export.stimulus import InputSettings, random_stimulus
from spikeport.export.target_rules import Examined
from spikeport.hardware_profiles.chip_formats import AnyProfile, profiles_of
from spikeport.hardware_profiles.chips import check_runs, chip_verdict
from spikeport.hardware_profiles.placement import place
from spikeport.hardware_profiles.profile import HardwareProfile, load_profiles
from spikeport.hardware_profiles.report.text import table
from spikeport.hardware_profiles.verdicts import ChipVerdict
from spikeport.toolchain.verbs.sources import AnyInput, AnyPath, images_and_labels, names_file, prepared

CHIPS = ("loihi1", "loihi2")
"""The chips of which a verdict speaks where none is asked for."""


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """What to compare, and what passes.

    ``executors``: names of `executor_names`, each compared with the fast one (of float networks with the floating one).
    One that cannot run the network is left out, with the reason, unless ``require`` names it. ``samples`` random
    samples of ``seed`` are taken where no images are given. A verdict passes with at most ``max_mismatches`` differing
    neuron steps, and with a proof that no register can overflow, or ``unproven``. ``chips``: profiles, names or .toml
    files, that have to run the network; without, the verdict says whether either Loihi does, and passes all the same.
    """

    executors: tuple[str, ...] = ("lava", "onnx", "nir")
    samples: int = 20
    seed: int = 0
    max_mismatches: int = 0
    unproven: bool = False
    require: tuple[str, ...] = ()
    chips: tuple[AnyProfile, ...] = ()

    def __post_init__(self) -> None:
        if self.max_mismatches < 0:
            raise ExecutorError(f"max_mismatches is {self.max_mismatches}; expected a number from 0")
        for name in (*self.executors, *self.require):
            known(name)


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict(Shown):
    """Whether executors agree on a network (its digest, ``network``), by ``settings``.

    ``executors``: per executor every population with the neuron steps compared, those that differ, and the first of
    them. ``proven``: for every input, no register wraps or saturates; computed anew (None: a float network has none).
    ``refused``: executors that were not compared, each with 'cannot hold: why', or 'cannot run here: why'. ``chips``:
    whether each chip runs the network, or which of its rules fail where, by how much, and the way out.
    ``rounding``: what the bias registers changed against the graded input, of a network whose input are biases.
    """

    network: str
    proven: bool | None
    executors: dict[str, Fidelity]
    settings: CheckSettings = field(default_factory=CheckSettings)
    refused: dict[str, str] = field(default_factory=dict)
    chips: tuple[ChipVerdict, ...] = ()
    rounding: Rounding | None = None

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
        if self.proven is False and not self.settings.unproven:
            reasons.append("no proof: for some input a register wraps or saturates")
        return (*reasons, *(reason for chip in self.chips for reason in chip.reasons))

    @property
    def passed(self) -> bool:
        """Whether there is no reason against it."""
        return not self.reasons

    def text(self) -> str:
        """Return the verdict in one line, behind what is against it, then a table per executor and what chips say."""
        failed = [] if self.passed else [f"failed: {'; '.join(self.reasons)}"]
        first = "\n".join([*failed, self._exactness()])
        refused = ["\n".join(f"{name} {why}" for name, why in self.refused.items())] if self.refused else []
        chips = ["\n".join(line for chip in self.chips for line in chip.lines)] if self.chips else []
        rounding = [] if self.rounding is None else [self.rounding.text()]
        return "\n\n".join([first, *map(_table, self.executors.values()), *refused, *rounding, *chips])

    def _exactness(self) -> str:
        """Return how many neuron steps of which executors differ, and whether registers are proven."""
        proof = {
            True: "proof recomputed: no register can wrap or saturate in Lava's arithmetic",
            False: "no proof: for some input a register wraps or saturates",
            None: "a float network, which has no registers to prove",
        }[self.proven]
        allowed = f" ({self.settings.max_mismatches:,} allowed)" if self.settings.max_mismatches else ""
        equal = "exact" if self.proven is not None else "no spike differs"
        exact = equal if self.mismatches == 0 else f"{self.mismatches:,} neuron steps differ{allowed}"
        compared = sum(each.compared for each in self.executors.values())
        return f"{exact}; {proof}; compared: {compared:,} neuron steps of {', '.join(self.executors)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as plain data."""
        return {
            "passed": self.passed,
            "reasons": list(self.reasons),
            "network": self.network,
            "proven": self.proven,
            "mismatches": self.mismatches,
            "refused": dict(self.refused),
            "chips": {chip.chip: chip.to_dict() for chip in self.chips},
            "fidelity": {name: fidelity.summary(each) for name, each in self.executors.items()},
            **({} if self.rounding is None else {"rounding": self.rounding.to_dict()}),
        }

    def write_json(self, path: AnyPath) -> None:
        """Write `to_dict` as JSON."""
        write_json(Path(path), self.to_dict())

    def write_junit(self, path: AnyPath, *, name: str = "network") -> None:
        """Write the verdict as JUnit XML, with ``name`` for the network."""
        chips = {chip.chip: (chip.runs, "\n".join(chip.lines)) for chip in self.chips if chip.asked}
        text = to_xml(self.executors, network=name, proven=self.proven, refused=self.refused, chips=chips)
        write_text(Path(path), text)


@names_file
def check(
    network: Network | AnyPath,
    images: AnyInput | None = None,
    *,
    settings: CheckSettings | None = None,
    reading: InputSettings | None = None,
) -> Verdict:
    """Compare executors with the fast one: every neuron, every step, as integers.

    Every executor is asked first whether it can run the network, and nothing runs before all were asked. Float networks
    are compared with the floating executor: spikes exactly, potentials to the stated bits.

    ``network``: a network or the path of its archive. ``images``: a stimulus, an array (N, *shape) or (N, T,
    *shape), or a file; random samples, if None. ``settings``: the executors, and what passes. ``reading``: the unit of
    the images' numbers, and how events become steps. Raises `ProfileError` where a chip is unknown, `ExecutorError`
    where an executor is unknown or none is left to compare, and the error of a required one: `LavaError` where Lava is
    not installed, `FormatError` where a format cannot say the network.
    """
    chosen, loaded = settings or CheckSettings(), _runnable(prepared(network, reading))
    asked = profiles_of(chosen.chips)
    check_runs(asked)
    holding, refused = _asked(loaded, chosen)
    if images is None:
        stimulus = random_stimulus(loaded, chosen.samples, chosen.seed, settings=reading)
    else:
        stimulus = images_and_labels(images, loaded, reading)[0]
    fidelities, _ = fidelity.compare(loaded, stimulus, holding)
    examined = Examined(loaded) if isinstance(loaded, IntegerNetwork) else None
    proven = None if examined is None else bounds.are_kept(examined.network, examined.bounds)
    return Verdict(
        network=archive.digest(loaded),
        proven=proven,
        executors=fidelities,
        settings=chosen,
        refused=refused,
        rounding=measured(loaded, stimulus) if isinstance(loaded, BiasNetwork) else None,
        chips=tuple(_chip(examined or loaded, each, asked=bool(asked)) for each in asked or load_profiles(CHIPS)),
    )


def _chip(network: Network | Examined, chip: HardwareProfile, *, asked: bool) -> ChipVerdict:
    """Return whether a chip runs a network, its cores included where the chip was asked for."""
    refused = None
    if asked:
        try:
            place(network.network if isinstance(network, Examined) else network, chip)
        except (NetworkError, PlacementError) as error:
            refused = str(error)
    return chip_verdict(network, chip, refused=refused, asked=asked)


def _runnable(network: Network) -> Network:
    """Return a float network with the populations of its folded form, which files of other formats hold."""
    if not isinstance(network, FloatNetwork):
        return network
    try:
        return costed(network).run
    except NetworkError:
        return network


def _asked(network: Network, settings: CheckSettings) -> tuple[list[str], dict[str, str]]:
    """Return the executors that can run the network, and why the others cannot; raise where one is missed."""
    found = fidelity.asked(network, (*settings.executors, *settings.require))
    for name in settings.require:
        error = found.get(name)
        if error is not None:
            raise type(error)(f"executor {name}, which is required, {_sentence(error)}")
    refused = {name: _sentence(error) for name, error in found.items() if error is not None}
    holding = [name for name in found if name not in refused]
    if not holding:
        why = "; ".join(f"{name} {sentence}" for name, sentence in refused.items())
        raise ExecutorError(f"no executor is left to compare with {fidelity.base_of(network)}: {why}")
    return holding, refused


def _sentence(error: SpikeportError) -> str:
    return f"cannot {'run here' if isinstance(error, LavaError) else 'hold'}: {error}"


def _table(executor: Fidelity) -> str:
    rows = [
        (c.population, c.quantity, f"{c.compared:,}", f"{c.different:,}", _place(c.first))
        for c in executor.comparisons.values()
    ]
    header = (f"{executor.executor} against {executor.base}", "quantity", "compared", "different", "first difference")
    rounding = "" if executor.precision is None else f"\n{executor.precision.sentence(executor.executor)}"
    return f"{table(header, rows)}{rounding}"


def _place(first: Difference | None) -> str:
    if first is None:
        return "none"
    neuron = ", ".join(map(str, first.neuron))
    return (
        f"sample {first.sample}, step {first.step}, neuron ({neuron}): "
        f"expected {first.expected:g}, found {first.found:g}"
    )
