"""TOML tables to typed structs; the errors name the table, the key, and the keys that it takes."""

import re
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
import tomllib

from spikeport.export.errors import SpikeportError, one_line
from spikeport.export.inputs import LARGEST_TEXT, read_bytes

Struct = TypeVar("Struct", bound=msgspec.Struct)

MOST_DOTS = 2000
"""Dots of a line, so parts of a key: the time of the parser grows with the square of their number."""


def toml_table(path: Path, error: type[SpikeportError]) -> dict[str, Any]:
    """Read a TOML file; ``error`` is raised where it is none, or where it would take long."""
    data = read_bytes(path, error, most=LARGEST_TEXT, expected="a TOML file")
    if max(line.count(b".") for line in data.split(b"\n")) > MOST_DOTS:
        raise error(f"{path}: a line holds more than {MOST_DOTS:,} dots; at most so many are read")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except RecursionError:
        raise error(f"{path}: not a TOML file (it is nested too deeply)") from None
    except ValueError as fault:  # of the decoder, of TOML, and of whole numbers with thousands of digits
        raise error(f"{path}: not a TOML file ({one_line(fault)})") from None


def read_table(path: Path, kind: type[Struct], error: type[SpikeportError]) -> Struct:
    """Read a TOML file as ``kind``; ``error`` is raised with the file, the table and the key."""
    table = toml_table(path, error)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as fault:
        raise error(f"{path}: {_sentence(str(fault), kind)}") from None
    except (RecursionError, OverflowError) as fault:
        raise error(f"{path}: a value is nested too deeply or too large ({one_line(fault)})") from None


def _sentence(message: str, kind: type[msgspec.Struct]) -> str:
    """Turn msgspec's message into one that names table and key as they stand in the file."""
    what, _, place = message.partition(" - at `$")
    place = place.rstrip("`").lstrip(".")
    where = f"[{place}] " if place else ""
    unknown = re.match(r"Object contains unknown field `(.*)`", what, re.DOTALL)
    if unknown:
        keys = ", ".join(field.name for field in msgspec.structs.fields(_table(kind, place)))
        return f"{where}has no key {unknown[1]!r}; it takes {keys}"
    missing = re.match(r"Object missing required field `(.*)`", what)
    if missing:
        return f"{where}lacks the key {missing[1]!r}"
    choices = _choices(kind, place) if what.startswith("Invalid enum value") else []
    if choices:
        return f"{where}{what[0].lower()}{what[1:]}; expected {', '.join(map(repr, choices))}"
    return f"{where}{what[0].lower()}{what[1:]}"


def _table(kind: Any, place: str) -> type[msgspec.Struct]:
    """Return the struct that stands at ``place``, a path of keys."""
    for key in filter(None, place.split(".")):
        kind = _field(kind, key)
        kind = next((each for each in get_args(kind) if isinstance(each, type) and each is not type(None)), kind)
    result: type[msgspec.Struct] = kind
    return result


def _choices(kind: type[msgspec.Struct], place: str) -> list[Any]:
    """Return the values that the key at ``place`` may have, where its type lists them."""
    table, _, key = re.sub(r"\[.*?\]", "", place).rpartition(".")
    return _literals(_field(_table(kind, table), key))


def _literals(kind: Any) -> list[Any]:
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [value for part in get_args(kind) for value in _literals(part)]


def _field(kind: Any, key: str) -> Any:
    return next(field.type for field in msgspec.structs.fields(kind) if field.name == key)
