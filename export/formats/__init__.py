"""One file per format: ``write(network, path)``, and ``read(path)`` where the format can be read."""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spikeport.export.errors import FormatError

Writer = Callable[[Any, Path], None]
FLOAT_FORMATS = ("onnx-float",)
"""Formats that float networks are written in."""


def format_names() -> list[str]:
    """Return the formats that networks can be written in: the files of this folder."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def writer(name: str) -> Writer:
    """Return the ``write`` function of a format."""
    if name not in format_names():
        raise FormatError(f"no format {name!r}; there are {', '.join(format_names())}")
    write: Writer = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").write
    return write
