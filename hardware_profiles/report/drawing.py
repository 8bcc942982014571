"""What the page draws: parts of bars and cells of core maps, as shares of one; the templates make elements of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spikeport.hardware_profiles import energy
from spikeport.hardware_profiles.columns import percent
from spikeport.hardware_profiles.report.cost_tables import populations

PARTS = {
    "synaptic_operations": "synapses, Eq. 12 fused",
    "neuron_updates": "neuron updates",
    "spike_traffic": "spike traffic",
    "first_layer_host": "first layer on the host",
    "static": "static power, images back to back",
}
"""The parts of a bar of energy, in order: all that a sum can hold, on every profile."""
BETWEEN = "spike_traffic_between_chips"
"""A part of the traffic that no profile prices."""
FEW = 12
"""Cores that are drawn as a bar each, with their populations."""
CELLS = 1024
"""Cells of a core map, at most; more cores share them."""
Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A part of a bar: ``width`` as a share of the longest bar; an unknown part has none, and is drawn at a fixed one.

    ``number`` is its place in `PARTS`, ``shown`` its figure with marks.
    """

    title: str
    number: int
    shown: str
    width: float
    kind: Literal["known", "assumed", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One core, or ``cores`` in a row: the ``share`` of the fullest resource that is in use, and which that is."""

    title: str
    resource: str
    share: float
    busiest: bool
    cores: int = 1


def energy_bars(found: Mapping[str, Document]) -> dict[str, list[Segment]]:
    """Return the parts of the energy on every profile, unknown ones among them; those in another part left out."""
    longest = max((each["sum_of_known"] for each in found.values()), default=0.0) or 1.0
    return {name: list(_segments(each, longest)) for name, each in found.items()}


def _segments(found: Document, longest: float) -> Iterator[Segment]:
    for number, (part, title) in enumerate(PARTS.items()):
        if part in found["missing"]:
            yield _unknown(number, title)
        elif found[part]:
            assumed = any(part in found[kind] for kind in ("assumed", "scaled"))
            yield Segment(
                title=title,
                number=number,
                shown=energy.shown(found, part),
                width=found[part] / longest,
                kind="assumed" if assumed else "known",
            )
    if BETWEEN in found["missing"]:
        yield _unknown(list(PARTS).index("spike_traffic"), "spikes between chips")


def _unknown(number: int, title: str) -> Segment:
    return Segment(title=title, number=number, shown="unknown", width=0.0, kind="unknown")


def cells(placed: Document, helpers: Mapping[str, str]) -> list[Cell]:
    """Return a cell for every core of a placement; for each run of cores in a row where there are too many."""
    single = [
        Cell(
            title=f"core {number}: {populations(core, helpers)}",
            resource=core["fullest"].replace("_", " "),
            share=core["utilisation"][core["fullest"]],
            busiest=number == placed["bottleneck"],
        )
        for number, core in enumerate(placed["per_core"])
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


def resources(placed: Document) -> dict[str, int]:
    """Return the resources that bind, most cores first, with their numbers of cores."""
    return dict(Counter(core["fullest"].replace("_", " ") for core in placed["per_core"]).most_common())


def fullest(placed: Document) -> str:
    """Return the fullest resource of the fullest core: 'neurons 97.3 %'."""
    core = max(placed["per_core"], key=lambda each: each["utilisation"][each["fullest"]])
    return f"{core['fullest'].replace('_', ' ')} {percent(core['utilisation'][core['fullest']])}"
