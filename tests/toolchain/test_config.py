"""Recipes: what is wrong is named with file, table and key."""

import pytest

from spikeport.export.errors import RecipeError
from spikeport.toolchain.config import RECIPE_DIR, embedded, read_recipe
from tests.toolchain.networks import RECIPE


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPE_DIR.glob("*.toml")))
def test_embedded_recipes_are_valid(name):
    recipe = embedded(name)
    assert recipe.network.steps == 8
    assert recipe.prune.sparsity == 0.9
    assert recipe.convert.threshold_scale == 0.3
    assert recipe.convert.percentile == 99.7
    assert recipe.finetune.beta == 2.0
    assert set(recipe.prune.methods) == {"lwm", "hydra"}
    assert recipe.pretrain.attack_steps == recipe.evaluate.attack_steps == 10


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 4", "stpes = 4", r"\[network\] has no key 'stpes'; it takes steps, plan, head"),
        ("[convert]", "[convrt]", r"has no key 'convrt'; it takes seed, threads, data, network"),
        ("steps = 4", 'steps = "4"', r"\[network.steps\] expected `int`, got `str`"),
        ("steps = 4", "steps = 0", r"\[network.steps\] expected `int` >= 1"),
        ("sparsity = 0.8", "sparsity = 1.0", r"\[prune.sparsity\] expected `float` < 1.0"),
        ("head = []", "", r"\[network\] lacks the key 'head'"),
        ('[4, "P", 6]', '[4, "M", 6]', r"\[network.plan\[1\]\] invalid enum value 'M'; expected 'P'"),
        ('use = "lwm"', 'methods = ["lwm"]', r"prune.use is 'hydra'; expected one of prune.methods"),
        ('use = "lwm"', 'use = "harp"', r"\[prune.use\] invalid enum value 'harp'; expected 'lwm', 'hydra'"),
        ("[network]", "[network", r"not a TOML file"),
        ("epochs = 1", "epochs = 1.5", r"\[pretrain.epochs\] expected `int`, got `float`"),
    ],
)
def test_fault_is_named_with_file_table_and_key(tmp_path, old, new, message):
    assert old in RECIPE
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace(old, new, 1))
    with pytest.raises(RecipeError, match=rf"recipe\.toml: .*{message}"):
        read_recipe(path)


def test_missing_recipe_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.toml: no such file"):
        read_recipe(tmp_path / "none.toml")
