"""Members of a suite in rows: those whose names begin alike are one attack with several gradients."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
from torch import nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.attack import Attack
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.gradients.expectation import Expectation
from spikeport.toolchain.attacks.gradients.trained import Trained
from spikeport.toolchain.nn.draws import is_random
from spikeport.toolchain.nn.snn import SNN

SEPARATOR = ", "
"""Between the name of a row and that of a gradient, as in 'PGD-10, piecewise linear 1'."""
AVERAGED = "EOT-"
"""How names of attacks begin whose gradient is an expectation."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """One row: ``title`` for people, ``key`` for the names of files."""

    title: str
    key: str
    members: tuple[Member, ...]

    @property
    def white(self) -> bool:
        """Whether it differentiates the network."""
        return self.members[0].attack.NEEDS_GRADIENT


def groups(members: Sequence[Member]) -> list[Group]:
    """Return the members by the beginning of their names, in the order of the first of each.

    Those that need a gradient and those that do not are never in one row.
    """
    found: dict[tuple[str, bool], list[Member]] = {}
    for member in members:
        found.setdefault((_row(member), member.attack.NEEDS_GRADIENT), []).append(member)
    return [
        Group(
            title=_title(name, each), key=f"{number:02d}-{re.sub('[^a-z0-9]+', '-', name.lower())}", members=tuple(each)
        )
        for number, ((name, _), each) in enumerate(found.items())
    ]


def with_queries(members: Sequence[Member], queries: int | None) -> list[Member]:
    """Return the members with another number of queries, where one is given; equal ones are one then."""
    if queries is None:
        return list(members)
    if not any(hasattr(member.attack, "queries") for member in members):
        raise AttackError(f"queries are {queries}, and no attack of the suite is bounded by queries; leave them out")

    def changed(member: Member) -> Member:
        if not hasattr(member.attack, "queries"):
            return member
        attack = msgspec.structs.replace(member.attack, queries=queries)
        return Member(name=f"{re.sub('[ ,0-9]+$', '', member.name)} {queries}", attack=attack)

    return _single(members, changed)


def for_model(members: Sequence[Member], model: nn.Module) -> list[Member]:
    """Return the members for a model: one that is no spiking network has one gradient, its own.

    A network that draws no random numbers has no expectation over draws, and the gradient of one draw in its place.
    """
    if isinstance(model, SNN):
        return list(members) if is_random(model) else _single(members, _of_one_draw)

    def changed(member: Member) -> Member:
        if not member.attack.NEEDS_GRADIENT:
            return member
        return Member(name=_row(member), attack=msgspec.structs.replace(member.attack, gradient=Trained()))

    return _single(members, changed)


def _of_one_draw(member: Member) -> Member:
    gradient = member.attack.gradient
    if not isinstance(gradient, Expectation):
        return member
    attack = msgspec.structs.replace(member.attack, gradient=gradient.of)
    return Member(name=member.name.removeprefix(AVERAGED), attack=attack)


def _single(members: Sequence[Member], change: Callable[[Member], Member]) -> list[Member]:
    """Return the first member of each attack that ``change`` makes."""
    changed: dict[Attack, Member] = {}
    for member in members:
        made = change(member)
        changed.setdefault(made.attack, made)
    return list(changed.values())


def _row(member: Member) -> str:
    return member.name.split(SEPARATOR)[0]


def _title(name: str, members: Sequence[Member]) -> str:
    return name if len(members) == 1 else f"{name}{SEPARATOR}{len(members)} gradients"
