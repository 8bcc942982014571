"""What the checks for masked gradients found: figures, verdicts and sentences, as text and as JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from spikeport.export.errors import ArchiveError, one_line
from spikeport.export.inputs import read_bytes
from spikeport.hardware_profiles.columns import percent
from spikeport.hardware_profiles.output.figure import Figure, figure
from spikeport.hardware_profiles.output.table import Column, Number, Table, words
from spikeport.hardware_profiles.output.table import percent as share
from spikeport.hardware_profiles.result import Result
from spikeport.toolchain.analysis.excess import Excess
from spikeport.toolchain.analysis.picture import picture
from spikeport.toolchain.analysis.points import Point, error_of
from spikeport.toolchain.analysis.verdicts import Check, points

SCHEMA = 1
MOST_BYTES = 2**24


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
        tables = [each.text() for each in self.tables()]
        return "\n\n".join([f"{self._conclusion()}\n{self._head()}", *tables, *self._notes()])

    def tables(self) -> tuple[Table, ...]:
        """Return checks and sweeps, for CSV and LaTeX."""
        return (self._table(), *self._sweeps())

    def picture(self) -> str:
        """Return the sweeps as SVG, light and dark."""
        return picture(self)

    def figures(self) -> tuple[Figure]:
        """Return the picture, for SVG and PDF."""
        return (
            figure("obfuscation", f"Robust accuracy by iterations and by epsilon: {self._examined()}", picture(self)),
        )

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

    def _table(self) -> Table:
        rows = [
            (
                each.title,
                each.weaker.name,
                each.weaker.robust,
                each.stronger.name,
                each.stronger.robust,
                points(each.excess),
                each.verdict,
            )
            for each in self.checks
        ]
        return Table(
            name="checks",
            title=f"Checks for masked gradients: {self._examined()}",
            columns=[
                *(words("check"), words("expected weaker"), share("leaves right"), words("expected stronger")),
                *(share("leaves right"), Column(title="weaker breaks more"), words("verdict")),
            ],
            rows=rows,
        )

    def _sweeps(self) -> Iterator[Table]:
        for name, unit, sweep in (("iterations", "", self.iterations), ("epsilon", "/255", self.epsilons)):
            yield Table(
                name=name,
                title=f"Robust accuracy by {name}: {self._examined()}",
                columns=[words(name), share("robust accuracy")],
                rows=[(f"{each.value:g}{unit}", Number(value=each.robust, error=each.error)) for each in sweep],
            )

    def _examined(self) -> str:
        return f"{self.attack}, eps {self.epsilon:g}/255, {self.images:,} images"

    def _notes(self) -> Iterator[str]:
        most = f"{self.iterations[-1].value:g} iterations"
        advice = "no more than chance"
        if self.convergence.low > 0:
            advice = f"the attack has not converged, so quote the figure of {most}"
        yield f"{most} break {points(self.convergence)} more than the attack's own number: {advice}"

    def _conclusion(self) -> str:
        if self.passed:
            return f"sound: {len(self.checks)} of {len(self.checks)} checks pass, {self.summary()}"
        bad = [f"{each.title}: {each.finding}" for each in self.checks if each.verdict != "pass"]
        return "\n".join((f"FAILED: {self.doubts[0]}", *bad))

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
