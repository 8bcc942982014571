"""Writes what was examined: a JSON file for programs, a picture for people."""

import json
from pathlib import Path

from spikeport.export.files import locked, write_text
from spikeport.hardware_profiles.result import Result
from spikeport.toolchain.analysis.gradients_result import Gradients
from spikeport.toolchain.analysis.result import Obfuscation

JSON, PICTURE = "obfuscation.json", "obfuscation.svg"
"""The files' names in a folder, beside an attack's own result."""
GRADIENTS, GRADIENTS_PICTURE = "gradients.json", "gradients.svg"
"""Those of gradients by operation."""


def write(found: Obfuscation, folder: Path) -> None:
    """Write both files to a folder, each whole or not at all."""
    _write(folder, (JSON, found), (PICTURE, found.picture()))


def write_gradients(found: Gradients, folder: Path) -> None:
    """Write both files to a folder, each whole or not at all."""
    _write(folder, (GRADIENTS, found), (GRADIENTS_PICTURE, found.picture()))


def _write(folder: Path, table: tuple[str, Result], drawn: tuple[str, str]) -> None:
    document = json.dumps(table[1].to_dict(), indent=1, allow_nan=False)
    with locked(folder):
        write_text(folder / table[0], document + "\n")
        write_text(folder / drawn[0], drawn[1])
