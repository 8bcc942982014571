"""Which member goes first: by what parts before have shown, the same however many processes work."""

from collections.abc import Sequence

from spikeport.toolchain.robustness.part import Part
from spikeport.toolchain.robustness.results import broken_in


def needed(number: int) -> int:
    """Return how many parts, from the first on, must be finished before part ``number`` gets its order.

    Half of those before it: parts 1 and 2 start when part 0 is done, 3 and 4 when 0 and 1 are. The order then depends
    on no chance, and the number of parts that can run at a time doubles as the work goes on.
    """
    return (number + 1) // 2


def by_strength(parts: Sequence[Part], members: int) -> list[int]:
    """Return the members, the strongest first: by the share of tried images that they broke, one in two added.

    Members are tried on what those before them left, so the share is what a member adds. Equal ones keep their order.
    """
    tried, broken = [0] * members, [0] * members
    for part in parts:
        found = broken_in(part.tried, part.success)
        for member in range(members):
            tried[member] += int(part.tried[member].sum())
            broken[member] += int(found[member])
    return sorted(range(members), key=lambda member: -(broken[member] + 1) / (tried[member] + 2))
