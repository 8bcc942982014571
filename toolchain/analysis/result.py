"""What the checks for masked gradients found: figures, verdicts and sentences, as text and as JSON."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from spikeport.export.errors import ArchiveError, one_line
from spikeport.export.inputs import read_bytes
from spikeport.hardware_profiles.columns import percent, table
from spikeport.hardware_profiles.result import Result
from spikeport.toolchain.analysis.excess import Excess
from spikeport.toolchain.analysis.verdicts import Check, points

SCHEMA = 1
MOST_BYTES = 2**24


@dataclass(frozen=True, kw_only=True)
class Point(Result):
    """Robust accuracy ``robust`` with ``value`` iterations or pixel levels, and its standard error."""

    value: float
    robust: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Obfuscation(Result):
    """Whether the gradients that an evaluation rests on are masked: `passed`, and `reasons` why not.

    ``attack`` is examined at ``epsilon`` pixel levels on ``images`` images: ``clean`` and ``robust`` are the shares
    that are classified rightly without it and under it, ``together`` that under it, the black box and the random
    samples. ``without_gradient``: at so many images that are rightly classified the gradient is exactly zero.
    ``checks``: each comparison of two attacks with its verdict; random numbers follow from ``seed``. ``iterations`` and
    ``epsilons`` are the sweeps; ``convergence`` is what the most iterations break more than the attack's own number.
    """

    attack: str
    epsilon: float
    images: int
    seed: int
    clean: float
    robust: float
    together: float
    without_gradient: int
    checks: tuple[Check, ...]
    iterations: tuple[Point, ...]
    epsilons: tuple[Point, ...]
    convergence: Excess

    derived = ("passed", "reasons")

    @property
    def passed(self) -> bool:
        """Whether every check passes; one that is undecided does not."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each check that fails or is undecided: figures, verdict, meaning."""
        return tuple(f"{each.title}: {each.sentence}" for each in self.checks if each.verdict != "pass")

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is printed beside the robust accuracy: nothing where every check passes."""
        if self.passed:
            return ()
        figure = f"robust accuracy {self._share(self.robust)} under {self.attack}, eps {self.epsilon:g}/255"
        if any(each.verdict == "fail" for each in self.checks):
            found = "is too high to rely on: signs of masked gradients; with the black box and random samples it is"
            return (f"{figure} {found} {self._share(self.together)}", *self.reasons)
        return (f"{figure} is not shown to be sound: too few images to tell", *self.reasons)

    def summary(self) -> str:
        """Return the verdicts in a few words."""
        bad = {word: [check.title for check in self.checks if check.verdict == word] for word in ("fail", "undecided")}
        if bad["fail"]:
            return f"signs of masked gradients: {', '.join(bad['fail'])}"
        return f"undecided: {', '.join(bad['undecided'])}" if bad["undecided"] else "no sign of masked gradients"

    def text(self) -> str:
        """Return figures, sweeps and verdicts."""
        return "\n\n".join([self._head(), self._table(), *self._sweeps(), *self._notes(), self._conclusion()])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, under the keys of obfuscation.json."""
        return {"schema": SCHEMA, **super().to_dict()}

    def _share(self, share: float) -> str:
        return f"{percent(share).removesuffix(' %')} ± {100 * error_of(share, self.images):.1f} %"

    def _head(self) -> str:
        right = round(self.clean * self.images)
        return (
            f"{self.attack}, eps {self.epsilon:g}/255, {self.images:,} images, seed {self.seed}: clean "
            f"{self._share(self.clean)}, robust {self._share(self.robust)}; with the black box and random samples "
            f"{self._share(self.together)}\n"
            f"gradient exactly zero at {self.without_gradient:,} of {right:,} images that are classified rightly"
        )

    def _table(self) -> str:
        rows = [
            (
                each.title,
                each.weaker.name,
                percent(each.weaker.robust),
                each.stronger.name,
                percent(each.stronger.robust),
                points(each.excess),
                each.verdict,
            )
            for each in self.checks
        ]
        header = ("check", "expected weaker", "leaves", "expected stronger", "leaves", "weaker breaks more", "verdict")
        return table(header, rows, left=(0, 1, 3, 6))

    def _sweeps(self) -> Iterator[str]:
        for name, unit, sweep in (("iterations", "", self.iterations), ("epsilon", "/255", self.epsilons)):
            rows = [(f"{each.value:g}{unit}", self._share(each.robust)) for each in sweep]
            yield table((name, "robust accuracy"), rows)

    def _notes(self) -> Iterator[str]:
        most = f"{self.iterations[-1].value:g} iterations"
        advice = "no more than chance"
        if self.convergence.low > 0:
            advice = f"the attack has not converged, so quote the figure of {most}"
        yield f"{most} break {points(self.convergence)} more than the attack's own number: {advice}"

    def _conclusion(self) -> str:
        if self.passed:
            return f"sound: {len(self.checks)} of {len(self.checks)} checks pass, {self.summary()}"
        return "\n".join(("FAILED:", *self.doubts))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Obfuscation":
        """Return the result of `to_dict`; `ArchiveError` where keys are missing or of another type."""
        try:
            if document["schema"] != SCHEMA:
                raise ArchiveError(f"checks of schema {document['schema']!r}; expected {SCHEMA}: run them again")
            return msgspec.convert(document, cls)
        except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as fault:
            raise ArchiveError(f"no checks for masked gradients of schema {SCHEMA} ({one_line(fault)})") from None


def read(path: Path) -> Obfuscation:
    """Return the checks that an obfuscation.json holds; `ArchiveError` with the file where it is damaged."""
    data = read_bytes(path, ArchiveError, most=MOST_BYTES, expected="obfuscation.json")
    try:
        return Obfuscation.from_dict(msgspec.json.decode(data))
    except (msgspec.MsgspecError, RecursionError, ArchiveError) as error:
        raise ArchiveError(f"{path}: {one_line(error)}; run spikeport analyze obfuscation again") from None


def point(value: float, robust: float, images: int) -> Point:
    """Return a robust accuracy with its standard error."""
    return Point(value=value, robust=robust, error=error_of(robust, images))


def error_of(share: float, images: int) -> float:
    """Return the standard error ``sqrt(p (1 - p) / N)`` of a share p of N images."""
    return math.sqrt(share * (1 - share) / images)
