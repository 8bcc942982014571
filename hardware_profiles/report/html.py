"""The report as one HTML file: no network access, figures as SVG, light and dark."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def render(document: dict[str, Any]) -> str:
    """Return the page for a report document."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["whole"] = lambda number: f"{number:,.0f}"
    environment.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    environment.filters["microjoule"] = lambda joule: f"{1e6 * joule:.3g} µJ"
    return environment.get_template("report.html.j2").render(document)
