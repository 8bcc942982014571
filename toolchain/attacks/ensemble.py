"""The ensemble of attacks on spiking networks: one attack with 19 gradients."""

import msgspec

from spikeport.toolchain.attacks.attack import Attack
from spikeport.toolchain.attacks.gradients.conversion import Conversion
from spikeport.toolchain.attacks.gradients.gradient import Gradient
from spikeport.toolchain.attacks.gradients.rate import Rate
from spikeport.toolchain.attacks.gradients.surrogate import OtherSurrogate
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.nn.surrogates.exponential import Exponential
from spikeport.toolchain.nn.surrogates.piecewise_linear import PiecewiseLinear
from spikeport.toolchain.nn.surrogates.rectangular import Rectangular
from spikeport.toolchain.nn.surrogates.straight_through import StraightThrough

PIECEWISE_LINEAR = (1.0, 2.0, 3.0, 0.5, 0.25)
EXPONENTIAL = ((0.3, 0.5), (0.3, 1.0), (0.3, 2.0), (1.0, 0.5), (1.0, 1.0), (1.0, 2.0))
RECTANGULAR = (0.25, 0.5, 1.0, 2.0, 4.0)
ALONE = (
    54.81, 68.01, 75.65, 54.87, 84.04, 76.40, 62.90, 50.40, 82.38, 69.66,
    53.44, 87.82, 70.84, 57.32, 70.93, 83.28, 88.83, 57.20, 70.84,
)  # fmt: skip
"""Robust accuracy, in percent, that each gradient alone leaves of the converted network of Table A1, whose clean
accuracy is 89.5."""
CLEAN = 89.5


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An attack with a name; its random numbers follow from the name, the seed and the number of the image.

    ``expected``: share of the images that it may break, by which members are ordered before any was tried.
    """

    name: str
    attack: Attack
    expected: float = 0.5


def paper_gradients() -> dict[str, Gradient]:
    """Return the 19 gradients in the order of Table A1, by name.

    Source: Schmolli et al., CPAL 2025, appendix A.3, Eq. 13 to 15. The straight-through estimator is a surrogate of 1.
    """
    surrogates = {
        **{f"piecewise linear {width:g}": PiecewiseLinear(width=width) for width in PIECEWISE_LINEAR},
        **{f"exponential {h:g} {s:g}": Exponential(height=h, steepness=s) for h, s in EXPONENTIAL},
        **{f"rectangular {width:g}": Rectangular(width=width) for width in RECTANGULAR},
        "straight-through": StraightThrough(),
    }
    others = {"backward through rate": Rate(), "conversion": Conversion()}
    return {name: OtherSurrogate(surrogate=surrogate) for name, surrogate in surrogates.items()} | others


def members_of(attack: Attack, gradients: dict[str, Gradient]) -> list[Member]:
    """Return ``attack`` with every one of ``gradients``."""
    return [
        Member(name=name, attack=msgspec.structs.replace(attack, gradient=gradient))
        for name, gradient in gradients.items()
    ]


def paper_members(attack: Attack | None = None) -> list[Member]:
    """Return the 19 members of the paper's ensemble: ``attack``, or PGD of 10 steps, with every gradient.

    Each is expected to break the share of images that it alone breaks in Table A1.
    """
    members = members_of(attack or Pgd(), paper_gradients())
    shares = (1 - robust / CLEAN for robust in ALONE)
    return [msgspec.structs.replace(each, expected=share) for each, share in zip(members, shares, strict=True)]
