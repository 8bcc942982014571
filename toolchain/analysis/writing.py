"""Writes an examination: obfuscation.json for programs, obfuscation.svg for people."""

import json
from pathlib import Path

from spikeport.export.files import locked, write_text
from spikeport.toolchain.analysis.picture import picture
from spikeport.toolchain.analysis.result import Obfuscation

JSON, PICTURE = "obfuscation.json", "obfuscation.svg"
"""The files' names in a folder, beside an attack's own result."""


def write(found: Obfuscation, folder: Path) -> None:
    """Write both files to a folder, each whole or not at all."""
    document, drawn = json.dumps(found.to_dict(), indent=1, allow_nan=False), picture(found)
    with locked(folder):
        write_text(folder / JSON, document + "\n")
        write_text(folder / PICTURE, drawn)
