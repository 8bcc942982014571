"""Recipes of the first form become recipes of today's with the same networks and settings."""

from pathlib import Path

import msgspec
import pytest
import tomllib

import spikeport
from spikeport.export.errors import RecipeError
from spikeport.toolchain.recipes.reader import read_recipe, read_table, recipe_of
from spikeport.toolchain.recipes.toml_text import toml_text
from spikeport.toolchain.recipes.upgrade import is_old, upgraded

OLD = Path(__file__).parent / "before" / "digits.toml"
TEXT = OLD.read_text()


def test_the_old_demo_is_the_same_in_the_second_form_but_for_the_random_step_of_its_attack():
    """Its RFGSM took a quarter of epsilon at random; today's default is half, as in the authors' scripts."""
    old, new = read_recipe(OLD), read_recipe(OLD.with_name("digits_as_version_2.toml"))
    ours = msgspec.structs.asdict(old)
    stages = [msgspec.structs.replace(stage, title=None) for stage in old.stages]
    alpha = {stage.name: getattr(getattr(stage, "objective", None), "attack", None) for stage in old.stages}
    assert alpha["finetune"].alpha == 0.25
    expected = [msgspec.structs.replace(stage, title=None) for stage in new.stages]
    for mine, theirs in zip(stages, expected, strict=True):
        if mine.name == "finetune":
            objective = msgspec.structs.replace(mine.objective, attack=theirs.objective.attack)
            assert msgspec.structs.replace(mine, objective=objective) == theirs
        else:
            assert mine == theirs
    for key in ("seed", "threads", "data", "network", "spiking", "evaluate"):
        assert ours[key] == getattr(new, key)


def test_that_a_recipe_is_upgraded_is_said_and_how_to_write_it_anew():
    table, remark = read_table(OLD)
    assert table["version"] == 2
    assert "a recipe of the first form, read as version 2; spikeport run " in remark
    assert "--dry-run --write NEW.toml writes it anew" in remark


def test_written_anew_it_is_the_same_recipe(tmp_path, capsys):
    spikeport.forecast(OLD, tmp_path / "out", write=tmp_path / "new.toml", to="dense")
    assert "read as version 2" in capsys.readouterr().err
    table, remark = read_table(tmp_path / "new.toml")
    assert remark is None
    assert recipe_of(table, "new") == read_recipe(OLD)
    assert not (tmp_path / "out").exists()


MORE = {
    "tuned integers": ("[evaluate]", "[tune_integers]\nepochs = 1\nlearning_rate = 0.02\nepsilon = 8\n[evaluate]"),
    "one method": ('methods = ["lwm", "hydra"]\nuse = "hydra"', 'methods = ["lwm"]\nuse = "lwm"'),
    "the first method": ('use = "hydra"', 'use = "lwm"'),
    "shifted": ("learning_rate = ", "shift = 2\nlearning_rate = "),
    "version 1": ("seed = 0", "version = 1\nseed = 0"),
}


@pytest.mark.parametrize("name", MORE)
def test_every_old_option_has_a_place(name, tmp_path):
    old, new = MORE[name]
    assert old in TEXT
    path = tmp_path / "old.toml"
    path.write_text(TEXT.replace(old, new))
    recipe = read_recipe(path)
    stages = {stage.name: stage for stage in recipe.stages}
    if name == "tuned integers":
        assert (stages["tune_integers"].weight_bits, stages["tune_integers"].training.epochs) == (8, 1)
    elif name == "one method":
        assert not {"hydra", "sparse_hydra"} & stages.keys()
        assert [stage.name for stage in recipe.stages][:4] == ["dense", "lwm", "sparse_lwm", "convert"]
    elif name == "the first method":
        assert stages["convert"].from_ == "sparse_lwm"
    elif name == "shifted":
        assert recipe.data.augment.crop == 2


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 20", "epochs = 1.5", r"pretrain\.epochs: expected `int`, got `float`, found 1\.5"),
        ("head = [64]", "haed = [64]", r"network\.haed: is no key; expected plan, head"),
        ('use = "hydra"', 'use = "harp"', r"prune\.use: 'harp'; expected lwm, hydra"),
        ('methods = ["lwm", "hydra"]', 'methods = ["lwm"]', r"prune\.use: 'hydra' is not one of prune\.methods"),
        (
            "epochs = 20",
            "epochs = 20\nshift = 1",
            r"different values of shift; expected one, which data\.augment takes",
        ),
    ],
)
def test_a_fault_has_the_path_of_the_old_form(tmp_path, old, new, message):
    path = tmp_path / "old.toml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(RecipeError, match=rf"old\.toml: .*{message}"):
        read_recipe(path)


def test_only_the_first_form_is_upgraded():
    assert is_old(tomllib.loads(TEXT))
    assert is_old({"version": 1})
    for table in (
        {},
        {"version": 2},
        {"version": 3, "pretrain": {}},
        {"pretrain": {}, "stages": []},
        {"version": True},
    ):
        assert not is_old(table)
    assert tomllib.loads(toml_text(upgraded(tomllib.loads(TEXT), OLD)))["stages"][0]["name"] == "dense"
