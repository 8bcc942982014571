"""Members of a suite by attack: each attack is one row of a table, whatever the number of its gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from torch import nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.attack import Attack
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.gradients.trained import Trained
from spikeport.toolchain.choices import tag_of
from spikeport.toolchain.nn.snn import SNN


@dataclass(frozen=True, kw_only=True)
class Group:
    """One attack with all of its gradients: ``title`` for people, ``key`` for the names of files."""

    title: str
    key: str
    members: tuple[Member, ...]

    @property
    def white(self) -> bool:
        """Whether it differentiates the network."""
        return self.members[0].attack.NEEDS_GRADIENT


def groups(members: Sequence[Member]) -> list[Group]:
    """Return the members by what their attack is but for its gradient, in the order of the first of each."""
    found: dict[Attack, list[Member]] = {}
    for member in members:
        found.setdefault(_without_gradient(member.attack), []).append(member)
    titles = [_title(attack) for attack in found]
    return [
        Group(title=_counted(title, len(each)), key=f"{number:02d}-{tag_of(attack)}", members=tuple(each))
        for number, (title, (attack, each)) in enumerate(
            zip(_told_apart(titles, list(found)), found.items(), strict=True)
        )
    ]


def with_queries(members: Sequence[Member], queries: int | None) -> list[Member]:
    """Return the members with other numbers of queries, where one is given; equal ones are one then."""
    if queries is None:
        return list(members)
    if not any(hasattr(member.attack, "queries") for member in members):
        raise AttackError(f"queries are {queries}, and no attack of the suite is bounded by queries; leave them out")
    return _single(members, lambda attack: _replaced(attack, queries=queries) if hasattr(attack, "queries") else attack)


def for_model(members: Sequence[Member], model: nn.Module) -> list[Member]:
    """Return the members for a model: one that is no spiking network has one gradient, its own."""
    if isinstance(model, SNN):
        return list(members)
    return _single(members, lambda attack: _without_gradient(attack) if attack.NEEDS_GRADIENT else attack)


def _single(members: Sequence[Member], change: Any) -> list[Member]:
    """Return the first member of each attack that ``change`` makes."""
    changed: dict[Attack, str] = {}
    for member in members:
        changed.setdefault(change(member.attack), member.name)
    return [Member(name=name, attack=attack) for attack, name in changed.items()]


def _without_gradient(attack: Attack) -> Attack:
    return _replaced(attack, gradient=Trained())


def _replaced(attack: Attack, **fields: Any) -> Attack:
    changed: Attack = msgspec.structs.replace(attack, **fields)
    return changed


def _title(attack: Attack) -> str:
    """Return an attack's name for people: PGD-10, APGD-50 dlr, Square 5,000 queries."""
    name = tag_of(attack).upper() if len(tag_of(attack)) < 6 else tag_of(attack).replace("_", " ").capitalize()
    steps, queries = getattr(attack, "steps", None), getattr(attack, "queries", None)
    objective = "" if attack.objective is None else f" {tag_of(attack.objective).replace('_', ' ')}"
    return f"{name}{'' if steps is None else f'-{steps}'}{objective}" + (
        "" if queries is None else f" {queries:,} queries"
    )


def _told_apart(titles: list[str], attacks: list[Attack]) -> list[str]:
    """Return titles that differ: those of several attacks have their settings as well."""
    return [
        title if titles.count(title) == 1 else f"{title} {_settings(attack)}"
        for title, attack in zip(titles, attacks, strict=True)
    ]


def _settings(attack: Attack) -> str:
    told = msgspec.to_builtins(attack)
    return " ".join(f"{name}={value}" for name, value in told.items() if name not in {"kind", "gradient", "objective"})


def _counted(title: str, members: int) -> str:
    return title if members == 1 else f"{title}, {members} gradients"
