"""What is measured at the thresholds of a network."""

from collections.abc import Sequence
from dataclasses import dataclass

from spikeport.export.errors import AttackError
from spikeport.export.numbers import Range, real, whole

DELTA = Range(least=1e-6, most=1e6)
EPSILON = Range(least=1e-6, most=255)
STEPS = Range(least=1, most=100_000)
BITS = Range(least=2, most=8)
MOST = 20
"""Values of one kind."""


@dataclass(frozen=True, kw_only=True)
class Measures:
    """``deltas``: distances to the threshold, in units of it; ``epsilons``: sizes of perturbations, in pixel levels.

    ``steps``: of PGD. ``bits``: of the weights to which the network itself is quantized; none: it is not.
    `AttackError` names a value that it cannot be.
    """

    deltas: Sequence[float] = (0.05, 0.1, 0.2)
    epsilons: Sequence[float] = (2, 4, 8)
    steps: int = 10
    bits: Sequence[int] = (8, 6, 4, 3)

    def __post_init__(self) -> None:
        _check(self.deltas, "delta")
        _check(self.epsilons, "epsilon")
        for delta in self.deltas:
            real(delta, "delta, in units of the threshold,", DELTA, error=AttackError)
        for epsilon in self.epsilons:
            real(epsilon, "epsilon, in pixel levels (8 is 8/255),", EPSILON, error=AttackError)
        whole(self.steps, "steps of PGD", STEPS, error=AttackError)
        _check(self.bits, "number of bits", least=0)
        for bits in self.bits:
            whole(bits, "number of bits of a weight", BITS, error=AttackError)


def _check(values: Sequence[float], name: str, least: int = 1) -> None:
    """Refuse no values, too many, and one that stands twice."""
    if not least <= len(values) <= MOST:
        raise AttackError(f"{len(values)} values of {name} were given; expected {least} to {MOST}")
    twice = [value for value in values if list(values).count(value) > 1]
    if twice:
        raise AttackError(f"the {name} {twice[0]:g} stands twice; expected each once")
