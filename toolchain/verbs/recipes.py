"""Runs of recipes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikeport.export.errors import RecipeError, SpikeportError
from spikeport.export.files import write_text
from spikeport.export.progress import announce, waiting
from spikeport.export.shown import Shown
from spikeport.hardware_profiles.report.result import Report
from spikeport.toolchain.verbs.sources import AnyPath, names_file

if TYPE_CHECKING:
    from spikeport.export.cluster import Cluster
    from spikeport.hardware_profiles.output.figure import Figure
    from spikeport.hardware_profiles.output.table import Table
    from spikeport.toolchain.runs.estimate import Forecast
    from spikeport.toolchain.runs.sweep_table import Swept
    from spikeport.toolchain.stages.recipe import Recipe
    from spikeport.toolchain.stages.records import Record

KINDS = ("model", "network", "nir", "onnx", "page", "report", "held_out")
"""The artefacts that the end of a run names."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How a recipe is run.

    ``settings``: other values for its keys, each 'key.path=value'. ``seed`` in place of the recipe's. ``device``: auto,
    cpu, cuda or mps. ``verify``: images on which the report counts operations in all ways. ``extend``: folders with
    choices of your own, whose files are run as Python code. ``cluster``: where the runs of a sweep go.
    """

    settings: Sequence[str] = ()
    seed: int | None = None
    device: str = "auto"
    verify: int | None = None
    extend: Sequence[AnyPath] = ()
    cluster: "Cluster | None" = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Run(Shown):
    """A run of a recipe: its folder, the stages up to ``last``, and the report where the run came so far.

    ``files``: the latest artefact of each kind, and where it is; ``ran``: the stages that were not done before;
    ``metrics``: what every stage measured.
    """

    folder: Path
    last: str | None
    report: Report | None
    files: Mapping[str, Path] = field(default_factory=dict)
    ran: tuple[str, ...] = ()
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the report passes; without one, whether every comparison of executors found no difference."""
        return not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each check that failed."""
        if self.report is not None:
            return self.report.reasons
        compared = {name: metrics for name, metrics in self.metrics.items() if "mismatches" in metrics}
        for metrics in self.metrics.values():
            compared |= metrics.get("fidelity", {})
        return tuple(
            f"{name}: {found['mismatches']:,} of {found['compared']:,} compared neuron steps differ."
            for name, found in compared.items()
            if found["mismatches"]
        )

    def text(self) -> str:
        """Return the report, or how far the run came, and where the files are."""
        if self.report is None:
            failed = "\n".join(("\n\nFAILED:", *self.reasons)) if self.reasons else ""
            doubts = "".join(f"\nwarning: {name}: {sentence}" for name, sentence in self._doubts())
            return f"stages done up to {self.last}; artefacts are in {self.folder}{doubts}{failed}"
        names = [str(self.files[kind].relative_to(self.folder)) for kind in KINDS if kind in self.files]
        return f"{self.report.text()}\n\nwrote {', '.join(names)} to {self.folder}/"

    def tables(self) -> tuple["Table", ...]:
        """Return the tables of the report, for CSV and LaTeX; none where the run did not come so far."""
        return () if self.report is None else self.report.tables()

    def figures(self) -> tuple["Figure", ...]:
        """Return the figures of the report; none where the run did not come so far."""
        return () if self.report is None else self.report.figures()

    def _doubts(self) -> Iterator[tuple[str, str]]:
        """Yield the name of a stage, and what makes a figure of its attack doubtful."""
        for name, metrics in self.metrics.items():
            for found in metrics.get("epsilons", ()):
                yield from ((name, sentence) for sentence in found.get("warnings", ()))

    def to_dict(self) -> dict[str, Any]:
        """Return folder, last stage, files, stages that ran, metrics and report."""
        report = None if self.report is None else self.report.to_dict()
        files = {kind: str(path) for kind, path in self.files.items()}
        found = {"folder": str(self.folder), "last": self.last, "files": files, "ran": list(self.ran)}
        return {**found, "metrics": dict(self.metrics), "report": report}


@names_file
def run(
    recipe: AnyPath | None = None,
    out: AnyPath = Path("run"),
    *,
    from_: str | None = None,
    to: str | None = None,
    resume: bool = False,
    settings: RunSettings | None = None,
) -> "Run | Swept":
    """Run the stages of ``recipe`` (a TOML file, or the name of one that comes along) in the folder ``out``.

    A stage that is done and unchanged is skipped. ``from_``: this stage runs again, and the ones before it must be
    done; ``to``: the last one. ``resume``: go on with the run in ``out``, whose recipe it holds. ``settings``: values
    of keys, seed, device and more. A recipe with a matrix gives a table of its runs. Needs the extra [train]. Raises
    `RecipeError` with every fault, each with the path of its key; `TrainingError` where a loss is not finite.
    """
    _need_training()
    from spikeport.toolchain.recipes.extending import extended

    chosen = settings or RunSettings()
    with extended([Path(each) for each in chosen.extend]):
        read, chosen = _read(recipe, Path(out), chosen, resume=resume)
        if read.matrix:
            return _sweep(read, Path(out), from_, to, chosen)
        return _run(read, Path(out), from_, to, chosen)


@names_file
def forecast(
    recipe: AnyPath | None = None,
    out: AnyPath = Path("run"),
    *,
    from_: str | None = None,
    to: str | None = None,
    resume: bool = False,
    settings: RunSettings | None = None,
    write: AnyPath | None = None,
) -> "Forecast":
    """Return what `run` would do: of every stage whether it runs, why, and about how long; nothing is run.

    ``recipe``, ``out``, ``from_``, ``to``, ``resume`` and ``settings`` are those of `run`. ``write``: where to write
    the recipe, of today's form, with the values of ``settings``. Raises `RecipeError` with every fault.
    """
    _need_training()
    from spikeport.toolchain.recipes.extending import extended
    from spikeport.toolchain.runs.combinations import combinations, owners
    from spikeport.toolchain.runs.estimate import forecast as made
    from spikeport.toolchain.runs.planning import plan_of

    chosen = settings or RunSettings()
    with extended([Path(each) for each in chosen.extend]):
        read, chosen = _read(recipe, Path(out), chosen, resume=resume, write=write)
        if not read.matrix:
            return made(plan_of(read, device=chosen.device, first=from_, last=to), Path(out))
        every = combinations(read)
        first = made(plan_of(every[0].recipe, device=chosen.device), Path(out) / every[0].name)
        stages = [owner == number for number, row in enumerate(owners([e.recipe for e in every])) for owner in row]
        remark = (
            f"\n\nthe first of {len(every)} combinations of the matrix, {every[0].name}; of {len(stages)} stages of "
            f"all combinations {sum(stages)} differ and are run"
        )
        return replace(first, remark=remark)


def demo(out: AnyPath = Path("demo"), *, fast: bool = False) -> Run:
    """Take the embedded digits through every stage; ``fast`` trains one epoch a stage on 40 held-out images."""
    _need_training()
    read, chosen = _read("digits_fast" if fast else "digits", Path(out), RunSettings())
    return _run(read, Path(out), None, None, chosen)


def _read(
    recipe: AnyPath | None, out: Path, chosen: RunSettings, *, resume: bool = False, write: AnyPath | None = None
) -> tuple["Recipe", RunSettings]:
    """Return the recipe with the values of the settings, and the settings; a run goes on on its own device."""
    from spikeport.toolchain.recipes.reader import found, none_given, read_table, recipe_of
    from spikeport.toolchain.recipes.toml_text import toml_text
    from spikeport.toolchain.runs.surroundings import recipe_in

    if resume:
        if recipe is not None or chosen.settings or chosen.seed is not None or chosen.verify is not None:
            raise RecipeError(
                "--resume goes on with the recipe in --out as it is; leave out RECIPE, --set, --seed, --verify"
            )
        made, device = recipe_in(out)
        return made, replace(chosen, device=device) if chosen.device == "auto" else chosen
    if recipe is None:
        raise none_given()
    path = found(recipe)
    seed = [] if chosen.seed is None else [f"seed={chosen.seed}"]
    table, remark = read_table(path, [*seed, *chosen.settings], verify=chosen.verify)
    made = recipe_of(table, str(path))
    if remark:
        announce(remark)
    if write is not None:
        write_text(Path(write), toml_text(table))
        announce(f"wrote {write}")
    return made, chosen


def _run(recipe: "Recipe", out: Path, first: str | None, last: str | None, chosen: RunSettings) -> Run:
    from spikeport.toolchain.runs.pipeline import execute
    from spikeport.toolchain.runs.planning import plan_of

    plan = plan_of(recipe, device=chosen.device, first=first, last=last)
    done = execute(plan, out, extend=[str(each) for each in chosen.extend])
    files = _files(done.records, out)
    report = None
    if "report" in files and plan.recipe.stages[plan.last].name in _from_report_on(done.records):
        report = Report.from_dict(json.loads(files["report"].read_text(encoding="utf-8")))
    metrics = {name: record.metrics for name, record in done.records.items()}
    return Run(folder=out, last=plan.name(plan.last), report=report, files=files, ran=done.ran, metrics=metrics)


def _sweep(recipe: "Recipe", out: Path, first: str | None, last: str | None, chosen: RunSettings) -> "Swept":
    from spikeport.toolchain.runs.sweep import Way, sweep

    if first is not None or last is not None:
        raise RecipeError("a recipe with a matrix runs whole; leave out --from and --to")
    way = Way(device=chosen.device, extend=tuple(str(Path(each).resolve()) for each in chosen.extend))
    return sweep(recipe, out, way, chosen.cluster)


def _files(records: Mapping[str, "Record"], out: Path) -> dict[str, Path]:
    """Return the latest artefact of each kind."""
    return {kind: out / name / each.file for name, record in records.items() for kind, each in record.outputs.items()}


def _from_report_on(records: Mapping[str, "Record"]) -> list[str]:
    """Return the last report and the stages behind it."""
    names = list(records)
    last = max((index for index, name in enumerate(names) if "report" in records[name].outputs), default=len(names))
    return names[last:]


def _need_training() -> None:
    """Say which extra is missing."""
    try:
        with waiting("loading PyTorch"):
            import sklearn  # noqa: F401
            import torch  # noqa: F401
    except ImportError as error:
        raise SpikeportError(
            f"training needs {error.name}, which is not installed: pip install 'spikeport[train]'"
        ) from None
