"""The recipes of examples/recipes: each can be read, holds the rows of its table, and runs, made small, to its end."""

import copy
from pathlib import Path

import numpy as np
import pytest

from spikeport.toolchain.recipes.reader import plain, read_recipe, recipe_of
from spikeport.toolchain.runs.combinations import combinations
from spikeport.toolchain.runs.pipeline import execute
from spikeport.toolchain.runs.planning import plan_of

FOLDER = Path(__file__).parents[3] / "examples" / "recipes"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
TABLES = [name for name in NAMES if name.startswith("table")]
QUICK = {"digits_seeds"}
MOST, FEW = (0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99), (0.5, 0.9, 0.95, 0.99)
ROWS = {
    "table2": {("hydra", each) for each in (0.5, 0.7, 0.9, 0.95)},
    "table_b1": {(pruner, each) for pruner in ("lwm", "hydra") for each in MOST},
    "table_b1_harp": {("harp", each) for each in FEW},
    "table_b2": {(pruner, each) for pruner in ("lwm", "hydra") for each in MOST[:5]},
    "table_b2_harp": {("harp", each) for each in FEW},
}
"""Pruners and sparsities of the paper's tables; where there are some, a dense row as well."""


def test_every_table_has_a_small_form():
    assert {name.split("_harp")[0] + "_small" for name in TABLES if not name.endswith("_small")} <= set(TABLES)
    assert {name.split("_harp")[0] for name in TABLES} >= {"table1", "table2", "table_b1", "table_b2", "table_b4"}


@pytest.mark.parametrize("name", ROWS)
def test_the_rows_of_a_table_are_combinations_of_its_recipe(name):
    made = combinations(read_recipe(FOLDER / f"{name}.toml"))
    found = {(each.values["stages.pruned.pruner"]["kind"], each.values["stages.pruned.sparsity"]) for each in made}
    assert found == ROWS[name]
    stages = {stage.name for stage in made[0].recipe.stages}
    assert name.endswith("harp") or "dense_snn" in stages


@pytest.mark.parametrize("name", TABLES)
def test_robust_accuracies_of_tables_are_worst_cases_at_three_epsilons(name):
    attacks = [each for each in read_recipe(FOLDER / f"{name}.toml").stages if each.__struct_config__.tag == "attack"]
    assert attacks
    assert {stage.suite for stage in attacks} == {"quick" if name.endswith("_small") else "paper"}
    assert all(len(stage.epsilon) == 3 for stage in attacks)


@pytest.mark.parametrize(("name", "epsilons"), [("table_b4", (2, 4, 8)), ("table_b4_small", (8, 16, 32))])
def test_heavier_pretraining_changes_the_objective_of_all_anns_and_no_other(name, epsilons):
    first, second, third = epsilons
    expected = [(first, 2.0), (first, 6.0), (second, 6.0), (third, 6.0)]
    made = combinations(read_recipe(FOLDER / f"{name}.toml"))
    for each, row in zip(made, expected, strict=True):
        stages = {stage.name: stage for stage in each.recipe.stages}
        for ann in ("dense", "pruned", "sparse"):
            assert (stages[ann].objective.epsilon, stages[ann].objective.regularization) == row
        assert (stages["finetune"].objective.epsilon, stages["finetune"].objective.beta) == (first, 2.0)


@pytest.mark.parametrize("name", [name for name in TABLES if not name.endswith("_small")])
def test_full_sizes_have_the_papers_epochs_rates_and_steps(name):
    recipe = read_recipe(FOLDER / f"{name}.toml")
    stages = {stage.name: stage for stage in recipe.stages}
    trained = {
        each: (stages[each].training.epochs, stages[each].training.learning_rate, stages[each].training.weight_decay)
        for each in ("dense", "sparse", "finetune")
    }
    assert trained == {"dense": (100, 0.1, 1e-4), "sparse": (30, 0.01, 1e-4), "finetune": (80, 0.001, 1e-4)}
    assert stages["pruned"].training.epochs == 20
    assert (recipe.spiking.steps, recipe.spiking.tau, recipe.spiking.train_tau) == (8, 1.0, False)
    assert (stages["convert"].steps, stages["convert"].percentile, stages["convert"].threshold_scale) == (
        100,
        99.7,
        0.3,
    )
    extra = {name for name, stage in stages.items() if getattr(getattr(stage, "training", None), "extra", False)}
    assert extra == {"dense"}


def small(table, data):
    """Return a recipe's table with tiny data and networks, an epoch of twelve batches, and attacks of one step."""
    made = copy.deepcopy(table) | {"data": data, "matrix": {}}
    network = made["network"]
    if network["kind"] == "vgg":
        network |= {"plan": [4, "P"] * min(2, network["plan"].count("P")) + [8], "head": [32]}
    else:
        network |= {"depth": 10, "width": 1, "channels": 4}
    made["threads"] = 1
    made["spiking"]["steps"] = 6
    made["evaluate"] |= {"images": 6, "attack": {"kind": "fgsm"}}
    for stage in made["stages"]:
        _shorten(stage)
    return made


def _shorten(stage):
    if stage.get("training"):
        stage["training"] |= {"epochs": 1, "batch_size": 4, "learning_rate": 1e-3}
    if stage.get("objective", {}).get("attack", {}).get("steps"):
        stage["objective"]["attack"]["steps"] = 1
    if stage.get("sparsity", 0) > 0.5:
        stage["sparsity"] = 0.5
    if stage["stage"] == "attack":
        stage.pop("suite", None)
        stage |= {"images": 6, "attack": {"kind": "fgsm"}}
    if stage["stage"] == "convert":
        stage |= {"batches": 1, "batch_size": 8, "steps": 6}
    if stage.get("pruner", {}).get("kind") == "harp":
        stage["pruner"]["start"] = 0.5 * (1 - stage["sparsity"])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "images.npz"
    labels = np.arange(60) % 10
    images = rng.integers(0, 256, (60, 3, 8, 8), dtype=np.uint8)
    np.savez(path, train_images=images, train_labels=labels, test_images=images[:10] ^ 1, test_labels=labels[:10])
    return {"kind": "npz", "path": str(path), "validation": 0.2}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_a_recipe_made_small_runs_to_its_end(name, data, tmp_path):
    made = combinations(read_recipe(FOLDER / f"{name}.toml"))
    by_pruner = {str(each.values.get("stages.pruned.pruner")): each for each in reversed(made)}
    for each in by_pruner.values():
        recipe = recipe_of(small(plain(each.recipe), data), name)
        done = execute(plan_of(recipe, device="cpu"), tmp_path / each.name)
        assert list(done.records) == [stage.name for stage in recipe.stages]
        assert all(record.done for record in done.records.values())
        for stage in recipe.stages:
            if stage.__struct_config__.tag == "prune":
                rates = done.records[stage.name].metrics["layers"].values()
                kept, weights = (sum(rate[key] for rate in rates) for key in ("kept", "weights"))
                assert abs(kept - (1 - stage.sparsity) * weights) <= len(rates)
