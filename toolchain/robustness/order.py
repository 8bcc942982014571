"""Which member goes first: by what parts before have shown, the same however many processes work."""

from collections.abc import Sequence

from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.robustness.part import Part
from spikeport.toolchain.robustness.results import broken_in

ADDED = 2
"""Images that are added to those that a member was tried on."""


def needed(number: int) -> int:
    """Return how many parts, from the first on, must be finished before part ``number`` gets its order.

    Half of those before it: parts 1 and 2 start when part 0 is done, 3 and 4 when 0 and 1 are. The order then depends
    on no chance, and the number of parts that can run at a time doubles as the work goes on.
    """
    return (number + 1) // 2


def by_strength(parts: Sequence[Part], members: Sequence[Member]) -> list[int]:
    """Return the numbers of the members, the strongest first, by the share of tried images that they broke.

    Two images are added, of which a member broke the share that is expected of it. Members are tried on what those
    before them left, so the share is what a member adds. Equal ones keep their order.
    """
    tried, broken = [0] * len(members), [0] * len(members)
    for part in parts:
        found = broken_in(part.tried, part.success)
        for number in range(len(members)):
            tried[number] += int(part.tried[number].sum())
            broken[number] += int(found[number])

    def strength(number: int) -> float:
        return (broken[number] + ADDED * members[number].expected) / (tried[number] + ADDED)

    return sorted(range(len(members)), key=strength, reverse=True)
