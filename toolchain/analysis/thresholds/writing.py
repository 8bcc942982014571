"""Writes what was measured: thresholds.json for programs, thresholds.svg for people."""

import json
from pathlib import Path

from spikeport.export.files import locked, write_text
from spikeport.toolchain.analysis.thresholds.result import Thresholds

JSON, PICTURE = "thresholds.json", "thresholds.svg"
"""The files' names in a folder."""


def write(found: Thresholds, folder: Path) -> None:
    """Write both files to a folder, each whole or not at all."""
    document, drawn = json.dumps(found.to_dict(), indent=1, allow_nan=False), found.picture()
    with locked(folder):
        write_text(folder / JSON, document + "\n")
        write_text(folder / PICTURE, drawn)
