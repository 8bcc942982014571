"""A folder is the registry of its kind: every file beside a base class that holds a tagged subclass is a choice.

A recipe names a choice by a tagged table, ``objective = { kind = "trades", regularization = 2.0 }``; the type of that
table stands in the file ``trades.py``. A new file is a new choice; no other file names it.
"""

import pkgutil
from importlib import import_module
from typing import TypeVar

import msgspec

Kind = TypeVar("Kind", bound="Choice")
ELSEWHERE = {"spikeport.toolchain.nn.architectures": ("spikeport.toolchain.importing.architectures",)}
"""Second folders of a registry: for choices that import what itself imports the first folder."""


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """A table of a recipe whose ``kind`` says which file of a folder it belongs to."""


def kinds(base: type[Kind]) -> dict[str, type[Kind]]:
    """Return the tagged subclasses of ``base`` in the files of its folder, by tag, in alphabetical order."""
    home = base.__module__.rpartition(".")[0]
    found: dict[str, type[Kind]] = {}
    for package in (home, *ELSEWHERE.get(home, ())):
        for info in pkgutil.iter_modules(import_module(package).__path__):
            module = import_module(f"{package}.{info.name}")
            found |= {tag_of(kind): kind for kind in vars(module).values() if _belongs(kind, base, module.__name__)}
    return dict(sorted(found.items()))


def tag_of(kind: type[Choice] | Choice) -> str:
    """Return the name of a choice in a recipe."""
    return str(kind.__struct_config__.tag)


def _belongs(kind: object, base: type[Choice], module: str) -> bool:
    """Return whether a class of ``module`` is a choice; a base class has its own name as the tag, by msgspec's rule."""
    if not isinstance(kind, type) or not issubclass(kind, base) or kind.__module__ != module:
        return False
    return kind.__struct_config__.tag not in {None, kind.__name__}
