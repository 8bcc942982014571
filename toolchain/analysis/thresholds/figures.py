"""Figures that are measured at the thresholds of a network, JSON-ready."""

from collections.abc import Mapping
from dataclasses import dataclass

from spikeport.hardware_profiles.result import Result
from spikeport.hardware_profiles.shares import Mean

FLOAT, BITS = "float", " bits"
"""The name of the network in real numbers, and how names end of those that the measurement itself quantized."""


@dataclass(frozen=True, kw_only=True)
class Layer(Result):
    """One population, or all of them (``threshold`` is None).

    ``rate``: spikes per neuron and step. ``near``: share of neurons and steps within each delta of the threshold.
    ``zeros``: share of the gradient by what arrives at it that is exactly zero.
    """

    name: str
    neurons: int
    threshold: float | None
    rate: Mean
    near: tuple[Mean, ...]
    zeros: Mean


@dataclass(frozen=True, kw_only=True)
class Perturbed(Result):
    """One kind of perturbation within ``epsilon`` pixel levels.

    ``accuracy``: images that are classified rightly. ``flips``: share of neurons and steps whose spike is another than
    in the same step of the image as it was, by population, and ``total`` of all.
    """

    kind: str
    epsilon: float
    accuracy: Mean
    flips: Mapping[str, Mean]
    total: Mean


@dataclass(frozen=True, kw_only=True)
class Robust(Result):
    """Robust accuracy within ``epsilon`` pixel levels: images that withstand every attack of ``suite``."""

    suite: str
    epsilon: float
    accuracy: Mean


@dataclass(frozen=True, kw_only=True)
class Spread(Result):
    """A certificate over images: least, quartiles and most; None is infinite: nothing flips, whatever the change."""

    least: float | None
    lower: float | None
    median: float | None
    upper: float | None
    most: float | None


@dataclass(frozen=True, kw_only=True)
class Certified(Result):
    """Changes under which no spike of an image can flip (`spikeport.export.certificate`).

    ``input``: in levels of the input; ``reached``: share of images whose certificate is at least ``levels``;
    ``neurons``: share of neurons, in the populations ``first``, of which no spike can flip within ``levels``.
    ``weights``: as a share of the largest weight (of each projection; of integers of the network); ``steps``: the same
    in steps of an integer weight, of which changes are whole.
    """

    input: Spread
    levels: tuple[float, ...]
    reached: tuple[Mean, ...]
    first: tuple[str, ...]
    neurons: tuple[Mean, ...]
    weights: Spread
    steps: Spread | None


@dataclass(frozen=True, kw_only=True)
class Rounded(Result):
    """A network without PyTorch: the lowered one in real numbers, or one in integers beside it.

    ``changed``: images whose class is another than the lowered network's; ``flips`` and ``total``: share of neurons and
    steps whose spike is another; ``untouched``: images without any flip. ``refused``: why nothing is ``certified``.
    """

    name: str
    digest: str
    accuracy: Mean
    changed: Mean | None
    flips: Mapping[str, Mean]
    total: Mean | None
    untouched: Mean | None
    certified: Certified | None
    refused: str | None
