"""Whether a chip runs a network: which of its rules fail, where, by how much, and what nobody has published."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from spikeport.hardware_profiles.result import Result


@dataclass(frozen=True, kw_only=True)
class Failure(Result):
    """A rule that a network breaks.

    ``where``: populations or projections, as 'population a' and 'projection a_to_b'. ``amount``: what was found, and by
    how much it is too much; as numbers in ``found`` and ``holds``, smallest and largest, where it is a register's.
    ``requirement`` is the rule, ``way_out`` what helps; ``evidence`` and ``source`` are those of the profile.
    """

    derived: ClassVar[tuple[str, ...]] = ("sentence",)
    rule: str
    where: tuple[str, ...]
    amount: str
    requirement: str
    way_out: str
    evidence: str = ""
    source: str = ""
    found: tuple[int, int] | None = None
    holds: tuple[int, int] | None = None

    @property
    def sentence(self) -> str:
        """The failure in one or two sentences, for people."""
        named = f"{_listed(self.where)} ({self.rule.replace('_', ' ')}): " if self.where else ""
        found = f"{self.amount}. " if self.amount else ""
        return f"{named}{found}{self.requirement}{f'; {self.way_out}' if self.way_out else ''}"


def _listed(where: tuple[str, ...]) -> str:
    """Return 'population a', and 'populations a, b' of several of one kind."""
    kinds, names = zip(*(each.split(" ", 1) for each in where), strict=True)
    return ", ".join(where) if len(where) == 1 or len(set(kinds)) > 1 else f"{kinds[0]}s {', '.join(names)}"


@dataclass(frozen=True, kw_only=True)
class ChipVerdict(Result):
    """Whether ``chip`` runs a network.

    ``runs`` is False where a rule fails, None where none fails but some are ``unknown``, else True. ``failures``: each
    rule that fails, where, by how much, and the way out. ``asked``: the chip is one that the network has to run on.
    """

    derived: ClassVar[tuple[str, ...]] = ("runs", "lines")
    chip: str
    failures: tuple[Failure, ...] = ()
    unknown: tuple[str, ...] = ()
    asked: bool = False

    @property
    def runs(self) -> bool | None:
        """Whether it runs; None: not known."""
        return False if self.failures else None if self.unknown else True

    @property
    def reasons(self) -> Iterator[str]:
        """Why a verdict is bad: the first failure, where the chip was asked for."""
        if self.asked and self.failures:
            more = f" (and {len(self.failures) - 1:,} more)" if len(self.failures) > 1 else ""
            yield f"does not run on {self.chip}: {self.failures[0].sentence}{more}"

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the verdict as lines of text, each failure on its own."""
        unknown = f"not known: {', '.join(self.unknown)} (no source says what the chip holds)"
        if self.failures:
            return (f"does not run on {self.chip}:", *(each.sentence for each in self.failures))
        if self.unknown:
            warning = "warning: " if self.asked else ""
            return (f"{warning}not known whether it runs on {self.chip}: no known rule fails; {unknown}",)
        return (f"runs on {self.chip}: every rule of the chip holds",)
