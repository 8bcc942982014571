"""The report as one HTML file: no network access, no scripts, for light and dark, phone and print."""

import re
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from spikeport.export.three_counts import NOT_VERIFIED
from spikeport.hardware_profiles import energy
from spikeport.hardware_profiles.columns import percent, quantity
from spikeport.hardware_profiles.counting.parts import called
from spikeport.hardware_profiles.energy import SUMMED
from spikeport.hardware_profiles.evidence import LEGEND
from spikeport.hardware_profiles.output.table import Table
from spikeport.hardware_profiles.placement.results import CoreSummary
from spikeport.hardware_profiles.report.drawing import FEW, cells, energy_bars, fullest, resources, signed
from spikeport.hardware_profiles.report.figures import raster_svg
from spikeport.hardware_profiles.report.headline import IN_WORDS, headline
from spikeport.hardware_profiles.report.result import Report
from spikeport.hardware_profiles.report.roles import Helpers, listed, named
from spikeport.hardware_profiles.report.text import about

TABLE_ROWS = 64
"""Cores that the page lists one by one, the busiest; report.json has them all."""
PREFIXED = ("J", "s", "W")
"""Units that take a prefix on the page; numbers of bits, bytes and neurons are whole."""
LONGEST = 15
"""Rows of a table that is not folded: about a screen."""


def render(report: Report) -> str:
    """Return the page of a report."""
    document, helpers, placed = report.to_dict(), report.network.helpers, report.placement
    cores = {name: f"cores_{name}" for name in placed}
    tables = {table.name: table.on("page") for table in report.tables()}
    return (
        _environment(helpers)
        .get_template("report.html.j2")
        .render(
            document,
            head=headline(document),
            parts=[IN_WORDS[part] for part in SUMMED],
            legend=LEGEND,
            few=FEW,
            longest=LONGEST,
            energy_bars=energy_bars(report.energy),
            cells={name: cells(each, helpers) for name, each in placed.items()},
            binding={name: resources(each) for name, each in placed.items()},
            fullest={name: fullest(each) for name, each in placed.items()},
            busiest={name: listed(each.per_core[each.bottleneck].blocks, helpers) for name, each in placed.items()},
            tables=tables | {key: _busiest(tables[key], placed[name].per_core) for name, key in cores.items()},
            pictures=[raster_svg(each) for each in report.rasters or ()],
            reasons=report.reasons,
            counts=report.operations.verification,
            not_verified=NOT_VERIFIED,
        )
    )


def _busiest(table: Table, cores: Sequence[CoreSummary]) -> Table:
    """Return the table of a chip's cores with those that have most operations, these first."""
    order = sorted(range(len(cores)), key=lambda number: -(cores[number].operations or 0.0))
    return replace(table, rows=[table.rows[number] for number in order[:TABLE_ROWS]])


def _environment(helpers: Helpers) -> Environment:
    """Return an environment that escapes; ``helpers`` are populations that are named for what they are."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "whole": lambda number: f"{number:,.0f}",
        "percent": percent,
        "sign": lambda text: signed(text).replace(" -> ", " → "),
        "marks": energy.marks_of,
        "about": about,
        "capitalize_first": lambda text: text[:1].upper() + text[1:],
        "named": lambda name: named(name, helpers),
        "projection": lambda layer: called(
            named(layer["source"], helpers), named(layer["target"], helpers), layer["part"], arrow="→"
        ),
        "breakable": _breakable,
        "constant": constant,
        "anchored": anchored,
    }
    return environment


def constant(entry: dict[str, Any]) -> str:
    """Return a constant's value with its unit: with a prefix where three digits hold it, as the profile has it else."""
    value, unit = entry["value"], entry.get("unit", "")
    values = value if isinstance(value, list) else [value]
    return "; ".join(_valued(each, "" if unit == "1" else unit) for each in values)


def _valued(value: object, unit: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if unit in PREFIXED and float(f"{value:.2e}") == value:
        return quantity(value, unit)
    return f"{value:,.0f} {unit}".strip() if value == int(value) else f"{value} {unit}".strip()


def anchored(body: Markup) -> tuple[Markup, dict[str, str]]:
    """Return a page's body with an anchor at every heading of a section, and the titles by their anchors."""
    found: dict[str, str] = {}

    def anchor(heading: re.Match[str]) -> str:
        title = unescape(re.sub(r"<[^>]*>", "", heading[1]))
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        while name in found:
            name += "-"
        found[name] = title
        return f'<h2 id="{name}">{heading[1]}</h2>'

    return Markup(re.sub(r"<h2>(.*?)</h2>", anchor, str(body))), found  # noqa: S704 - the templates escaped it


def _breakable(name: str) -> Markup:
    """Return a name that a line may break after its underscores."""
    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))
