"""``--set stages.dense.epochs=2``: other values for the keys of a recipe, given by their paths."""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import msgspec
import tomllib

from spikeport.export.errors import RecipeError, one_line
from spikeport.export.progress import announce
from spikeport.toolchain.stages.recipe import Recipe
from spikeport.toolchain.stages.stage import Stage
from spikeport.toolchain.tables import cut, keys_of, nearest, resolved

WORD = re.compile(r"[A-Za-z.~/][^\"'\n]*")
"""A value that needs no quotes: a word, or a path."""


def overridden(table: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Return a recipe's table with other values; each of ``settings`` is a path of keys, '=' and a value in TOML."""
    made = deepcopy(dict(table))
    for text in settings:
        path, equals, value = text.partition("=")
        if not equals or not path.strip():
            raise RecipeError(f"--set {cut(text)!r}: expected KEY=VALUE, as in stages.dense.epochs=2")
        put(made, path.strip(), value_of(path.strip(), value.strip()))
    return made


def value_of(path: str, text: str) -> Any:
    """Return a value written in TOML; a word or a path needs no quotes."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError) as error:
        if WORD.fullmatch(text):
            return text
        raise RecipeError(f"--set {path}: {cut(text)!r} is no value of TOML ({cut(one_line(error))})") from None
    if parsed.keys() != {"value"}:
        raise RecipeError(f"--set {path}: expected one value, found {cut(text)!r}")
    return parsed["value"]


def put(table: dict[str, Any], path: str, value: Any, *, quiet: bool = False) -> str:
    """Set the key at ``path`` in a recipe's table, and return its whole path.

    A stage is named by its name; a key that stands in one table further inside only may leave out what is between.
    """
    *parents, key = path.split(".")
    kind: type[msgspec.Struct] = Recipe
    here, place = table, ""
    for part in parents:
        here, kind, place = _inside(here, kind, part, place, path)
    if isinstance(here, _Stages):
        raise RecipeError(f"--set {path}: expected stages.NAME.KEY; there are {', '.join(here.names)}")
    if key in keys_of(kind):
        here[key] = value
        return f"{place}.{key}".lstrip(".")
    whole = _put_further_inside(here, kind, key, value, place, path)
    if not quiet:
        announce(f"--set {path}: sets {whole}")
    return whole


def _put_further_inside(
    here: dict[str, Any], kind: type[msgspec.Struct], key: str, value: Any, place: str, path: str
) -> str:
    places = list(_places(here, kind, key))
    if not places:
        known = ", ".join(keys_of(kind))
        raise RecipeError(
            f"--set {path}: {place or 'a recipe'} has no key {cut(key)!r}; expected {known}"
            f"{nearest(key, list(keys_of(kind)))}"
        )
    shown = [".".join(filter(None, (place, *parts, key))) for parts in places]
    if len(places) > 1:
        raise RecipeError(f"--set {path}: several keys are meant; expected one of {', '.join(shown)}")
    for part in places[0]:
        here, kind, _ = _inside(here, kind, part, "", path)
    here[key] = value
    return shown[0]


def _inside(
    here: dict[str, Any], kind: type[msgspec.Struct], part: str, place: str, path: str
) -> tuple[dict[str, Any], type[msgspec.Struct], str]:
    """Return the table ``part`` of a table, its type and its place."""
    if kind is Recipe and part == "stages":
        return _Stages(here.get("stages")), Recipe, "stages"
    if isinstance(here, _Stages):
        stage = here.named(part, path)
        return stage, _kind_of_stage(stage), f"stages.{part}"
    place = f"{place}.{part}".lstrip(".")
    if part not in keys_of(kind):
        raise RecipeError(
            f"--set {path}: no key {cut(place)!r}; expected {', '.join(keys_of(kind))}"
            f"{nearest(part, list(keys_of(kind)))}"
        )
    inner = _table(here, kind, part)
    found = resolved(keys_of(kind)[part], inner)
    if found is None:
        raise RecipeError(f"--set {path}: {place} is no table with a known kind; set {place} as a whole")
    return inner, found, place


class _Stages(dict[str, Any]):
    """The list of stages, seen by their names."""

    def __init__(self, stages: Any) -> None:
        super().__init__()
        self.stages = [each for each in stages if isinstance(each, dict)] if isinstance(stages, list) else []
        self.names = [str(each.get("name")) for each in self.stages]

    def named(self, name: str, path: str) -> dict[str, Any]:
        if name not in self.names:
            there = ", ".join(self.names)
            raise RecipeError(f"--set {path}: no stage {cut(name)!r}; there are {there}{nearest(name, self.names)}")
        return self.stages[self.names.index(name)]


def _kind_of_stage(stage: dict[str, Any]) -> type[msgspec.Struct]:
    found = resolved(Stage, stage)
    if found is None:
        raise RecipeError(f"stage {cut(stage.get('name'))!r}: {cut(stage.get('stage'))!r} is no kind of stage")
    return found


def _table(here: dict[str, Any], kind: type[msgspec.Struct], part: str) -> dict[str, Any]:
    """Return the table ``part`` of a table; where it is not written, its default, which then is."""
    if part not in here:
        field = next((each for each in msgspec.structs.fields(kind) if each.encode_name == part), None)
        default = field.default if field is not None else None
        here[part] = msgspec.to_builtins(default) if isinstance(default, msgspec.Struct) else {}
    inner = here[part]
    return inner if isinstance(inner, dict) else {}


def _places(here: Mapping[str, Any], kind: type[msgspec.Struct], key: str) -> Iterator[tuple[str, ...]]:
    """Yield the tables inside a table that take ``key``, each as a path of keys."""
    for name, type_ in keys_of(kind).items():
        inner = here.get(name) if name in here else _default(kind, name)
        if not isinstance(inner, Mapping):
            continue
        found = resolved(type_, inner)
        if found is None:
            continue
        if key in keys_of(found):
            yield (name,)
        yield from ((name, *rest) for rest in _places(inner, found, key))


def _default(kind: type[msgspec.Struct], key: str) -> Any:
    """Return the table that stands where a key is not written."""
    return _table({}, kind, key)
