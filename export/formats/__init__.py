"""One file per format: ``write(network, path)``, and ``read(path)`` where the format can be read.

A file says in ``NETWORKS`` which types of networks it writes, and in ``NOTE`` what readers have to know, if anything.
"""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Protocol, TypeVar

from spikeport.export.errors import FormatError
from spikeport.export.network import Network

Kind = TypeVar("Kind", bound=Network)
Kind_contra = TypeVar("Kind_contra", bound=Network, contravariant=True)


class Writer(Protocol[Kind_contra]):
    """Writes a network of one type to a path; raises `FormatError` for what the format cannot say."""

    def __call__(self, network: Kind_contra, path: Path) -> None:
        """Write ``network`` to ``path``, whole or not at all."""


def format_names() -> list[str]:
    """Return the formats that networks can be written in: the files of this folder."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def written_by(name: str) -> tuple[type[Network], ...]:
    """Return the types of networks that a format writes."""
    networks: tuple[type[Network], ...] = _module(name).NETWORKS
    return networks


def writer(name: str, kind: type[Kind]) -> Writer[Kind]:
    """Return the ``write`` of a format of networks of ``kind``; `FormatError` where none has that name."""
    if kind not in written_by(name):
        names = ", ".join(each for each in format_names() if kind in written_by(each))
        raise FormatError(f"format {name!r} does not take {kind.kind} networks; {names} do")
    write: Writer[Kind] = _module(name).write
    return write


def note(name: str) -> str:
    """Return what a reader of a format has to know, or nothing."""
    text: str = getattr(_module(name), "NOTE", "")
    return text


def _module(name: str) -> ModuleType:
    if name not in format_names():
        raise FormatError(f"no format {name!r}; there are {', '.join(format_names())}")
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
