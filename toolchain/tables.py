"""Plain tables to typed structs and choices: every fault is found at once, each with the path of its key.

msgspec checks the leaves and stops at the first fault; `converted` walks the structs above them. A choice is looked up
by its tag in the folder of its base class, so a new file is a new choice here, too.
"""

import difflib
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from spikeport.export.errors import RecipeError, SpikeportError, one_line
from spikeport.toolchain.choices import Choice, kinds

Faults = list[tuple[str, str]]
MOST_SHOWN = 50
"""Faults that one error holds."""
LONGEST = 60
"""Characters of a value or key that a fault shows."""


class _Missing:
    """What stands for a value that could not be converted."""


MISSING = _Missing()


def converted(value: Any, kind: Any, path: str, faults: Faults) -> Any:
    """Return ``value`` as ``kind``, or `MISSING` with what is wrong added to ``faults`` under paths below ``path``."""
    kind, bounds = _bare(kind)
    struct = _struct_in(kind)
    if struct is not None and not (value is None and NoneType in get_args(kind)):
        return _struct(value, struct, path, faults)
    if get_origin(kind) is tuple and isinstance(value, list) and get_args(kind)[-1] is Ellipsis:
        return _items(value, get_args(kind)[0], bounds, path, faults)
    if get_origin(kind) is dict and isinstance(value, Mapping):
        made = {key: converted(each, get_args(kind)[1], joined(path, key), faults) for key, each in value.items()}
        return MISSING if MISSING in made.values() else made
    return _leaf(value, Annotated[(kind, *bounds)] if bounds else kind, path, faults)


def faulty(where: str, faults: Faults) -> RecipeError:
    """Return the error that names all faults: the only one in its sentence, several in a line each."""
    texts = [f"{path}: {text}" if path else text for path, text in faults]
    if len(texts) == 1:
        return RecipeError(f"{where}: {texts[0]}")
    shown = texts[:MOST_SHOWN] + [f"and {len(texts) - MOST_SHOWN} more"] * (len(texts) > MOST_SHOWN)
    return RecipeError(f"{where}: {len(texts)} faults", shown)


def resolved(kind: Any, value: Any) -> type[msgspec.Struct] | None:
    """Return the struct that a table ``value`` of type ``kind`` is: of a choice the one that its tag names."""
    struct = _struct_in(_bare(kind)[0])
    if struct is None or not issubclass(struct, Choice):
        return struct
    tag = value.get(struct.__struct_config__.tag_field) if isinstance(value, Mapping) else None
    return _choices(struct).get(tag) if isinstance(tag, str) else None


def keys_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the keys of a struct's table with their types; of a choice also its tag."""
    keys = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    return {str(struct.__struct_config__.tag_field): str, **keys} if issubclass(struct, Choice) else keys


def base_choices(*structs: type[msgspec.Struct]) -> list[type[Choice]]:
    """Return the base classes of the choices that tables of these types hold, and those of their choices in turn."""
    found: list[type[Choice]] = []
    waiting: list[type[msgspec.Struct]] = list(structs)
    while waiting:
        struct = waiting.pop(0)
        if issubclass(struct, Choice) and struct not in found:
            found.append(struct)
        inner = kinds(struct).values() if issubclass(struct, Choice) else [struct]
        for each in [part for one in inner for part in _structs_of(one)]:
            if each not in found and each not in waiting and each not in structs:
                waiting.append(each)
    return [base for base in found if base not in structs]


def _structs_of(struct: type[msgspec.Struct]) -> list[type[msgspec.Struct]]:
    """Return the structs that the fields of a struct hold, optionally or in tuples."""
    kinds_of = [_bare(field.type)[0] for field in msgspec.structs.fields(struct)]
    kinds_of += [_bare(get_args(kind)[0])[0] for kind in kinds_of if get_origin(kind) is tuple and get_args(kind)]
    return [found for kind in kinds_of if (found := _struct_in(kind)) is not None]


def nearest(word: str, words: Iterator[str] | list[str]) -> str:
    """Return ``did you mean ...`` where a word is like another, else nothing."""
    found = difflib.get_close_matches(word[:LONGEST], list(words), 1)
    return f"; did you mean {found[0]!r}?" if found else ""


def joined(path: str, key: str) -> str:
    """Return the path of a key in the table at ``path``."""
    return f"{path}.{cut(key)}" if path else cut(key)


def cut(value: object) -> str:
    """Return a value or key as text of at most `LONGEST` characters."""
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _bare(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without its annotations, and these."""
    if get_origin(kind) is Annotated:
        return kind.__origin__, kind.__metadata__
    return kind, ()


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """Return the struct that ``kind`` is, or that it is optionally."""
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    found = [part for part in parts if isinstance(part, type) and issubclass(part, msgspec.Struct)]
    return found[0] if len(found) == 1 and set(parts) <= {found[0], NoneType} else None


def _choices(base: type[Choice]) -> dict[str, type[Choice]]:
    """Return the choices that may stand where ``base`` is expected: itself, or those of its folder."""
    tag = base.__struct_config__.tag
    return {str(tag): base} if tag is not None and tag != base.__name__ else kinds(base)


def _struct(value: Any, struct: type[msgspec.Struct], path: str, faults: Faults) -> Any:
    if not isinstance(value, Mapping):
        faults.append((path, f"expected a table, got {_shown(value)}"))
        return MISSING
    if issubclass(struct, Choice):
        chosen = _choice(value, struct, path, faults)
        if chosen is None:
            return MISSING
        value = {key: each for key, each in value.items() if key != struct.__struct_config__.tag_field}
        struct = chosen
    return _fields(value, struct, path, faults)


def _choice(value: Mapping[str, Any], base: type[Choice], path: str, faults: Faults) -> type[Choice] | None:
    field, choices = str(base.__struct_config__.tag_field), _choices(base)
    tag, names = value.get(field), ", ".join(choices)
    if isinstance(tag, str) and tag in choices:
        return choices[tag]
    if field not in value:
        faults.append((joined(path, field), f"is missing; expected {names}"))
    else:
        faults.append((joined(path, field), f"{_shown(tag)}; expected {names}{nearest(str(tag), list(choices))}"))
    return None


def _fields(value: Mapping[str, Any], struct: type[msgspec.Struct], path: str, faults: Faults) -> Any:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    unknown = [key for key in value if key not in fields]
    for key in unknown:
        takes = ", ".join(fields) or "nothing"
        faults.append((joined(path, key), f"is no key; expected {takes}{nearest(key, list(fields))}"))
    made = {}
    for key, field in fields.items():
        if key in value:
            made[field.name] = converted(value[key], field.type, joined(path, key), faults)
        elif field.required:
            faults.append((joined(path, key), "is missing"))
            made[field.name] = MISSING
    if unknown or MISSING in made.values():
        return MISSING
    try:
        return struct(**made)
    except (SpikeportError, ValueError, TypeError) as error:
        faults.append((path, one_line(error)))
        return MISSING


def _items(value: list[Any], kind: Any, bounds: tuple[Any, ...], path: str, faults: Faults) -> Any:
    made = tuple(converted(each, kind, f"{path}[{index}]", faults) for index, each in enumerate(value))
    if bounds and _leaf([None] * len(made), Annotated[(tuple[Any, ...], *bounds)], path, faults) is MISSING:
        return MISSING
    return MISSING if MISSING in made else made


def _leaf(value: Any, kind: Any, path: str, faults: Faults) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        faults.append((path, _sentence(str(error), value, kind)))
    except (RecursionError, OverflowError) as error:
        faults.append((path, f"is nested too deeply or too large ({cut(one_line(error))})"))
    return MISSING


def _sentence(message: str, value: Any, kind: Any) -> str:
    """Turn msgspec's message into one that names the value, and the valid ones where they are few."""
    what, _, place = message.partition(" - at `$")
    valid = _literals(kind)
    words = [each for each in valid if isinstance(each, str)]
    if words and isinstance(value, str):
        return f"{_shown(value)}; expected {', '.join(words)}{nearest(value, words)}"
    if valid and not words:
        return f"{_shown(value)}; expected {', '.join(map(str, valid))}"
    where = f" at {place.rstrip('`')}" if place else ""
    return f"{what[0].lower()}{what[1:]}{where}, found {_shown(value)}"


def _literals(kind: Any) -> list[Any]:
    if isinstance(kind, str | int):
        return [kind]
    return [value for part in get_args(_bare(kind)[0]) for value in _literals(part)]


def _shown(value: Any) -> str:
    try:
        return cut(repr(value))
    except (RecursionError, ValueError):  # nested deeply, or a whole number of thousands of digits
        return f"a {type(value).__name__}"
