"""Runs of recipes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikeport.export.errors import SpikeportError
from spikeport.hardware_profiles.report.result import Report
from spikeport.toolchain.verbs.sources import AnyPath, names_file

if TYPE_CHECKING:
    from spikeport.toolchain.config import Recipe

FILES = "network.safetensors, network.nir, network.onnx, report.html, report.json, held_out.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A run of a recipe: its folder, and the report where the run came so far (``last``: the stage it ended with)."""

    folder: Path
    last: str | None
    report: Report | None

    @property
    def passed(self) -> bool:
        """Whether the report passes; a run that ends before it has nothing to fail."""
        return self.report is None or self.report.passed

    def text(self) -> str:
        """Return the report, or how far the run came."""
        if self.report is None:
            return f"stages done up to {self.last}; artefacts are in {self.folder}"
        return f"{self.report.text()}\n\nwrote {FILES} to {self.folder}/"

    def to_dict(self) -> dict[str, Any]:
        """Return folder, last stage and report."""
        report = None if self.report is None else self.report.to_dict()
        return {"folder": str(self.folder), "last": self.last, "report": report}


@names_file
def run(
    recipe: AnyPath,
    out: AnyPath = Path("run"),
    *,
    from_: str | None = None,
    to: str | None = None,
    verify: int | None = None,
) -> Run:
    """Run the stages of ``recipe`` (a TOML file), all or those ``from_`` one ``to`` another, in the folder ``out``.

    ``verify``: images on which the report counts operations in all ways, instead of the recipe's hardware.verify.
    Needs the extra [train]. Raises `RecipeError` with the file, the table and the key; `TrainingError` where a loss
    is not finite.
    """
    _need_training()
    from spikeport.toolchain.config import read_recipe, verifying

    chosen = read_recipe(Path(recipe))
    return _run(chosen if verify is None else verifying(chosen, verify), Path(out), from_, to)


def demo(out: AnyPath = Path("demo"), *, fast: bool = False) -> Run:
    """Take the embedded digits through every stage; ``fast`` trains one epoch a stage on 40 held-out images."""
    _need_training()
    from spikeport.toolchain.config import embedded

    return _run(embedded("digits_fast" if fast else "digits"), Path(out), None, None)


def _run(recipe: "Recipe", out: Path, first: str | None, last: str | None) -> Run:
    from spikeport.toolchain.pipeline import execute

    execute(recipe, out, first=first, last=last)
    if last not in (None, "report"):
        return Run(folder=out, last=last, report=None)
    document = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return Run(folder=out, last=last, report=Report.from_dict(document))


def _need_training() -> None:
    """Say which extra is missing."""
    try:
        import sklearn  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise SpikeportError(
            f"training needs {error.name}, which is not installed: pip install 'spikeport[train]'"
        ) from None
