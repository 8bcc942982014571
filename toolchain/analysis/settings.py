"""What the checks for masked gradients run beside the attack that they examine."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from spikeport.export.errors import AttackError

MOST = 255.0
"""The epsilon, in pixel levels, within which any image can be exchanged for any other."""
FIRST = 0.25
"""The smallest epsilon of a sweep that nobody chose, in units of the epsilon that is examined."""
Passes = Annotated[int, Meta(ge=1, le=1_000_000)]


class Checks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The checks for masked gradients (docs/robustness.md), beside the attack that is examined.

    ``iterations``: steps of the sweep of Table B3. ``epsilons``: pixel levels of the other sweep, which ends at 255;
    None: from a quarter of the epsilon that is examined, each twice the one before. ``queries`` of the black box and
    random ``samples``, both per image.
    """

    iterations: Annotated[tuple[Passes, ...], Meta(min_length=2, max_length=100)] = (7, 10, 20, 40, 100)
    epsilons: (
        Annotated[tuple[Annotated[float, Meta(gt=0, le=MOST)], ...], Meta(min_length=1, max_length=100)] | None
    ) = None
    queries: Passes = 500
    samples: Passes = 200

    def __post_init__(self) -> None:
        if len(set(self.iterations)) < 2:
            raise AttackError(f"iterations are {self.iterations}; expected two different numbers at least")

    def sweep(self, epsilon: float) -> tuple[float, ...]:
        """Return the epsilons to sweep, from the smallest to 255, with ``epsilon`` among them, all in pixel levels."""
        chosen: Sequence[float] = self.epsilons or [epsilon * FIRST * 2**power for power in range(64)]
        return tuple(sorted({each for each in (*chosen, epsilon, MOST) if 0 < each <= MOST}))
