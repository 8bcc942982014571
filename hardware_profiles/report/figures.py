"""The figures of a report, each an SVG that stands alone: what ``--save-figures`` writes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spikeport.hardware_profiles.energy import SUMMED
from spikeport.hardware_profiles.output.bars import Bar, Part, bars
from spikeport.hardware_profiles.output.drawing import templates
from spikeport.hardware_profiles.output.figure import Figure, figure
from spikeport.hardware_profiles.report.comparison import Comparison
from spikeport.hardware_profiles.report.drawing import energy_bars
from spikeport.hardware_profiles.report.headline import IN_WORDS
from spikeport.hardware_profiles.report.raster import Raster
from spikeport.hardware_profiles.report.raster_picture import raster_picture
from spikeport.hardware_profiles.report.sections import PlacementSummary

if TYPE_CHECKING:
    from spikeport.hardware_profiles.report.result import Report

WIDTH, LEGEND = 640, 20
"""Largest width of a map of cores and height of a line of its legend, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One core in its place, filled to the ``share`` of its fullest resource."""

    x: float
    y: float
    side: float
    share: float
    series: int
    busiest: bool
    title: str


def figures(report: "Report") -> Iterator[Figure]:
    """Yield every figure: rates and operations, energy and cores of each profile, layers compared, and rasters.

    A network whose readout alone has neurons has no rates, and none to compare.
    """
    if report.operations.spikes:
        yield figure("rates", "Spikes per neuron and step, mean over images", _rates(report))
    yield figure("operations", "Operations of a mean image, Eq. 12 fused", _operations(report))
    yield figure("energy", "Energy of a mean image", _energy(report))
    for name, placed in report.placement.items():
        yield figure(f"cores_{name}", f"Cores of {name}", cores(name, placed))
    if report.comparison is not None and report.comparison.layers:
        yield figure("changed_spikes", "Spikes changed by rounding", _changed(report.comparison))
        yield figure("potential_error", "Potentials changed by rounding", _potentials(report.comparison))
    for each in report.rasters or ():
        yield figure(f"raster_{each.image}", f"Spikes of sample {each.image}", raster_svg(each))


def raster_svg(raster: Raster) -> str:
    """Return the picture of a sample's spikes."""
    return templates(Path(__file__).parent).get_template("raster.svg.j2").render(picture=raster_picture(raster))


def _rates(report: "Report") -> str:
    rows = [(each.population, each.rate) for each in report.operations.spikes]
    found = [Bar(label=name, parts=[Part(value=rate)], shown=f"{100 * rate:.1f} %") for name, rate in rows]
    return bars(found, title="spike rates", caption="spikes per neuron and step, mean over images and steps")


def _operations(report: "Report") -> str:
    images, kinds = report.operations.images, ("AC", "MAC")
    found = [
        Bar(
            label=each.name.replace("->", "→"),
            parts=[Part(value=each.formula / images, series=kinds.index(each.kind))],
            shown=f"{each.formula / images:,.0f}",
        )
        for each in report.operations.layers
    ]
    graded = any(each.graded for each in report.operations.layers)
    series = ("accumulates", "multiply-accumulates of a graded input") if graded else ()
    return bars(found, title="operations", caption="operations of a mean image, Eq. 12 fused", series=series)


def _energy(report: "Report") -> str:
    caption = "energy of a mean image, synapses by Eq. 12 fused, images back to back"
    names = [IN_WORDS[part] for part in SUMMED]
    return bars(energy_bars(report.energy), title="energy of a mean image", caption=caption, series=names)


def _changed(found: Comparison) -> str:
    rows = [
        Bar(
            label=each.population,
            parts=[Part(value=each.changed.value)],
            shown=f"{each.changed.text()} %",
            error=each.changed.error,
        )
        for each in found.layers
    ]
    caption = f"share of neurons and steps whose spike is another than in the float network, {found.images:,} images"
    return bars(rows, title="spikes changed by rounding", caption=caption)


def _potentials(found: Comparison) -> str:
    rows = [
        Bar(
            label=each.population,
            parts=[Part(value=each.potential.value)],
            shown=f"{each.potential.value:.3g} ± {each.potential.error:.2g}",
            error=each.potential.error,
        )
        for each in found.layers
    ]
    caption = f"mean absolute difference of potentials before the reset, in thresholds, {found.images:,} images"
    return bars(rows, title="potentials changed by rounding", caption=caption)


def cores(name: str, placed: PlacementSummary) -> str:
    """Return a map of the cores of a chip, each filled to its fullest resource, in that resource's colour."""
    columns = next((count for count, most in ((16, 128), (32, 1024)) if placed.cores <= most), 64)
    resources = list(dict.fromkeys(core.fullest for core in placed.per_core))
    side, lines = WIDTH / columns, math.ceil(placed.cores / columns)
    return (
        templates(Path(__file__).parent)
        .get_template("cores.svg.j2")
        .render(
            title=f"cores of {name}",
            cells=list(_cells(placed, columns, side, resources)),
            legend=[(number, f"{each.replace('_', ' ')} is fullest") for number, each in enumerate(resources)],
            low=round(lines * side + 10, 1),
            width=round(max(min(columns, placed.cores) * side, 220) + 4),
            height=round(lines * side + 16 + LEGEND * (len(resources) + 1)),
        )
    )


def _cells(placed: PlacementSummary, columns: int, side: float, resources: Sequence[str]) -> Iterator[Cell]:
    for number, core in enumerate(placed.per_core):
        share, held = core.utilisation[core.fullest], ", ".join(block.population for block in core.blocks)
        yield Cell(
            x=round(2 + number % columns * side, 2),
            y=round(2 + number // columns * side, 2),
            side=round(0.86 * side, 2),
            share=min(share, 1.0),
            series=resources.index(core.fullest),
            busiest=number == placed.bottleneck,
            title=f"core {number}: {held}, {core.fullest.replace('_', ' ')} {100 * share:.1f} %",
        )
