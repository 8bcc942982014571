"""Recipes: what is wrong is named with file, table and key."""

import time

import pytest

from spikeport.export.errors import RecipeError
from spikeport.toolchain.config import RECIPE_DIR, embedded, read_recipe
from tests.toolchain.networks import RECIPE


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPE_DIR.glob("*.toml")))
def test_embedded_recipes_are_valid(name):
    recipe = embedded(name)
    assert recipe.steps == 8
    assert recipe.prune.sparsity == 0.9
    assert recipe.convert.threshold_scale == 0.3
    assert recipe.convert.percentile == 99.7
    assert recipe.finetune.beta == 2.0
    assert set(recipe.prune.methods) == {"lwm", "hydra"}
    assert recipe.pretrain.attack_steps == recipe.evaluate.attack_steps == 10


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("head = []", "haed = []", r"\[network\] has no key 'haed'; it takes plan, head"),
        ("[convert]", "[convrt]", r"has no key 'convrt'; it takes seed, threads, data, network, steps"),
        ("steps = 4", 'steps = "4"', r"\[steps\] expected `int`, got `str`"),
        ("steps = 4", "steps = 0", r"\[steps\] expected `int` >= 1"),
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


TEXTS = {
    "learning rate of 1e300": ("learning_rate = ", "learning_rate = 1e300 # ", "pretrain.learning_rate. expected"),
    "learning rate NaN": ("learning_rate = ", "learning_rate = nan # ", "pretrain.learning_rate. expected"),
    "learning rate infinite": ("learning_rate = ", "learning_rate = inf # ", "pretrain.learning_rate. expected"),
    "batch size of 10^18": ("[pretrain]", f"[pretrain]\nbatch_size = {10**18}", "pretrain.batch_size. expected .* <="),
    "steps of 10^9": ("steps = 4", "steps = 1000000000", "steps. expected .* <= 100000"),
    "steps beyond 64 bit": ("steps = 4", f"steps = {10**30}", "steps. "),
    "5,000 digits": ("steps = 4", f"steps = {'9' * 5000}", "not a TOML file .*digits"),
    "10^5 lists deep": ("steps = 4", f"steps = {'[' * 50_000}{']' * 50_000}", "nested too deeply"),
    "tables deep": ("steps = 4", f"steps = {'{a=' * 20_000}1{'}' * 20_000}", "nested too deeply"),
    "two equal keys": ("steps = 4", "steps = 4\nsteps = 4", "not a TOML file .*overwrite"),
    "escape sequence in a key": ("steps = 4", '"a\\u001b[31m\\n" = 4', r"has no key 'a\\x1b\[31m\\n'; it takes seed"),
    "long key": ("steps = 4", f"{'k' * 100_000} = 4", "has no key 'kkk"),
    "no text": ("steps = 4", "\udcff", "not a TOML file"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_recipe_is_refused_in_seconds(tmp_path, name):
    old, new, message = TEXTS[name]
    assert old in RECIPE
    path = tmp_path / "recipe.toml"
    path.write_bytes(RECIPE.replace(old, new, 1).encode("utf-8", "surrogateescape"))
    start = time.monotonic()
    with pytest.raises(RecipeError, match=rf"recipe\.toml: .*{message}") as found:
        read_recipe(path)
    assert time.monotonic() - start < 5
    assert str(found.value).isprintable()
    assert len(str(found.value)) <= 1000


@pytest.mark.parametrize("key", ["a", '"a b"', "'a.b'"])
def test_key_of_many_parts_is_refused_in_seconds(tmp_path, key):
    path = tmp_path / "recipe.toml"
    path.write_text(f"[{'.'.join([key] * 15_000)}]\n{RECIPE}")
    start = time.monotonic()
    with pytest.raises(RecipeError, match=r"recipe\.toml: .*a line holds more than 2,000 dots"):
        read_recipe(path)
    assert time.monotonic() - start < 2
