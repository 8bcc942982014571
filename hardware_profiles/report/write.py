"""Writes a report: report.json for programs, report.html for people."""

import json
from pathlib import Path

from spikeport.export.files import locked, write_text
from spikeport.hardware_profiles.report import html
from spikeport.hardware_profiles.report.result import Report


def write(report: Report, folder: Path) -> None:
    """Write ``report.json`` and ``report.html`` to ``folder``, each whole or not at all."""
    document, page = json.dumps(report.to_dict(), indent=1, allow_nan=False), html.render(report)
    with locked(folder):
        write_text(folder / "report.json", document + "\n")
        write_text(folder / "report.html", page)
