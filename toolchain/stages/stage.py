"""What every stage of a recipe is: a frozen table with its settings, and a function from artefacts to artefacts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from spikeport.export.errors import RecipeError
from spikeport.toolchain.choices import Choice

Name = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,40}$")]
Title = Annotated[str, Meta(min_length=1, max_length=60)]
Artefacts = Mapping[str, Path]
"""Files by what they hold: ``model`` (a checkpoint), ``float_network``, ``network`` (integers), ``adversarial``, ..."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a stage made: its files, by what they hold, and what it measured (plain values for JSON)."""

    artefacts: dict[str, Path] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)


class Stage(Choice, frozen=True, kw_only=True, tag_field="stage", rename={"from_": "from"}):
    """One entry of ``[[stages]]``; ``from`` names the stage whose artefacts go in, the one before without it.

    Artefacts flow along: a stage is given everything that the stages up to ``from`` made, the latest of each kind.
    ``title`` is what the report calls the stage's network.
    """

    USES: ClassVar[tuple[str, ...]] = ("data", "network", "spiking", "evaluate", "threads", "seed")
    """The keys of the recipe, beside the stage's own, that change what it makes; ``data``: also the images."""
    TAKES: ClassVar[tuple[str, ...] | None] = None
    """The kinds of artefacts that change what it makes; None: all that go in."""
    SEES_RECORDS: ClassVar[bool] = False
    """Whether what the stages before measured changes what it makes."""

    name: Name
    from_: Name | None = None
    title: Title | None = None

    def outline(self, available: Mapping[str, str]) -> dict[str, str]:
        """Return what this stage adds, from what is there before it, without running.

        Keys are kinds of artefacts; the value of ``model`` is 'ann' or 'snn'. `RecipeError` names what is missing.
        """
        raise NotImplementedError

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the settings beyond their types, each with the path of its key in the stage."""
        yield from ()

    def file(self) -> Path | None:
        """Return a file that the settings name, if any: the stage runs again where it changes."""
        return None

    def look_ahead(self, images: Any, recipe: Any, available: Mapping[str, str]) -> None:
        """Raise at once what `run` would raise after minutes: what is not installed, or does not fit the images."""

    def run(self, run: Any, source: Artefacts) -> Result:
        """Read ``source``, write into ``run.folder`` and return what is there."""
        raise NotImplementedError


def needs(available: Mapping[str, str], kind: str, maker: str, *, value: str | None = None) -> None:
    """Raise `RecipeError` where no stage before makes the artefact ``kind``; ``maker`` names the stage that does."""
    found = available.get(kind)
    what = f"{kind} ({value})" if value else kind
    if found is None:
        there = ", ".join(available) or "nothing"
        raise RecipeError(f"needs a {what}, which no stage before it makes ({there} is there); put {maker} before it")
    if value is not None and found != value:
        raise RecipeError(f"needs a {what}, found one of {found}; put {maker} before it, or name it with 'from'")
