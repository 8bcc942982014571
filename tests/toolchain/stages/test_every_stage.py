"""What every file of the folder keeps: its name is its tag, and what it says beforehand is what it does."""

import inspect

import msgspec
import pytest

from spikeport.export.errors import RecipeError
from spikeport.toolchain.choices import kinds, tag_of
from spikeport.toolchain.recipes.reader import read_recipe
from spikeport.toolchain.runs.planning import settings_of
from spikeport.toolchain.stages import records
from spikeport.toolchain.stages.outlines import available, source_of
from spikeport.toolchain.stages.stage import Stage

KINDS = kinds(Stage)


def made_before(recipe):
    """Return what goes into every stage of a recipe, by its name."""
    made, before = {}, {}
    for index, stage in enumerate(recipe.stages):
        source = source_of(recipe.stages, index)
        before[stage.name] = {} if source is None else made[source]
        made[stage.name] = available(stage, before[stage.name])
    return before


def test_the_tiny_recipe_has_every_kind_of_stage(recipe):
    assert {tag_of(stage) for stage in read_recipe(recipe).stages} == set(KINDS)


@pytest.mark.parametrize("tag", KINDS)
def test_the_tag_is_the_files_name_and_the_class_says_what_it_does(tag):
    kind = KINDS[tag]
    assert kind.__module__.rpartition(".")[2] == tag
    assert inspect.getdoc(kind).splitlines()[0].endswith((".", ",", "from"))
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.forbid_unknown_fields


@pytest.mark.parametrize("tag", KINDS)
def test_what_a_stage_says_it_makes_is_what_its_record_holds(recipe, tiny_run, tag):
    read = read_recipe(recipe)
    before = made_before(read)
    for stage in read.stages:
        if tag_of(stage) == tag:
            record = records.read(tiny_run / stage.name)
            assert set(stage.outline(before[stage.name])) == set(record.outputs)
            assert set(record.inputs) <= set(before[stage.name]) | {"images", "records"}
            assert record.settings == settings_of(read, stage)


@pytest.mark.parametrize("tag", sorted(set(KINDS) - {"train"}))
def test_a_stage_without_its_input_says_what_is_missing(recipe, tag):
    stage = next(stage for stage in read_recipe(recipe).stages if tag_of(stage) == tag)
    with pytest.raises(RecipeError, match=r"needs a .*, which no stage before it makes"):
        stage.outline({})


@pytest.mark.parametrize("tag", KINDS)
def test_a_stage_uses_keys_that_recipes_have(recipe, tag):
    read = read_recipe(recipe)
    for path in KINDS[tag].USES:
        value = read
        for key in path.split("."):
            value = getattr(value, key)


def test_a_title_and_a_name_do_not_make_a_stage_run_again(recipe):
    read = read_recipe(recipe)
    stage = read.stages[0]
    other = msgspec.structs.replace(stage, title="another", name="other")
    assert settings_of(msgspec.structs.replace(read, stages=(other,)), other) == settings_of(read, stage)
