"""Which spikeport this is, and what it computes with."""

import platform
from importlib import metadata

BESIDE = ("numpy", "torch")
"""Packages whose versions are told where they are installed; none is imported, torch takes seconds."""


def version() -> str:
    """Return the versions of spikeport, of Python, and of what is installed beside."""
    found = [f"spikeport {metadata.version('spikeport')}", f"Python {platform.python_version()}"]
    return "\n".join([*found, *(_told(name) for name in BESIDE)])


def _told(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"{name} not installed (training and attacks need it: pip install 'spikeport[train]')"
