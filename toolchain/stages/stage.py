"""What every stage of a recipe is: a frozen table with its settings, and a function from artefacts to artefacts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from spikeport.toolchain.choices import Choice

Name = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,40}$")]
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
    """

    name: Name
    from_: Name | None = None

    def outline(self, available: Mapping[str, str]) -> dict[str, str]:
        """Return what is there after this stage, from what is there before it, without running.

        Keys are kinds of artefacts; the value of ``model`` is 'ann' or 'snn'. `RecipeError` names what is missing.
        """
        raise NotImplementedError

    def run(self, run: Any, source: Artefacts) -> Result:
        """Read ``source``, write into ``run.folder`` and return what is there."""
        raise NotImplementedError
