"""Several networks side by side, each trained with one seed or more: one table, one picture."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export.errors import ArchiveError
from spikeport.export.files import locked, write_text
from spikeport.export.shown import Shown
from spikeport.hardware_profiles.output.figure import Figure, figure
from spikeport.hardware_profiles.output.markdown import markdown
from spikeport.hardware_profiles.output.table import Cell, Table, of, percent, words
from spikeport.hardware_profiles.shares import Mean
from spikeport.toolchain.analysis.curves import Curve, Point, curves
from spikeport.toolchain.analysis.thresholds.figures import BITS, FLOAT, Certified, Rounded
from spikeport.toolchain.analysis.thresholds.perturbed import KINDS, PGD
from spikeport.toolchain.analysis.thresholds.result import Thresholds
from spikeport.toolchain.analysis.thresholds.tables import title_of

TABLE, PICTURE = "comparison.md", "comparison.svg"
"""The files' names in a folder."""

Take = Callable[[Thresholds], Mean]


@dataclass(frozen=True, kw_only=True)
class Comparison(Shown):
    """What was measured of networks, by name, each trained with as many seeds as there are results.

    With several seeds a figure is the mean over them and its standard error; with one, the error is over images.
    """

    groups: Mapping[str, Sequence[Thresholds]]

    def __post_init__(self) -> None:
        every = [(name, each) for name, found in self.groups.items() for each in found]
        if not every:
            raise ArchiveError("nothing to compare; expected NAME=FOLDER, with a thresholds.json in the folder")
        first, base = every[0]
        for name, each in every[1:]:
            for what, expected, found in zip(WHAT, _measured(base), _measured(each), strict=True):
                if expected != found:
                    raise ArchiveError(
                        f"{name}: {what} {_told(found)}, of {first} {_told(expected)}; expected figures that were "
                        "measured alike"
                    )

    def text(self) -> str:
        """Return the table in Markdown, a column a network, and which archives not every network has."""
        return "\n\n".join([markdown(self.tables()[0]).rstrip("\n"), *self._left_out()])

    def tables(self) -> tuple[Table]:
        """Return the table, for CSV and LaTeX."""
        seeds = [f"{name} ({len(found)} seed{'s' * (len(found) > 1)})" for name, found in self.groups.items()]
        rows: list[tuple[Cell, ...]] = [
            (title, *(of(combined([take(each) for each in found])) for found in self._all()))
            for title, take in self._rows()
        ]
        rows += [
            (title, *(_range([number(each) for each in found]) for found in self._all()))
            for title, number in self._certificates()
        ]
        table = Table(
            name="comparison",
            title="Networks at their thresholds, per cent with standard errors",
            columns=[words("per cent, with standard errors"), *(percent(title, 2, bare=True) for title in seeds)],
            rows=rows,
        )
        return (table,)

    def figures(self) -> tuple[Figure]:
        """Return the picture, for SVG and PDF."""
        return (figure("comparison", "Spikes flipped, and accuracy after rounding", self.picture()),)

    def to_dict(self) -> dict[str, Any]:
        """Return every row of the table: shares with errors, and numbers of each seed, by network."""
        rows: dict[str, dict[str, Any]] = {}
        for title, take in self._rows():
            rows[title] = {name: combined([take(e) for e in found]).to_dict() for name, found in self.groups.items()}
        for title, number in self._certificates():
            rows[title] = {name: [number(each) for each in found] for name, found in self.groups.items()}
        return {"seeds": {name: len(found) for name, found in self.groups.items()}, "rows": rows}

    def picture(self) -> str:
        """Return the SVG: flips by epsilon, by bits, and accuracy by bits, a curve a network."""
        base = self._base()
        epsilons = [each.epsilon for each in base.perturbed if each.kind == PGD]
        panels = [
            (
                f"spikes flipped by {title_of(PGD, base.attack_steps)}",
                "eps, in 1/255",
                self._curves([(f"{each:g}", partial(_flips, PGD, each)) for each in epsilons]),
            )
        ]
        if names := [name for name in self._integers() if name.endswith(BITS)]:
            flips = [(name.removesuffix(BITS), partial(_total, name)) for name in names]
            right = [(name.removesuffix(BITS), partial(_right, name)) for name in names]
            panels.append(("spikes flipped by rounding", "bits of a weight", self._curves(flips)))
            panels.append(("accuracy after rounding", "bits of a weight", self._curves(right)))
        return curves(f"{base.images} images", panels)

    def write(self, folder: Path) -> None:
        """Write table and picture to a folder, each whole or not at all."""
        with locked(folder):
            write_text(folder / TABLE, self.text() + "\n")
            write_text(folder / PICTURE, self.picture())

    def _base(self) -> Thresholds:
        return next(iter(self.groups.values()))[0]

    def _all(self) -> list[Sequence[Thresholds]]:
        return list(self.groups.values())

    def _integers(self) -> list[str]:
        """Return the networks in integers that were measured of every network, by name."""
        every = [_names(each) for found in self._all() for each in found]
        return [name for name in every[0] if all(name in names for names in every)]

    def _left_out(self) -> Iterator[str]:
        every = {name for found in self._all() for each in found for name in _names(each)}
        if alone := sorted(every - set(self._integers())):
            yield (
                f"not compared, because not every network has them: {', '.join(alone)}; archives are compared where "
                "all have one of the same name: --network NAME=ARCHIVE"
            )

    def _curves(self, points: Sequence[tuple[str, Take]]) -> list[Curve]:
        found = []
        for name, every in self.groups.items():
            means = [(label, combined([take(each) for each in every])) for label, take in points]
            found.append(Curve(name=name, points=[_point(*each) for each in means]))
        return found

    def _rows(self) -> Iterator[tuple[str, Take]]:
        """Yield the shares of the table with their titles."""
        base = self._base()
        yield "accuracy", lambda t: t.clean
        yield "spikes per neuron and step", lambda t: t.whole.rate
        for column, delta in enumerate(base.deltas):
            yield f"neurons and steps within {delta:g} V_th", partial(_near, column)
        yield "gradient by the image that is 0", lambda t: t.input_zeros
        yield "gradient by what arrives that is 0", lambda t: t.whole.zeros
        epsilons = [each.epsilon for each in base.perturbed if each.kind == PGD]
        for kind in KINDS:
            for epsilon in epsilons:
                where = f"{title_of(kind, base.attack_steps)}, {epsilon:g}/255"
                yield f"spikes flipped, {where}", partial(_flips, kind, epsilon)
        for epsilon in epsilons:
            where = f"{title_of(PGD, base.attack_steps)}, {epsilon:g}/255"
            yield f"accuracy, {where}", partial(_accuracy, epsilon)
        for each in base.robust:
            yield f"accuracy, worst case of {each.suite}, {each.epsilon:g}/255", partial(_robust, each.epsilon)
        for name in self._integers():
            yield f"spikes flipped by {name}", partial(_total, name)
        for name in self._integers():
            yield f"accuracy of {name}", partial(_right, name)
        for name in self._integers():
            yield f"class changed by {name}", partial(_changed, name)
        yield from self._kept()

    def _kept(self) -> Iterator[tuple[str, Take]]:
        """Yield the shares of neurons that no change of the input flips, of the network in real numbers."""
        for each in self._base().rounded[:1]:
            if each.certified is not None:
                for column, level in enumerate(each.certified.levels):
                    title = f"neurons of {', '.join(each.certified.first)} that nothing within {level:g}/255 flips"
                    yield title, partial(_kept, column)

    def _certificates(self) -> Iterator[tuple[str, Callable[[Thresholds], float]]]:
        """Yield medians over images that are no shares."""
        if self._base().rounded and all(each.rounded[0].certified for found in self._all() for each in found):
            yield (
                "certificate of the input, median, in levels",
                lambda t: _number(_certificate(t).input.median),
            )
            yield (
                "certificate of the weights, median, in % of the largest",
                lambda t: 100 * _number(_certificate(t).weights.median),
            )


WHAT = (
    "the data have the digest",
    "T is",
    "PGD has",
    "the deltas are",
    "the epsilons are",
    "the suites are",
    "the bits are",
)


def _told(value: object) -> str:
    """Return what was measured for people."""
    if isinstance(value, tuple):
        return ", ".join(map(_told, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _names(found: Thresholds) -> list[str]:
    return [each.name for each in found.rounded if each.name != FLOAT]


def _measured(found: Thresholds) -> tuple[object, ...]:
    """Return what must be alike where figures are compared."""
    epsilons = tuple(each.epsilon for each in found.perturbed if each.kind == PGD)
    bits = tuple(each.name for each in found.rounded if each.name.endswith(BITS))
    suites = tuple(each.suite for each in found.robust)
    return found.data, found.steps, found.attack_steps, found.deltas, epsilons, suites, bits


def combined(found: Sequence[Mean]) -> Mean:
    """Return the mean over seeds and its standard error; that of one seed stays as it is."""
    if len(found) == 1:
        return found[0]
    values = np.array([each.value for each in found])
    return Mean(value=float(values.mean()), error=float(values.std(ddof=1)) / math.sqrt(len(values)))


def _range(values: Sequence[float]) -> str:
    """Return one number, or the least and the most."""
    shown = dict.fromkeys(f"{each:.3g}" for each in (min(values), max(values)))
    return " to ".join(shown)


def _near(column: int, found: Thresholds) -> Mean:
    return found.whole.near[column]


def _flips(kind: str, epsilon: float, found: Thresholds) -> Mean:
    return next(each.total for each in found.perturbed if (each.kind, each.epsilon) == (kind, epsilon))


def _accuracy(epsilon: float, found: Thresholds) -> Mean:
    return next(each.accuracy for each in found.perturbed if (each.kind, each.epsilon) == (PGD, epsilon))


def _robust(epsilon: float, found: Thresholds) -> Mean:
    return next(each.accuracy for each in found.robust if each.epsilon == epsilon)


def _rounded(name: str, found: Thresholds) -> Rounded:
    return next(each for each in found.rounded if each.name == name)


def _right(name: str, found: Thresholds) -> Mean:
    return _rounded(name, found).accuracy


def _total(name: str, found: Thresholds) -> Mean:
    total = _rounded(name, found).total
    assert total is not None
    return total


def _changed(name: str, found: Thresholds) -> Mean:
    changed = _rounded(name, found).changed
    assert changed is not None
    return changed


def _kept(column: int, found: Thresholds) -> Mean:
    return _certificate(found).neurons[column]


def _certificate(found: Thresholds) -> Certified:
    certified = found.rounded[0].certified
    assert certified is not None
    return certified


def _number(value: float | None) -> float:
    return math.inf if value is None else value


def _point(label: str, share: Mean) -> Point:
    return Point(label=label, value=100 * share.value, error=100 * share.error)
