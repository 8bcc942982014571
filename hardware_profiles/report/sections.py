"""The sections of a report: frozen classes whose fields are the keys of report.json."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from spikeport.export.network import Bounds
from spikeport.hardware_profiles.placement.results import CoreSummary, LowerBounds
from spikeport.hardware_profiles.result import Result


@dataclass(frozen=True, kw_only=True)
class PopulationSummary(Result):
    """One population with neurons: ``bounds`` are the proven ends of its current u and potential v, if in integers.

    ``role``: what it is where it only hands spikes on (`spikeport.hardware_profiles.report.roles`), else nothing.
    """

    name: str
    shape: tuple[int, ...]
    scale: float | None
    bounds: Bounds | None
    role: str = ""


@dataclass(frozen=True, kw_only=True)
class NetworkSummary(Result):
    """The network: ``proven`` where no register can wrap or saturate, ``sparsity`` the share of zero weights.

    ``kind`` is 'integer' or 'float'. A float network has no registers to prove (``proven`` is None) and is placed with
    weights of ``weight_bits`` each. ``name``: the file it was read from, or what a run made it of; None where neither
    is known.
    """

    digest: str
    proven: bool | None
    steps: int
    neurons: int
    sparsity: float
    populations: tuple[PopulationSummary, ...]
    kind: str = "integer"
    weight_bits: int | None = None
    name: str | None = None

    @property
    def helpers(self) -> Mapping[str, str]:
        """What the populations are that only hand spikes on, by name."""
        return {each.name: each.role for each in self.populations if each.role}


@dataclass(frozen=True, kw_only=True)
class Images(Result):
    """The input: number of images and SHA-256 of their levels."""

    count: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class ProfileSummary(Result):
    """A profile: SHA-256 of its content, and every constant as 'table.key' with unit, evidence class and source."""

    description: str
    hash: str
    constants: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class PlacementSummary(Result):
    """A placement with what its cores do in the run: messages and hops of a mean image, operations per core.

    ``hops`` are those of messages that stay on their chip, ``messages_off_chip`` are those that leave it; the spikes
    of the input are ``messages_from_host``, and take ``host_axons`` input axons of the cores.
    """

    strategy: str
    refused_strategies: Mapping[str, str]
    cores: int
    cores_with_several_populations: int
    chips: int
    max_core_memory_bytes: int
    lower_bounds: LowerBounds
    bottleneck: int
    messages: float
    hops: float
    messages_off_chip: float
    messages_from_host: float
    host_axons: int
    per_core: tuple[CoreSummary, ...]


@dataclass(frozen=True, kw_only=True)
class Accuracy(Result):
    """One network: shares of ``images`` classified rightly, clean and attacked, and the share of weights that are zero.

    ``stage`` is the name of the stage of a recipe that measured them; None: the report itself, from the labels of its
    input. What was not measured is None. ``error`` is the standard error of ``clean``, ``sqrt(p (1 - p) / images)``.
    """

    derived: ClassVar[tuple[str, ...]] = ("error",)

    title: str
    clean: float
    stage: str | None = None
    robust: float | None = None
    sparsity: float | None = None
    images: int | None = None

    @property
    def error(self) -> float | None:
        """The standard error of the clean accuracy, where the number of images is known."""
        return None if self.images is None else math.sqrt(self.clean * (1 - self.clean) / self.images)

    @property
    def robust_error(self) -> float | None:
        """That of the accuracy under attack, on the same images."""
        known = self.images is not None and self.robust is not None
        return math.sqrt(self.robust * (1 - self.robust) / self.images) if known else None  # type: ignore[operator]


@dataclass(frozen=True, kw_only=True)
class AttackedWith(Result):
    """An attack on held-out images: ``epsilon`` in pixel levels; shares of ``images`` classified correctly.

    ``network`` is of the float network that the attack sees, ``integer`` of the integers: on the same images, or, where
    ``ran`` says that several attacks were run, in the worst case over all of them. The errors are standard errors of
    these. ``warnings``: what makes the figures doubtful. ``gradients``: what the checks for masked gradients found,
    None where they were not made.
    """

    name: str
    epsilon: float
    images: int
    stage: str | None = None
    network: float | None = None
    network_error: float | None = None
    integer: float | None = None
    integer_error: float | None = None
    ran: str | None = None
    warnings: tuple[str, ...] = ()
    gradients: str | None = None


@dataclass(frozen=True, kw_only=True)
class Relative(Result):
    """This network and another of the same shape, in this order; ratios are the other's figure over this one's.

    ``accumulates`` (of a mean image) and ``energy_ratio`` are per mode of Eq. 12, both networks in the same mode.
    ``energy_ratio_paper`` is the reading of Schmolli et al., CPAL 2025, section 4.3 and Table 3: the other network, the
    dense one, by Eq. 10 and 11 (mode area_ratio), this one, the sparse one, by its exact connectivity (mode fused).
    ``reasons`` say where counts of the other network differ.
    """

    digest: str
    sparsity: tuple[float, float]
    spikes: tuple[float, float]
    spikes_ratio: float | None
    accumulates: Mapping[str, tuple[float, float]]
    energy_ratio: Mapping[str, float | None]
    energy_ratio_paper: float | None
    reasons: tuple[str, ...] = ()
