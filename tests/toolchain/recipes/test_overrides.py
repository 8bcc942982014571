"""Values from the command line: the path names the key, nothing is set elsewhere."""

import pytest
import tomllib

from spikeport.export.errors import RecipeError
from spikeport.toolchain.recipes.overrides import overridden, put, value_of
from tests.toolchain.networks import RECIPE

TABLE = tomllib.loads(RECIPE)


def stage(table, name):
    return next(each for each in table["stages"] if each["name"] == name)


@pytest.mark.parametrize(
    ("setting", "look", "expected"),
    [
        ("seed=3", lambda t: t["seed"], 3),
        ("stages.dense.training.epochs=2", lambda t: stage(t, "dense")["training"]["epochs"], 2),
        ("stages.dense.epochs=2", lambda t: stage(t, "dense")["training"]["epochs"], 2),
        ("stages.finetune.objective.beta = 3.5", lambda t: stage(t, "finetune")["objective"]["beta"], 3.5),
        ("network.plan=[2, 'P']", lambda t: t["network"]["plan"], [2, "P"]),
        ("stages.hydra.pruner={kind='lwm'}", lambda t: stage(t, "hydra")["pruner"], {"kind": "lwm"}),
        ("stages.hydra.pruner.kind=lwm", lambda t: stage(t, "hydra")["pruner"]["kind"], "lwm"),
        ("evaluate.attack.steps=7", lambda t: t["evaluate"]["attack"]["steps"], 7),
        (
            "spiking.surrogate.width=2.0",
            lambda t: t["spiking"]["surrogate"],
            {"kind": "piecewise_linear", "width": 2.0},
        ),
        ("stages.convert.batches=1", lambda t: stage(t, "convert")["batches"], 1),
    ],
)
def test_a_value_is_set_where_its_path_says(setting, look, expected):
    assert look(overridden(TABLE, [setting])) == expected


def test_the_recipe_itself_stays_as_it_was():
    overridden(TABLE, ["stages.dense.epochs=2", "spiking.steps=1"])
    assert tomllib.loads(RECIPE) == TABLE


def test_a_key_further_inside_is_said_by_its_whole_path(capsys):
    assert put(tomllib.loads(RECIPE), "stages.dense.epochs", 2) == "stages.dense.training.epochs"
    assert capsys.readouterr().err == "--set stages.dense.epochs: sets stages.dense.training.epochs\n"
    put(tomllib.loads(RECIPE), "stages.dense.training.epochs", 2)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("stages.dense", "expected KEY=VALUE"),
        ("stages.dense=3", "expected stages.NAME.KEY; there are dense, "),
        ("stages.seed=3", "expected stages.NAME.KEY; there are dense, "),
        ("epochs", "expected KEY=VALUE, as in stages.dense.epochs=2"),
        ("=3", "expected KEY=VALUE"),
        ("sed=3", "a recipe has no key 'sed'; expected version, seed, .*; did you mean 'seed'"),
        ("stages.dens.epochs=2", "no stage 'dens'; there are dense, .*; did you mean 'dense'"),
        ("stages.dense.epoch=2", "stages.dense has no key 'epoch'; expected stage, name, "),
        ("stages.dense.kind=x", "several keys are meant; expected one of stages.dense.objective.kind, "),
        ("spikin.steps=2", "no key 'spikin'; expected version, .*; did you mean 'spiking'"),
        ("seed.x=2", "seed is no table with a known kind; set seed as a whole"),
        ("seed=1\nthreads=2", "expected one value"),
        ("seed=[1", r"'\[1' is no value of TOML"),
        (f"seed={'[' * 100_000}", "is no value of TOML"),
    ],
)
def test_what_names_no_key_is_refused(setting, message):
    with pytest.raises(RecipeError, match=message):
        overridden(TABLE, [setting])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2", 2), ("0.5", 0.5), ("true", True), ('"a b"', "a b"), ("hydra", "hydra"), ("data/my.npz", "data/my.npz")],
)
def test_values_are_tomls_and_a_word_needs_no_quotes(text, expected):
    assert value_of("key", text) == expected
