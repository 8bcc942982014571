"""Suites: named lists of members, those that ship and those of the user's own files."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from spikeport.export.errors import AttackError, RecipeError
from spikeport.hardware_profiles.tables import toml_table
from spikeport.toolchain.attacks.attack import Attack
from spikeport.toolchain.attacks.ensemble import Member, paper_members
from spikeport.toolchain.attacks.gradients.trained import Trained
from spikeport.toolchain.tables import MISSING, Faults, converted, faulty, nearest

SUITE_DIR = Path(__file__).parent / "suites"
Text = Annotated[str, Meta(min_length=1, max_length=80)]


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table ``[[members]]``: one member, or with ``gradients = "paper"`` one for each of the ensemble's 19.

    Their names are then ``name, gradient``.
    """

    name: Text
    attack: Attack
    gradients: Literal["paper"] | None = None

    def members(self) -> list[Member]:
        """Return the members that the table stands for; `AttackError` where it names gradients twice."""
        if self.gradients is None:
            return [Member(name=self.name, attack=self.attack)]
        if self.attack.gradient != Trained() or not self.attack.NEEDS_GRADIENT:
            raise AttackError(f'{self.name!r} has gradients = "paper" and an attack that takes none of them')
        return [
            msgspec.structs.replace(member, name=f"{self.name}, {member.name}") for member in paper_members(self.attack)
        ]


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """Members under a ``name``; ``title`` says in words what is run."""

    name: str
    title: str
    members: tuple[Member, ...]


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    members: Annotated[tuple[Line, ...], Meta(min_length=1)]
    title: Annotated[str, Meta(max_length=200)] = ""


def suite_names() -> list[str]:
    """Return the suites that ship."""
    return sorted(path.stem for path in SUITE_DIR.glob("*.toml"))


def suite_of(name: str) -> Suite:
    """Return a suite by its name, or that of a TOML file; `AttackError` where there is none, or its file is wrong."""
    path = SUITE_DIR / f"{name}.toml"
    if name not in suite_names():
        path = Path(name)
        if path.suffix != ".toml" or not path.is_file():
            raise AttackError(
                f"no suite {name!r}; there are {', '.join(suite_names())}, or a TOML file with [[members]]"
                f"{nearest(name, suite_names())}"
            )
    try:
        return _read(path)
    except RecipeError as error:
        raise AttackError("; ".join(error.lines)) from None


def _read(path: Path) -> Suite:
    faults: Faults = []
    found = converted(toml_table(path, RecipeError), _File, "", faults)
    if faults or found is MISSING:
        raise faulty(str(path), faults)
    try:
        members = [member for line in found.members for member in line.members()]
    except AttackError as error:
        raise AttackError(f"{path}: {error}") from None
    names = [member.name for member in members]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AttackError(f"{path}: two members are named {twice[0]!r}; their random numbers would be the same")
    return Suite(name=path.stem, title=found.title or path.stem, members=tuple(members))
