"""What stands inside the settings of a stage: tables in tables, and the networks of other stages that they name."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

NAME = re.compile(r"^[a-z0-9_]{1,40}$")
"""A name of a stage; the name of a file has a dot."""


def structs_in(value: Any, path: str = "") -> Iterator[tuple[str, msgspec.Struct]]:
    """Yield every struct within ``value`` with the path of its key, the outermost first."""
    if isinstance(value, msgspec.Struct):
        yield path, value
        for field in msgspec.structs.fields(value):
            yield from structs_in(getattr(value, field.name), f"{path}.{field.encode_name}".lstrip("."))
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from structs_in(each, f"{path}[{index}]")


def models_of(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the networks of other stages that a stage uses: the path of the key that names one, and the stage's name.

    A struct says in ``MODELS`` which of its keys do.
    """
    for path, struct in structs_in(value):
        for key in getattr(struct, "MODELS", ()):
            name = getattr(struct, key)
            if NAME.match(name):
                yield f"{path}.{key}".lstrip("."), name
