"""The report as one HTML file: no network access, figures as SVG, light and dark."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from spikeport.export.three_counts import NOT_VERIFIED
from spikeport.hardware_profiles import energy, latency
from spikeport.hardware_profiles.columns import times
from spikeport.hardware_profiles.evidence import LEGEND
from spikeport.hardware_profiles.report.figures import raster_svg
from spikeport.hardware_profiles.report.result import Report
from spikeport.hardware_profiles.report.text import about, attacked, populations, robust, share

PARTS = {
    "synaptic_operations": "synapses, Eq. 12 fused",
    "neuron_updates": "neuron updates",
    "spike_traffic": "spike traffic",
    "first_layer_host": "first layer on the host",
    "static": "static power, images back to back",
}
TABLE_ROWS = 64
"""Cores that the page lists one by one, the busiest; report.json has them all."""


def render(report: Report) -> str:
    """Return the page of a report."""
    document = report.to_dict()
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters["whole"] = lambda number: f"{number:,.0f}"
    environment.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    environment.filters["part"] = lambda found, part: energy.shown(found, part, " µJ")
    environment.filters["time"] = latency.shown
    environment.filters["marks"] = energy.marks_of
    environment.filters["times"] = times
    environment.filters["attacked"] = attacked
    environment.filters["about"] = about
    environment.filters["robust"] = robust
    environment.filters["share"] = share
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    environment.filters["populations"] = populations
    environment.filters["span"] = lambda part: f"{part[0]}" if part[1] - part[0] == 1 else f"{part[0]} to {part[1] - 1}"
    busiest = {
        name: sorted(enumerate(placed["per_core"]), key=lambda core: -core[1]["operations"])[:TABLE_ROWS]
        for name, placed in document["placement"].items()
        if "cores" in placed
    }
    return environment.get_template("report.html.j2").render(
        document,
        parts=PARTS,
        legend=LEGEND,
        busiest=busiest,
        tables={table.name: table for table in report.tables()},
        pictures=[raster_svg(each) for each in report.rasters or ()],
        reasons=report.reasons,
        counts=report.operations.verification,
        not_verified=NOT_VERIFIED,
    )
