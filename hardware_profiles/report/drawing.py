"""What the page draws: parts of bars and cells of core maps, as shares of one; the templates make elements of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spikeport.hardware_profiles import energy
from spikeport.hardware_profiles.columns import percent
from spikeport.hardware_profiles.energy import SUMMED, EnergyPerImage
from spikeport.hardware_profiles.output.bars import Bar, Part
from spikeport.hardware_profiles.report.headline import IN_WORDS
from spikeport.hardware_profiles.report.roles import Helpers, listed
from spikeport.hardware_profiles.report.sections import PlacementSummary

PARENT = {"spike_traffic_between_chips": "spike_traffic"}
"""A part that is drawn in the colour of another: no profile prices it."""
FEW = 12
"""Cores that are drawn as a bar each, with their populations."""
CELLS = 1024
"""Cells of a core map, at most; more cores share them."""
Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One core, or ``cores`` in a row: the ``share`` of the fullest resource that is in use, and which that is."""

    title: str
    resource: str
    share: float
    busiest: bool
    cores: int = 1


def energy_bars(found: Mapping[str, EnergyPerImage]) -> list[Bar]:
    """Return the energy on every profile as a bar of its parts, unknown ones among them; those in another left out."""
    documents = {name: each.to_dict() for name, each in found.items()}
    return [
        Bar(label=name, parts=list(_parts(each)), shown=signed(energy.shown(each, "sum_of_known")))
        for name, each in documents.items()
    ]


def _parts(found: Document) -> Iterator[Part]:
    for part, title in IN_WORDS.items():
        unknown, shaky = part in found["missing"], any(part in found[kind] for kind in ("assumed", "scaled"))
        if unknown or found.get(part):
            yield Part(
                value=0.0 if unknown else found[part],
                series=SUMMED.index(PARENT.get(part, part)),
                kind="unknown" if unknown else "assumed" if shaky else "known",
                title=f"{title}: {'unknown' if unknown else energy.shown(found, part)}",
            )


def signed(figure: str) -> str:
    """Return a figure with the sign of a lower bound in one character."""
    return figure.replace(">= ", "≥ ")


def cells(placed: PlacementSummary, helpers: Helpers) -> list[Cell]:
    """Return a cell for every core of a placement; for each run of cores in a row where there are too many."""
    single = [
        Cell(
            title=f"core {number}: {listed(core.blocks, helpers)}",
            resource=core.fullest.replace("_", " "),
            share=core.utilisation[core.fullest],
            busiest=number == placed.bottleneck,
        )
        for number, core in enumerate(placed.per_core)
    ]
    together = -(-len(single) // CELLS)
    starts = range(0, len(single), together)
    return single if together == 1 else [_joined(single[start : start + together], start) for start in starts]


def _joined(run: Sequence[Cell], first: int) -> Cell:
    """Return the fullest of a run of cores for all of them."""
    fullest = max(run, key=lambda cell: cell.share)
    return Cell(
        title=f"cores {first} to {first + len(run) - 1}, the fullest of them {fullest.title}",
        resource=fullest.resource,
        share=fullest.share,
        busiest=any(cell.busiest for cell in run),
        cores=len(run),
    )


def resources(placed: PlacementSummary) -> dict[str, int]:
    """Return the resources that bind, most cores first, with their numbers of cores."""
    return dict(Counter(core.fullest.replace("_", " ") for core in placed.per_core).most_common())


def fullest(placed: PlacementSummary) -> str:
    """Return the fullest resource of the fullest core: 'neurons 97.3 %'."""
    core = max(placed.per_core, key=lambda each: each.utilisation[each.fullest])
    return f"{core.fullest.replace('_', ' ')} {percent(core.utilisation[core.fullest])}"
