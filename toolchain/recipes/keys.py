"""Every key of a recipe as tables in Markdown, from the types: docs/recipes.md holds them, and a test compares."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from spikeport.toolchain.analysis.settings import Checks
from spikeport.toolchain.choices import Choice, kinds
from spikeport.toolchain.data.extra import Extra
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.stages.recipe import Evaluate, Recipe
from spikeport.toolchain.stages.stage import Stage
from spikeport.toolchain.tables import base_choices
from spikeport.toolchain.training.settings import Training

COMMON = ("name", "from", "title")
"""Keys that every stage has."""
NAMES: dict[type, str] = {int: "whole number", float: "number", str: "text", bool: "true or false"}
START, END = "<!-- keys: python -m spikeport.toolchain.recipes.keys docs/recipes.md -->", "<!-- end of keys -->"
"""What the tables stand between in docs/recipes.md; the first line says how they are written anew."""


def tables() -> str:
    """Return a table for the recipe, for every kind of stage, and for every folder of choices that they use."""
    parts = [
        _section("A recipe", Recipe),
        _section("`data.extra`", Extra),
        _section("`evaluate`", Evaluate),
        _section("`spiking`", Spiking),
        _section("`training`", Training),
        _section("`obfuscation` of a stage of attack", Checks),
    ]
    parts += [_section(f'`stage = "{tag}"`', kind, without=COMMON) for tag, kind in kinds(Stage).items()]
    for base in base_choices(Recipe, Stage):
        parts += [_section(f'{words(base)} `"{tag}"`', kind) for tag, kind in kinds(base).items()]
    return "\n".join(parts)


def _section(title: str, struct: type[msgspec.Struct], without: tuple[str, ...] = ()) -> str:
    rows = [row for row in _rows(struct) if row[0].strip("`") not in without]
    lines = [f"### {title}", "", first_sentence(struct), ""]
    if rows:
        lines += ["| key | value | default |", "| --- | --- | --- |"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _rows(struct: type[msgspec.Struct]) -> Iterator[tuple[str, str, str]]:
    for field in msgspec.structs.fields(struct):
        yield f"`{field.encode_name}`", shown(field.type), _default(field)


def first_sentence(struct: type[msgspec.Struct]) -> str:
    """Return the first paragraph of a docstring on one line."""
    text = (struct.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(text.split())


def _default(field: Any) -> str:
    if field.required:
        return "required"
    if field.default is None:
        return ""
    if field.default is msgspec.NODEFAULT:
        return ""
    if isinstance(field.default, msgspec.Struct):
        kind = field.default.__struct_config__.tag
        return f'`kind = "{kind}"`' if isinstance(field.default, Choice) else "its defaults"
    return f"`{msgspec.json.encode(field.default).decode()}`"


def shown(kind: Any) -> str:
    """Return a type in words, with its range."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return f"{shown(kind.__origin__)}{_range(kind.__metadata__)}"
    if origin in (Union, UnionType):
        return " or ".join(shown(part) for part in parts if part is not NoneType)
    if origin is Literal:
        return ", ".join(f"`{msgspec.json.encode(value).decode()}`" for value in parts)
    if origin is tuple:
        return f"list of {shown(parts[0])}" if parts[-1] is Ellipsis else f"list of {len(parts)}"
    return _of_class(kind if isinstance(kind, type) else origin)


def _of_class(kind: Any) -> str:
    """Return a class in words."""
    if issubclass(kind, Choice):
        return f"{words(kind)} (`kind`)"
    if issubclass(kind, msgspec.Struct | dict):
        return "table"
    return NAMES.get(kind, "any value")


def words(base: type[Choice]) -> str:
    """Return the name of a base class in words: data source."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", base.__name__).lower()


def _range(bounds: tuple[Any, ...]) -> str:
    """Return the limits of numbers, as far as they are stated."""
    found = []
    for bound in bounds:
        for name, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<")):
            value = getattr(bound, name, None)
            if value is not None:
                found.append(f"{sign} {value:g}" if isinstance(value, float) else f"{sign} {value}")
    return f" {', '.join(found)}" if found else ""


def with_tables(page: str) -> str:
    """Return a page of the manual with today's tables between its marks."""
    before, _, rest = page.partition(START)
    return f"{before}{START}\n\n{tables()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
