"""The combinations of a matrix: a recipe each, with a name, and which of them share stages."""

import itertools
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import prod
from typing import Any

from spikeport.export.errors import RecipeError
from spikeport.toolchain.recipes.overrides import put
from spikeport.toolchain.recipes.reader import plain, recipe_of
from spikeport.toolchain.runs.planning import settings_of
from spikeport.toolchain.stages.inside import models_of
from spikeport.toolchain.stages.outlines import source_of
from spikeport.toolchain.stages.recipe import Recipe
from spikeport.toolchain.stages.records import digest_of_values, seed_of

MOST = 1000
"""Combinations of a matrix."""
VARIANT, NAME = "variant", "name"


@dataclass(frozen=True, kw_only=True)
class Combination:
    """One recipe of a matrix: its ``values`` by the matrix's keys, as ``texts`` too, and a ``name`` that is a folder's.

    A key of several paths, separated by commas, gives its value to each of them. The key ``variant`` has tables: a
    ``name``, and values by their paths.
    """

    name: str
    values: dict[str, Any]
    texts: dict[str, str]
    recipe: Recipe


def combinations(recipe: Recipe) -> list[Combination]:
    """Return every combination in the order of the matrix; `RecipeError` names those that are no recipe."""
    count = prod(len(values) for values in recipe.matrix.values())
    if count > MOST:
        raise RecipeError(f"matrix: has {count:,} combinations; expected {MOST:,} at most")
    chosen = [dict(zip(recipe.matrix, values, strict=True)) for values in itertools.product(*recipe.matrix.values())]
    texts = [
        dict(zip(recipe.matrix, each, strict=True))
        for each in itertools.product(*(texts_of(values) for values in recipe.matrix.values()))
    ]
    names = [name_of(each) for each in texts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecipeError(f"matrix: two combinations are both called {twice[0]!r}; expected values that differ")
    made, faults = [], []
    for name, values, each in zip(names, chosen, texts, strict=True):
        try:
            made.append(Combination(name=name, values=values, texts=each, recipe=_with(recipe, values)))
        except RecipeError as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise RecipeError(f"matrix: {len(faults)} of {count} combinations are no recipes", faults[:20])
    return made


def _with(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    table = plain(recipe) | {"matrix": {}}
    for key, value in values.items():
        for path, each in _settings(key, value):
            put(table, path, deepcopy(each), quiet=True)
    return recipe_of(table, "matrix")


def _settings(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the paths that a value of the matrix sets, with what it sets them to."""
    if key != VARIANT:
        yield from ((path.strip(), value) for path in key.split(","))
        return
    if not isinstance(value, dict) or not isinstance(value.get(NAME), str) or len(value) < 2:
        raise RecipeError(
            f"{VARIANT} holds {value!r}; expected a table with a {NAME} and values by their paths, as "
            f'{{ {NAME} = "longer", "stages.dense.training.epochs" = 20 }}'
        )
    yield from ((path, each) for path, each in value.items() if path != NAME)


def name_of(texts: dict[str, str]) -> str:
    """Return a folder's name: the last word of each key with its value's text."""
    return ",".join(f"{short(key, list(texts))}={text}" for key, text in texts.items())


def texts_of(values: Sequence[Any]) -> list[str]:
    """Return the values of a key as parts of a file's name; of tables that share a kind, what they differ in."""
    texts = [value_text(value) for value in values]
    if len(set(texts)) == len(texts) or not all(isinstance(value, dict) for value in values):
        return texts
    every = list(dict.fromkeys(key for value in values for key in value))
    differ = [key for key in every if any(value.get(key) != values[0].get(key) for value in values)]
    return [value_text(_differing(value, differ)) for value in values]


def _differing(value: dict[str, Any], differ: Sequence[str]) -> str:
    """Return what a table has of the keys in which several differ, its kind first where kinds differ, too."""
    if "kind" not in differ:
        return "-".join(f"{key}={value.get(key, 'default')}" for key in differ)
    return "-".join(
        [str(value.get("kind")), *(f"{key}={value[key]}" for key in differ if key in value and key != "kind")]
    )


def short(key: str, keys: Sequence[str]) -> str:
    """Return the last word of a key, with more of it where another key has the same."""
    words = key.split(".")
    last = [each.split(".")[-1] for each in keys]
    return words[-1] if last.count(words[-1]) == 1 else "-".join(words[-2:])


def value_text(value: Any) -> str:
    """Return a value as part of a file's name."""
    if isinstance(value, dict):
        value = value.get("kind", value.get(NAME, "-".join(f"{key}={each}" for key, each in value.items())))
    if isinstance(value, list | tuple):
        value = "-".join(map(str, value))
    return re.sub(r"[^A-Za-z0-9._=+-]+", "-", str(value))[:60]


def owners(recipes: Sequence[Recipe]) -> list[list[int]]:
    """Return for every recipe and stage the number of the first recipe that has the same stage with the same inputs."""
    first: dict[str, int] = {}
    return [[first.setdefault(key, number) for key in _keys(recipe)] for number, recipe in enumerate(recipes)]


def _keys(recipe: Recipe) -> list[str]:
    """Return what each stage's outcome follows from: its settings, name and seed, the data's, and all that goes in."""
    keys: list[str] = []
    names = [stage.name for stage in recipe.stages]
    data = [recipe.seed, plain(recipe)["data"]]
    for index, stage in enumerate(recipe.stages):
        before = source_of(recipe.stages, index)
        seen = keys[:] if stage.SEES_RECORDS else [] if before is None else [keys[names.index(before)]]
        seen += [] if stage.SEES_RECORDS else [keys[names.index(name)] for _, name in models_of(stage)]
        titles = [each.title for each in recipe.stages] if stage.SEES_RECORDS else []
        own = [stage.name, seed_of(recipe.seed, stage.name), settings_of(recipe, stage)]
        keys.append(digest_of_values([own, data, seen, titles]))
    return keys
