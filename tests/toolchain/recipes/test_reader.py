"""Recipes: what is wrong is named with the file and the path of its key, everything at once."""

import time

import pytest

from spikeport.export.errors import RecipeError
from spikeport.toolchain.choices import kinds
from spikeport.toolchain.pruning.pruner import Pruner
from spikeport.toolchain.recipes.reader import (
    RECIPE_DIR,
    embedded,
    embedded_names,
    found,
    none_given,
    plain,
    read_recipe,
    recipe_of,
)
from tests.toolchain.networks import RECIPE


def faults_of(text, tmp_path):
    """Return every fault of a recipe."""
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"recipe\.toml: ") as found:
        read_recipe(path)
    lines = found.value.lines
    return list(lines[1:]) if len(lines) > 1 else [lines[0].removeprefix(f"{path}: ")]


@pytest.mark.parametrize("name", embedded_names())
def test_embedded_recipes_are_valid_and_short(name):
    recipe = embedded(name)
    assert recipe.stages[-1].__struct_config__.tag == "report"
    text = (RECIPE_DIR / f"{name}.toml").read_text()
    assert text.startswith("# ")
    assert len(text.splitlines()) < 100


def test_a_recipe_is_found_by_path_or_by_name(tmp_path):
    assert found("digits") == RECIPE_DIR / "digits.toml"
    assert found(tmp_path / "mine.toml") == tmp_path / "mine.toml"
    with pytest.raises(
        RecipeError, match=r"no recipe 'digts'; expected a \.toml file or .*digits.*; did you mean 'digits'"
    ):
        found("digts")
    listed = " ".join(none_given().lines)
    assert all(name in listed for name in embedded_names())


def test_what_is_read_is_what_is_written(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    recipe = read_recipe(path)
    assert recipe_of(plain(recipe), "again") == recipe
    assert [stage.name for stage in recipe.stages][:3] == ["dense", "hydra", "lwm"]


FAULTS = {
    "unknown key": (
        "head = []",
        "haed = []",
        ["network.haed: is no key; expected plan, head; did you mean 'head'?", "network.head: is missing"],
    ),
    "unknown table": (
        "spiking = {",
        "spikin = {",
        ["spikin: is no key; expected version, seed, threads, data, network, spiking, evaluate, "],
    ),
    "wrong type": ("steps = 4", 'steps = "4"', ["spiking.steps: expected `int`, got `str`, found '4'"]),
    "negative noise": (
        "steps = 4",
        "steps = 4, noise = -0.1",
        ["spiking.noise: expected `float` >= 0.0, found -0.1"],
    ),
    "guarding an ann": (
        '"trades", epsilon = 8, attack = { kind = "pgd", steps = 1 } }',
        '"threshold_guarding", task = { kind = "trades" } }',
        ["stages[0]: 'dense' objective 'threshold_guarding' needs potentials, and an ANN has none; use kind = "],
    ),
    "guarding itself": (
        '"trades", epsilon = 8, attack = { kind = "pgd", steps = 1 } }',
        '"threshold_guarding", task = { kind = "threshold_guarding" } }',
        ["stages[0].objective: threshold_guarding: its task is threshold_guarding, too; name the objective to guard"],
    ),
    "no margin": (
        '"trades", epsilon = 8, attack = { kind = "pgd", steps = 1 } }',
        '"threshold_guarding", margin = 0 }',
        ["stages[0].objective.margin: expected `float` > 0.0, found 0"],
    ),
    "negative lambda": (
        '"trades", epsilon = 8, attack = { kind = "pgd", steps = 1 } }',
        '"threshold_guarding", weight = -1.0 }',
        ["stages[0].objective.weight: expected `float` >= 0.0, found -1.0"],
    ),
    "too small": ("steps = 4", "steps = 0", ["spiking.steps: expected `int` >= 1, found 0"]),
    "too large": ("sparsity = 0.8", "sparsity = 1.0", ["stages[1].sparsity: expected `float` < 1.0, found 1.0"]),
    "unknown choice": (
        '"hydra" }',
        '"hdra" }',
        [f"stages[1].pruner.kind: 'hdra'; expected {', '.join(kinds(Pruner))}; did you mean 'hydra'?"],
    ),
    "no kind": ('kind = "pgd", steps = 2', "steps = 2", ["evaluate.attack.kind: is missing; expected "]),
    "unknown stage": ('stage = "check"', 'stage = "chek"', ["stages[9].stage: 'chek'; expected attack, check, "]),
    "stage without a name": ('name = "check"\n', "", ["stages[9].name: is missing"]),
    "no table": ('pruner = { kind = "lwm" }', 'pruner = "lwm"', ["stages[2].pruner: expected a table, got 'lwm'"]),
    "wrong item": ('[4, "P", 6]', '[4, "X", 6]', ["network.plan[1]: 'X'; expected P, M"]),
    "wrong word": ('name = "hydra"', 'name = "Hydra!"', ["stages[1].name: expected `str` matching regex"]),
    "no version": ("version = 2", "", ["version: is missing; expected version = 2"]),
    "another version": ("version = 2", "version = 7", ["version is 7; expected 2, which this spikeport reads"]),
    "two of a name": ('name = "lwm"', 'name = "hydra"', ["stages[2].name: 'hydra' is the name of stages[1], too"]),
    "from later": ('from = "dense"', 'from = "convert"', ["stages[2].from: 'convert' comes later; stages before it: "]),
    "from nowhere": (
        'from = "dense"',
        'from = "dens"',
        ["stages[2].from: 'dens' is no stage; stages before it: dense, "],
    ),
    "no input": (
        'stage = "quantize"\nname = "quantize"',
        'stage = "lower"\nname = "quantize"',
        ["stages[8]: 'export' needs a network, which no stage before it makes ("],
    ),
    "ann to lower": (
        'name = "lower"',
        'name = "lower"\nfrom = "sparse"',
        ["stages[6]: 'lower' needs a model (snn), found one of ann; put a stage 'convert'"],
    ),
    "no such executor": (
        '"onnx", "nir"',
        '"onnx", "tpu"',
        ["stages[9].executors[1]: no executor 'tpu' for integer networks; there are "],
    ),
    "nothing to compare": ('["onnx", "nir"]', '["fast"]', ["stages[9].executors: names nothing to compare with fast"]),
    "no such profile": (
        'stage = "report"',
        'stage = "report"\nprofiles = ["loihi9"]',
        ["stages[11].profiles[0]: no profile 'loihi9'; there are "],
    ),
    "no such chip": (
        'stage = "quantize"',
        'stage = "quantize"\ntarget = ["loihi9"]',
        ["stages[7].target[0]: no profile 'loihi9'; there are "],
    ),
    "no such format": (
        'stage = "export"',
        'stage = "export"\nformats = ["pth"]',
        ["stages[8].formats[0]: no format 'pth'"],
    ),
    "no stages": (RECIPE[RECIPE.index("[[stages]]") :], "stages = []", ["stages: expected `array` of length >= 1"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_named_with_file_and_path(tmp_path, name):
    old, new, expected = FAULTS[name]
    assert old in RECIPE
    found = faults_of(RECIPE.replace(old, new, 1), tmp_path)
    assert len(found) == len(expected), found
    for fault, start in zip(found, expected, strict=True):
        assert fault.startswith(start), fault


def test_all_faults_come_at_once(tmp_path):
    single = ["wrong type", "too large", "unknown choice", "no table", "wrong item", "unknown stage"]
    text = RECIPE
    for name in single:
        old, new, _ = FAULTS[name]
        assert old in text
        text = text.replace(old, new, 1)
    found = faults_of(text, tmp_path)
    assert sorted(fault.split(":")[0] for fault in found) == sorted(FAULTS[name][2][0].split(":")[0] for name in single)


def test_the_sentence_of_several_faults_names_the_first(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace("steps = 4", 'steps = "4"').replace("sparsity = 0.8", "sparsity = 2"))
    with pytest.raises(RecipeError, match=r"3 faults: spiking\.steps: expected .*; stages\[1\]\.sparsity: expected "):
        read_recipe(path)


def test_missing_recipe_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.toml: no such file"):
        read_recipe(tmp_path / "none.toml")


RATE = "training = { epochs = 1, learning_rate = 0.1 }"
TEXTS = {
    "learning rate of 1e300": (RATE, RATE.replace("0.1", "1e300"), "stages.0..training.learning_rate: expected"),
    "learning rate NaN": (RATE, RATE.replace("0.1", "nan"), "stages.0..training.learning_rate: expected"),
    "learning rate infinite": (RATE, RATE.replace("0.1", "inf"), "stages.0..training.learning_rate: expected"),
    "steps of 10^9": ("steps = 4", "steps = 1000000000", "spiking.steps: expected .* <= 100000"),
    "steps beyond 64 bit": ("steps = 4", f"steps = {10**30}", "spiking.steps: "),
    "5,000 digits": ("steps = 4", f"steps = {'9' * 5000}", "not a TOML file .*digits"),
    "10^5 lists deep": ("steps = 4", f"steps = {'[' * 50_000}{']' * 50_000}", "nested too deeply"),
    "tables deep": ("steps = 4", f"steps = {'{a=' * 20_000}1{'}' * 20_000}", "nested too deeply"),
    "tables of attacks deep": (
        'attack = { kind = "pgd", steps = 2 }',
        "attack = " + '{ kind = "pgd", objective = ' * 80 + "1" + " }" * 80,
        "evaluate.attack.objective.kind: ",
    ),
    "two equal keys": ("steps = 4", "steps = 4, steps = 4", "not a TOML file"),
    "escape sequence in a key": ("version = 2", 'version = 2\n"a\\u001b[31m\\n" = 4', r"a\\x1b\[31m\\n: is no key"),
    "long key": ("version = 2", f"version = 2\n{'k' * 100_000} = 4", "kkk.*: is no key"),
    "no text": ("version = 2", "\udcff", "not a TOML file"),
    "a thousand stages of one name": (
        "[[stages]]",
        '[[stages]]\nstage = "lower"\nname = "x"\n' * 900 + "[[stages]]",
        "faults",
    ),
    "a path that names nothing": ('kind = "digits"', 'kind = "../../etc/passwd"', "data.kind: .*expected "),
}


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_recipe_is_refused_in_seconds(tmp_path, name):
    old, new, message = TEXTS[name]
    assert old in RECIPE
    path = tmp_path / "recipe.toml"
    path.write_bytes(RECIPE.replace(old, new, 1).encode("utf-8", "surrogateescape"))
    start = time.process_time()
    with pytest.raises(RecipeError, match=rf"recipe\.toml: .*{message}") as found:
        read_recipe(path)
    assert time.process_time() - start < 5
    assert str(found.value).isprintable()
    assert len(str(found.value)) <= 1000


@pytest.mark.parametrize("key", ["a", '"a b"', "'a.b'"])
def test_key_of_many_parts_is_refused_in_seconds(tmp_path, key):
    path = tmp_path / "recipe.toml"
    path.write_text(f"[{'.'.join([key] * 15_000)}]\n{RECIPE}")
    start = time.process_time()
    with pytest.raises(RecipeError, match=r"recipe\.toml: .*a line holds more than 2,000 dots"):
        read_recipe(path)
    assert time.process_time() - start < 2


def test_noise_that_no_training_draws_is_refused(tmp_path):
    """Stages up to the conversion train ANNs alone."""
    noisy = RECIPE.replace("steps = 4", "steps = 4, noise = 0.2", 1)
    (found,) = faults_of(noisy[: noisy.index('[[stages]]\nstage = "train"\nname = "finetune"')], tmp_path)
    assert found == (
        "spiking.noise: is 0.2, and no stage trains a spiking network: neurons are noisy in training alone, evaluation "
        "and executors are deterministic; set 0, or add a stage 'train' of an SNN"
    )
    path = tmp_path / "whole.toml"
    path.write_text(noisy, encoding="utf-8")
    assert read_recipe(path).spiking.noise == 0.2
