"""The Python 3.10 environment for Intel's Lava."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikeport.export import fidelity
from spikeport.export.lava import doctor, environment
from spikeport.export.network import IntegerNetwork
from spikeport.export.stimulus import Stimulus


@dataclass(frozen=True, kw_only=True)
class Installed:
    """Where the Lava environment is."""

    home: Path

    def text(self) -> str:
        """Return the folder."""
        return f"Lava is ready in {self.home}"

    def to_dict(self) -> dict[str, Any]:
        """Return the folder."""
        return {"home": str(self.home)}


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What an examination of the Lava environment showed: (what, good, finding)."""

    findings: tuple[tuple[str, bool, str], ...]

    @property
    def passed(self) -> bool:
        """Whether everything is good."""
        return all(good for _, good, _ in self.findings)

    def text(self) -> str:
        """Return one line per finding."""
        return "\n".join(f"{'ok ' if good else 'BAD'}  {what}: {finding}" for what, good, finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the findings."""
        return {what: {"good": good, "finding": finding} for what, good, finding in self.findings}


def lava_install(*, netx: bool = False, force: bool = False) -> Installed:
    """Make the Python 3.10 environment for Lava; ``netx`` adds lava-dl (5.6 GB), ``force`` makes it anew.

    Raises `LavaError` where no Python 3.10 is found or pip fails.
    """
    return Installed(home=environment.install(netx=netx, force=force))


def lava_doctor() -> Examination:
    """Examine the Lava environment: interpreter, packages, and a small network against the reference."""
    return Examination(findings=tuple(doctor.examine(_different_in_lava)))


def _different_in_lava(network: IntegerNetwork, stimulus: Stimulus) -> tuple[int, int]:
    """Return how many neuron steps differ from the reference, of how many compared."""
    result = fidelity.check(network, stimulus, ["lava"])[0]["lava"]
    return result.mismatches, result.compared
