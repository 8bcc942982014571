"""Recipes written as TOML are read as they were."""

import tomllib
from hypothesis import given
from hypothesis import strategies as st

from spikeport.toolchain.recipes.reader import embedded, embedded_names, plain, recipe_of
from spikeport.toolchain.recipes.toml_text import toml_text

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
leaves = st.one_of(st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False), texts)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
tables = st.dictionaries(texts, values, max_size=4)


@given(tables, st.lists(tables, min_size=1, max_size=3))
def test_any_table_comes_back(table, blocks):
    table = {**table, "stages": blocks}
    assert tomllib.loads(toml_text(table)) == table


def test_what_is_none_is_left_out():
    assert tomllib.loads(toml_text({"a": None, "b": {"c": None, "d": 1}})) == {"b": {"d": 1}}


def test_embedded_recipes_come_back():
    for name in embedded_names():
        recipe = embedded(name)
        assert recipe_of(tomllib.loads(toml_text(plain(recipe))), name) == recipe
