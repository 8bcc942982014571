"""The recipes of examples/recipes: each can be read, holds the rows of its table, and runs, made small, to its end."""

import copy
from math import prod
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
CODINGS = [name for name in NAMES if name.startswith("coding")]
QUICK = {"vgg5_table1"}
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


def test_undefended_networks_have_the_papers_attacks_and_a_worst_case():
    """Eps 8/255; seven steps of 0.01; every kind of network and pooling, at every depth in the full size."""
    for name, combined in (("gradient_sparsity", 12), ("gradient_sparsity_small", 4)):
        recipe = read_recipe(FOLDER / f"{name}.toml")
        stages = {stage.name: stage for stage in recipe.stages}
        pgd = stages["pgd"].attack
        assert pgd.steps == 7
        assert pgd.step_size / pgd.steps * 8 / 255 == pytest.approx(0.01)
        assert stages["fgsm"].epsilons == stages["pgd"].epsilons == (8,)
        assert 8 in stages["worst"].epsilons
        assert stages["snn"].objective.__struct_config__.tag == "plain"
        assert (recipe.spiking.surrogate.alpha, stages["snn"].training.optimizer) == (2.0, "adam")
        assert prod(len(values) for values in recipe.matrix.values()) == combined


def small(table, data):
    """Return a recipe's table with tiny data and networks, an epoch of twelve batches, and attacks of one step."""
    made = copy.deepcopy(table) | {"data": data, "matrix": {}}
    network = made["network"]
    if network["kind"] == "vgg":
        network |= {"plan": [4, "P"] * min(2, network["plan"].count("P")) + [8], "head": [32]}
    elif network["kind"] == "wide_resnet":
        network |= {"depth": 10, "width": 1, "channels": 4}
    else:
        network |= {"blocks": [1], "channels": 4}
    made["threads"] = 1
    made["spiking"]["steps"] = 8 if made["spiking"]["encoder"]["kind"] == "phase" else 6
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
        stage |= {"images": 6, "attack": _of_one_step(stage), "suite": None, "obfuscation": None}
    if stage["stage"] == "convert":
        stage |= {"batches": 1, "batch_size": 8, "steps": 6}
    if stage.get("pruner", {}).get("kind") == "harp":
        stage["pruner"]["start"] = 0.5 * (1 - stage["sparsity"])


def _of_one_step(stage):
    """Return an attack of one step, by the gradient and on the network of the recipe's own."""
    attack = stage["attack"] or {"kind": "fgsm"}
    if attack["kind"] == "transfer":
        return attack | {"attack": {"kind": "fgsm"}}
    gradient = attack.get("gradient", {"kind": "trained"})
    return {"kind": "fgsm", "gradient": gradient | ({"draws": 2} if gradient["kind"] == "expectation" else {})}


def _kind(value):
    return value.get("kind") if isinstance(value, dict) else value


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
    keys = ("stages.pruned.pruner", "network.kind", "network.pooling", "spiking.encoder", "stages.snn.objective")
    chosen = {str([_kind(each.values.get(key)) for key in keys]): each for each in reversed(made)}
    for each in chosen.values():
        recipe = recipe_of(small(plain(each.recipe), data), name)
        done = execute(plan_of(recipe, device="cpu"), tmp_path / each.name)
        assert list(done.records) == [stage.name for stage in recipe.stages]
        assert all(record.done for record in done.records.values())
        for stage in recipe.stages:
            if stage.__struct_config__.tag == "prune":
                rates = done.records[stage.name].metrics["layers"].values()
                kept, weights = (sum(rate[key] for rate in rates) for key in ("kept", "weights"))
                assert abs(kept - (1 - stage.sparsity) * weights) <= len(rates)


def test_recipes_of_codings_hold_the_rows_of_their_tables():
    """Those of Wu et al., ACM Multimedia 2024; Poisson, phase and latency beside them."""
    made = {name: combinations(read_recipe(FOLDER / f"{name}.toml")) for name in CODINGS}
    assert {each.values["spiking.encoder.sigma"] for each in made["coding_sigma"]} == {0.1, 0.3162, 0.7071}
    kinds = [each.values["stages.snn.objective"]["kind"] for each in made["coding_training"]]
    assert kinds == ["plain", "tet", "e_rsct", "adversarial"]
    codings = {each.recipe.spiking.encoder.__struct_config__.tag for each in made["coding_digits"]}
    assert codings == {"direct", "poisson", "rsc", "phase", "latency"}
    attacks = {
        stage.name: stage.attack for stage in made["coding_black_box"][0].recipe.stages if stage.name in {"fgsm", "pgd"}
    }
    assert {attack.network for attack in attacks.values()} == {"surrogate"}
    assert made["coding_checklist"][0].recipe.stages[-1].obfuscation is not None
    for name in CODINGS:
        first = made[name][0].recipe
        assert next(each for each in first.stages if each.name == "snn").training.epochs == 20
        assert first.evaluate.epsilon == 41
