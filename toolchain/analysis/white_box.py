"""The attacks that are examined: as they are, in one step, and with other numbers of iterations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.attack import Attack
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.pgd import Pgd

Members = tuple[Member, ...]


@dataclass(frozen=True, kw_only=True)
class WhiteBox:
    """Attacks of which an image has to withstand all; those without gradients among them are left out.

    ``title`` names them for people.
    """

    members: Members
    title: str

    @classmethod
    def of(cls, members: Sequence[Member], title: str) -> "WhiteBox":
        """Return those members that follow a gradient; `AttackError` where none does."""
        found = tuple(each for each in members if each.attack.NEEDS_GRADIENT)
        if not found:
            raise AttackError(f"{title}: no attack follows a gradient that could be masked; examine a white-box attack")
        return cls(members=found, title=title)

    def one_step(self) -> Members:
        """Return FGSM with every loss and gradient of the members."""
        made = [Fgsm(objective=each.attack.objective, gradient=each.attack.gradient) for each in self.members]
        return self._named(made)

    def iterated(self, steps: int | None = None) -> Members:
        """Return attacks of ``steps`` iterations; without it of their own number, and PGD-10 for those of one step."""
        return self._named(_iterated(each.attack, steps) for each in self.members)

    def _named(self, attacks: Iterable[Attack]) -> Members:
        """Return other attacks under the members' names, each once."""
        named: dict[Attack, Member] = {}
        for member, attack in zip(self.members, attacks, strict=True):
            named.setdefault(attack, member)
        return tuple(msgspec.structs.replace(member, attack=attack) for attack, member in named.items())


def _iterated(attack: Attack, steps: int | None) -> Attack:
    if not hasattr(attack, "steps"):
        attack = Pgd(objective=attack.objective, gradient=attack.gradient)
    return attack if steps is None else msgspec.structs.replace(attack, steps=steps)
