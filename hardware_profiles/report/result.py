"""The report: one frozen class whose ``passed`` decides the exit code; docs/hardware.md describes its JSON keys."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from spikeport.export.errors import ArchiveError
from spikeport.hardware_profiles.counting.results import OperationCounts
from spikeport.hardware_profiles.energy import EnergyPerImage
from spikeport.hardware_profiles.host import HostWork
from spikeport.hardware_profiles.latency import ImageTime
from spikeport.hardware_profiles.output.figure import Figure
from spikeport.hardware_profiles.output.table import Table
from spikeport.hardware_profiles.report.comparison import Comparison
from spikeport.hardware_profiles.report.figures import figures
from spikeport.hardware_profiles.report.layers import LayerSummary
from spikeport.hardware_profiles.report.raster import Raster
from spikeport.hardware_profiles.report.sections import (
    Accuracy,
    AttackedWith,
    Images,
    NetworkSummary,
    PlacementSummary,
    ProfileSummary,
    Relative,
)
from spikeport.hardware_profiles.report.tables import tables
from spikeport.hardware_profiles.report.text import render
from spikeport.hardware_profiles.result import Result, plain
from spikeport.hardware_profiles.verdicts import ChipVerdict

SCHEMA = 4
OPTIONAL = (
    *("host", "relative", "comparison", "rasters"),
    *("accuracy", "attack", "attacks", "fidelity", "sparsity"),
)
"""The sections that are left out of report.json where nothing is known of them; those of the last line are of a run."""
ELSEWHERE = ("spikes", "steps", "neurons", "verification")
"""What stands outside the section ``operations`` in report.json."""


@dataclass(frozen=True, kw_only=True)
class Report(Result):
    """What a network costs on every profile, and whether it may be believed: `passed` and `reasons`.

    ``network``, ``images``, ``date`` and ``versions`` (and that of ``spikeport``) say what was measured with what.
    ``operations`` are the counts, ``oracles`` what they were compared with. ``placement`` and ``latency`` hold the
    profiles that the network fits, ``refused`` the reason for every other; ``chips`` says of every profile with cores
    whether the network runs on it, and else which rules fail; the network is placed and priced all the same. ``energy``
    and ``profiles`` hold all. ``host`` is what the host does where it writes the input as biases. ``accuracy``,
    ``attack``, ``attacks``, ``fidelity`` and ``sparsity`` are of a run (`with_run`), ``relative`` of another network on
    the same images. ``accuracy`` is also that of the input's labels, where they are known. ``layers`` are the
    projections as they are stored, ``comparison`` the layers beside those of the float network, where that is known,
    ``rasters`` the samples that were asked for. ``not_modelled`` is what is left out. `to_dict` gives the keys of
    report.json.
    """

    spikeport: str
    versions: Mapping[str, str]
    date: str
    network: NetworkSummary
    images: Images
    operations: OperationCounts
    oracles: str
    profiles: Mapping[str, ProfileSummary]
    placement: Mapping[str, PlacementSummary]
    refused: Mapping[str, str]
    energy: Mapping[str, EnergyPerImage]
    latency: Mapping[str, ImageTime]
    not_modelled: tuple[str, ...]
    chips: Mapping[str, ChipVerdict] = field(default_factory=dict)
    host: HostWork | None = None
    relative: Relative | None = None
    accuracy: tuple[Accuracy, ...] | None = None
    attack: AttackedWith | None = None
    attacks: tuple[AttackedWith, ...] | None = None
    fidelity: Mapping[str, Mapping[str, Any]] | None = None
    sparsity: Mapping[str, float] | None = None
    layers: tuple[LayerSummary, ...] = ()
    comparison: Comparison | None = None
    rasters: tuple[Raster, ...] | None = None

    def __post_init__(self) -> None:
        for name, compared in (self.fidelity or {}).items():
            if not all(type(compared.get(key)) is int for key in ("compared", "mismatches")):
                raise ArchiveError(f"fidelity of {name}: expected the whole numbers 'compared' and 'mismatches'")

    @property
    def passed(self) -> bool:
        """Whether the figures may be believed; False is exit code 1."""
        return not self.reasons

    @property
    def verified(self) -> bool:
        """Whether operations were counted in other ways than by Eq. 12, on sampled images."""
        return self.operations.verification is not None

    @property
    def reasons(self) -> tuple[str, ...]:
        """One sentence for each check that failed."""
        return tuple(self._failures())

    def _failures(self) -> Iterator[str]:
        if self.operations.verification is not None:
            yield from self.operations.verification.reasons
        for reason in () if self.relative is None else self.relative.reasons:
            yield f"The other network, {reason}"
        if self.network.proven is False:
            yield "The registers are not proven: for some input one wraps or saturates."
        for verdict in self.chips.values():
            yield from verdict.reasons
        for name, compared in (self.fidelity or {}).items():
            if compared["mismatches"]:
                yield f"{name}: {compared['mismatches']:,} of {compared['compared']:,} compared neuron steps differ."

    def with_run(
        self,
        *,
        accuracy: Sequence[Accuracy],
        attack: AttackedWith,
        fidelity: Mapping[str, Mapping[str, Any]],
        sparsity: Mapping[str, float],
        attacks: Sequence[AttackedWith] = (),
    ) -> "Report":
        """Return the report with what the stages of a recipe measured.

        ``accuracy``: a row for each network, in the order of the stages; ``attack``: what their robust accuracy is
        against; ``attacks``: attacks of stages of their own; ``fidelity``: per executor at least ``compared`` and
        ``mismatches``, numbers of neuron steps; ``sparsity``: ``integer``, the share of zeros of the integers, and
        where the trained network is known ``global``, its share, and ``weights``, their number. Raises `ArchiveError`
        where an executor's numbers are missing.
        """
        return replace(
            self,
            accuracy=tuple(accuracy),
            attack=attack,
            attacks=tuple(attacks),
            fidelity=fidelity,
            sparsity=sparsity,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report under the keys of report.json, schema 4."""
        counts = self.operations.to_dict()
        optional = {name: getattr(self, name) for name in OPTIONAL}
        return {
            "schema": SCHEMA,
            "spikeport": self.spikeport,
            "versions": plain(self.versions),
            "date": self.date,
            "network": self.network.to_dict(),
            "images": self.images.to_dict(),
            "operations": {key: value for key, value in counts.items() if key not in ELSEWHERE},
            "validation": {
                "verified": self.verified,
                "counts": counts["verification"],
                "oracles": self.oracles,
            },
            "spikes": counts["spikes"],
            "layers": plain(self.layers),
            "profiles": plain(self.profiles),
            "placement": {
                name: self.placement[name].to_dict() if name in self.placement else {"refused": self.refused[name]}
                for name in self.profiles
            },
            "chips": plain(self.chips),
            "energy": plain(self.energy),
            "latency": plain(self.latency),
            "not_modelled": list(self.not_modelled),
            **{name: plain(value) for name, value in optional.items() if value is not None},
        }

    def text(self) -> str:
        """Return the main figures as text tables, and every reason of a failure."""
        return render(self)

    def tables(self) -> tuple[Table, ...]:
        """Return every table of the report, as text, the page, CSV and LaTeX show it."""
        return tuple(tables(self))

    def figures(self) -> tuple[Figure, ...]:
        """Return every figure of the report, each an SVG that stands alone."""
        return tuple(figures(self))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Report":
        """Return the report of `to_dict`; `ArchiveError` where keys are missing or of another type."""
        try:
            if document["schema"] != SCHEMA:
                raise ArchiveError(f"a report of schema {document['schema']!r}; expected {SCHEMA}: write it again")
            network, placement = document["network"], document["placement"]
            joined = {
                **document,
                "operations": {
                    **document["operations"],
                    "spikes": document["spikes"],
                    "verification": document["validation"]["counts"],
                    **{key: network[key] for key in ("steps", "neurons")},
                },
                "oracles": document["validation"]["oracles"],
                "placement": {name: placed for name, placed in placement.items() if "refused" not in placed},
                "refused": {name: placed["refused"] for name, placed in placement.items() if "refused" in placed},
            }
            return msgspec.convert(joined, cls)
        except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as fault:
            raise ArchiveError(f"not a report of schema {SCHEMA} ({fault}); write it again") from None
