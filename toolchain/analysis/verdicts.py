"""The checks for masked gradients: what is compared, from which excess a check fails, and what that means."""

import math
from dataclasses import dataclass
from typing import Literal

from spikeport.hardware_profiles.columns import percent
from spikeport.hardware_profiles.result import Result
from spikeport.toolchain.analysis.excess import Excess

Verdict = Literal["pass", "fail", "undecided"]
SMALLEST = 0.01
"""An excess below one point fails no check: it is below what a robust accuracy is quoted to."""
LARGEST = 0.05
"""A check passes where the excess is below five points, and not where it may be more."""
MEANINGS = {
    "one_step": "the gradient misleads an attack that follows it: iterations lose what the first step had",
    "black_box": "the gradient hides images that are broken without any gradient",
    "larger_epsilon": "the larger ball holds all images of the smaller one: the attack does not find its way in it",
    "unbounded": "every image can be exchanged for one of another class: the attack gets no direction to go",
    "random_sampling": "images that chance breaks are none that withstand an attack: the gradient does not find them",
    "iterations": "the gradient misleads an attack that follows it for longer",
}
"""What a check that fails means. Signs of masked gradients: five by Athalye et al., the last by Schmolli et al."""


@dataclass(frozen=True, kw_only=True)
class Side(Result):
    """One of two attacks that a check compares: its ``name``, and the share of images that it leaves, ``robust``."""

    name: str
    robust: float

    def text(self) -> str:
        """Return both."""
        return f"{percent(self.robust)} under {self.name}"


@dataclass(frozen=True, kw_only=True)
class Check(Result):
    """One check: what should be the weaker attack breaks ``excess`` more images than what should be the stronger.

    ``verdict``: 'fail' where the excess is `SMALLEST` or more and its interval lies above 0, 'pass' where its interval
    lies below `LARGEST`, 'undecided' where so few images do not tell.

    Source: Athalye, Carlini and Wagner, ICML 2018, section 3.1, as in Table 1 of Wu et al., ACM Multimedia 2024;
    ``iterations`` as in Table B3 of Schmolli et al., CPAL 2025.
    """

    name: str
    weaker: Side
    stronger: Side
    excess: Excess

    derived = ("verdict", "sentence")

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.name.replace("_", " ")

    @property
    def verdict(self) -> Verdict:
        """Whether the order of the two attacks is what it is without masked gradients."""
        if self.excess.share >= SMALLEST and self.excess.low > 0:
            return "fail"
        return "pass" if self.excess.high < LARGEST else "undecided"

    @property
    def sentence(self) -> str:
        """The figures, then the verdict, then what it means."""
        figures = f"robust accuracy {self.weaker.text()}, {self.stronger.text()}"
        return f"{figures}, {points(self.excess)} of {_images(self.excess.images)}; {self.finding}"

    @property
    def finding(self) -> str:
        """The verdict and what it means, without the figures that a table has."""
        if self.verdict == "fail":
            return f"fails: {MEANINGS[self.name]}"
        if self.verdict == "pass":
            return "passes: no sign of masked gradients"
        enough = math.ceil(self.excess.enough(SMALLEST, LARGEST) / 10) * 10
        low, high = 100 * self.excess.low, 100 * self.excess.high
        return f"undecided: from {low:.1f} to {high:.1f} points are possible, about {enough:,} images tell"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def points(excess: Excess) -> str:
    """Return an excess in percentage points with its standard error."""
    return f"{100 * excess.share:+.1f} ± {100 * excess.error:.1f} points"
