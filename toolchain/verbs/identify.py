"""Find the rules of a NIR file from what its own framework did: a recorded input and output."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spikeport.export.errors import StimulusError
from spikeport.export.files import write_json
from spikeport.export.identification import recording
from spikeport.export.identification.identify import INPUTS, Found
from spikeport.export.identification.identify import identify as found_rules
from spikeport.export.network import Array
from spikeport.export.nir_import import choice
from spikeport.export.nir_import.dialect import Dialect
from spikeport.export.progress import waiting
from spikeport.export.shown import Shown
from spikeport.toolchain.verbs.networks import ImportSettings
from spikeport.toolchain.verbs.sources import AnyPath, names_file

MOST = 5
"""Other rules that the text names."""


@dataclass(frozen=True, kw_only=True)
class Identified(Shown):
    """The verdict on the rules of the NIR file ``model``: ``passed`` where some reproduce the recording exactly.

    ``dialect``: the likeliest of those, or the closest. ``others``: other rules that reproduce it as well; the
    recording does not tell them apart. ``found``: all that the search knows. ``written``: the file from which
    `import_network` and `quantize` read the rules.
    """

    model: Path
    found: Found
    written: Path | None = None

    @property
    def passed(self) -> bool:
        """Whether rules were found."""
        return bool(self.found.exact)

    @property
    def dialect(self) -> Dialect:
        """The rules that were found, or the closest."""
        return self.found.closest

    @property
    def others(self) -> tuple[Dialect, ...]:
        """Other rules that reproduce the recording."""
        return self.found.exact[1:]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is bad."""
        if self.passed:
            return ()
        first = self.found.difference
        where = "" if first is None else f"; the closest differ first at {first.text()}"
        return (f"no rules reproduce the recording{where}",)

    def evidence(self) -> str:
        """Return in one line what the rules rest on."""
        found = self.found
        size = f"{found.cells:,} values of {found.samples:,} samples of {found.steps:,} steps"
        others = len(self.others)
        doubt = (
            f", as {'does' if others == 1 else 'do'} {others:,} other set{'s'[: others > 1]} of rules" if others else ""
        )
        return f"reproduces {size} exactly{doubt}"

    def text(self) -> str:
        """Return the verdict, the rules, and what stays open."""
        found, words = self.found, self.dialect.sentence()
        read = f"input read as {found.layout}; {found.tried:,} different networks tried"
        if not self.passed:
            share = f"{found.different:,} of {found.cells:,} values differ"
            return "\n".join([*self.reasons, f"closest: {words}", share, *_advice(self), read])
        lines = [self.evidence(), words, *(f"as well: {_apart(other, self.dialect)}" for other in self.others[:MOST])]
        if self.others:
            more = f", {len(self.others) - MOST:,} more are not shown" if len(self.others) > MOST else ""
            lines.append(
                f"warning: the first is taken, a guess{more}; more samples, or stronger input, tell them apart"
            )
        left = [] if self.written is None else [f"wrote {self.written}, which import and quantize read from now on"]
        return "\n".join([*lines, read, *left])

    def to_dict(self) -> dict[str, Any]:
        """Return the rules, the numbers behind them, and what stays open."""
        first = self.found.difference
        return {
            "passed": self.passed,
            "dialect": _fields(self.dialect),
            "others": [_fields(other) for other in self.others],
            "tried": self.found.tried,
            "different": self.found.different,
            "compared": self.found.cells,
            "layout": self.found.layout,
            "difference": None if first is None else asdict(first),
            "written": None if self.written is None else str(self.written),
        }

    def write_json(self, path: Path) -> None:
        """Write `to_dict` as JSON."""
        write_json(path, self.to_dict())


@names_file
def identify(
    model: AnyPath,
    inputs: Array | AnyPath,
    outputs: Array | Mapping[str, Array] | AnyPath,
    *,
    settings: ImportSettings | None = None,
    write: bool = True,
) -> Identified:
    """Find the rules with which the NIR file ``model`` turns ``inputs`` into ``outputs``, and leave them beside it.

    ``inputs``, ``outputs``: arrays, or paths of .npz and .npy files; an output may hold several layers by name. Both
    are laid out as (samples, steps, ...) or (steps, samples, ...). Spikes are compared as integers; counts over the
    steps, and potentials or logits of a readout, too. ``settings``: what is known already. ``write``: leave
    MODEL.dialect.toml, which `import_network` and `quantize` read. Raises `StimulusError` where the recording does not
    fit the file.
    """
    chosen, path = settings or ImportSettings(), Path(model)
    given, kept = _input(inputs), _output(outputs)
    with waiting(f"trying rules for {path}"), _with_files(inputs, outputs):
        found = found_rules(
            path,
            given,
            kept,
            dialect=chosen.dialect,
            steps=chosen.steps,
            output=chosen.output,
            **chosen.changes(),
        )
    result = Identified(model=path, found=found)
    if not write or not result.passed:
        return result
    left = choice.write(path, result.dialect, evidence=result.evidence())
    return Identified(model=path, found=found, written=left)


@contextmanager
def _with_files(*recording: object) -> Iterator[None]:
    """Add the recording's files to the sentence of an error about it."""
    try:
        yield
    except StimulusError as error:
        files = " and ".join(str(each) for each in recording if isinstance(each, str | Path))
        raise StimulusError(f"{error} (recorded in {files})" if files else str(error)) from None


def _input(given: Array | AnyPath) -> Array:
    if not isinstance(given, str | Path):
        return np.asarray(given)
    kept = _kept(Path(given))
    name = next((name for name in INPUTS if name in kept and name != "labels"), None)
    if name is None and len(kept) > 1:
        raise StimulusError(f"{given}: holds {', '.join(list(kept)[:5])}; expected one array, or one called 'input'")
    return kept[name] if name is not None else next(iter(kept.values()))


def _output(given: Array | Mapping[str, Array] | AnyPath) -> Array | Mapping[str, Array]:
    return _kept(Path(given)) if isinstance(given, str | Path) else given


def _kept(path: Path) -> dict[str, Array]:
    try:
        return recording.numbers_of(recording.arrays(path))
    except StimulusError as error:
        raise StimulusError(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from None


def _apart(other: Dialect, first: Dialect) -> str:
    """Return where ``other`` differs in words."""
    ours, theirs = first.clauses(), other.clauses()
    more = [each for each in theirs if each not in ours]
    less = [f"without '{each}'" for each in ours if each not in theirs] if not more else []
    return f"{other.name}: {'; '.join(more + less)}"


def _advice(result: Identified) -> list[str]:
    layers = (
        "" if result.found.cells == 0 else "record the spikes of every layer by its name, which locates the layer; "
    )
    return [f"{layers}a setting of one layer alone, noise or a state that was not reset gives such differences"]


def _fields(dialect: Dialect) -> dict[str, Any]:
    return {key: value for key, value in asdict(dialect).items() if key not in ("notes", "kinds")}
