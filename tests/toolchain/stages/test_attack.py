"""The stage of attack with a suite: every epsilon, on the model and on the integers, and what the report is told."""

import json

import numpy as np
import pytest

from spikeport.export import archive
from spikeport.export.executors import reference
from spikeport.export.stimulus import stimulus
from spikeport.export.trace import predicted
from spikeport.toolchain.recipes.reader import plain, read_recipe, recipe_of
from spikeport.toolchain.runs.planning import inputs_of, plan_of
from spikeport.toolchain.stages import records
from spikeport.toolchain.stages.attack import Attack
from spikeport.toolchain.stages.records import Record
from spikeport.toolchain.stages.report import _attacks
from spikeport.toolchain.stages.run import Run
from spikeport.toolchain.tables import converted

SUITE = """
[[members]]
name = "PGD-2"
attack = { kind = "pgd", steps = 2 }
[[members]]
name = "Square 5"
attack = { kind = "square", queries = 5 }
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def made(recipe, tiny_run, tmp_path, suite):
    """Return what a stage with a suite made, and its folder."""
    read = read_recipe(recipe)
    (tmp_path / "hard").mkdir()
    run = Run(recipe=read, data=read.data.load(read.seed), folder=tmp_path / "hard", seed=3)
    stage = Attack(name="hard", suite=str(suite), epsilon=(8, 64), images=6)
    source = {
        "model": tiny_run / "finetune/model.safetensors",
        "network": tiny_run / "quantize/network.safetensors",
    }
    return stage.run(run, source), run, source


def test_integers_are_measured_on_the_worst_images_of_every_epsilon(made):
    done, run, source = made
    network = archive.read_integer(source["network"])
    assert done.artefacts["attacked"].name == "attacked-64.npz"
    for found in done.metrics["epsilons"]:
        with np.load(run.folder / f"attacked-{found['epsilon']:g}.npz") as file:
            chosen = predicted(network, stimulus(file["images"], network), reference.steps)
            assert found["integer"] == np.mean(chosen == file["labels"])
            moved = file["images"].astype(int) - run.data.test.images[:6]
            assert np.abs(moved).max() <= found["epsilon"]
        assert "Square 5" in found["ran"]
    assert done.metrics["images"] == 6
    assert not (run.folder / "parts").exists()
    assert len(json.loads((run.folder / "attack.json").read_text())["epsilons"]) == 2


def test_the_report_has_a_row_for_every_epsilon(made):
    done, run, _ = made
    record = Record(
        name="hard", stage="attack", done=True, settings={}, inputs={}, seed=3, threads=1, device="cpu", versions={},
        started="", metrics=done.metrics,
    )  # fmt: skip
    rows = list(_attacks(record))
    assert [(row.name, row.epsilon, row.images) for row in rows] == [
        ("worst case of suite small", 8, 6),
        ("worst case of suite small", 64, 6),
    ]
    assert [row.integer for row in rows] == [each["integer"] for each in done.metrics["epsilons"]]
    assert run.folder.name == "hard"


@pytest.mark.parametrize(
    ("settings", "faults"),
    [
        ({"attack": {"kind": "fgsm"}}, []),
        ({"suite": "quick", "epsilon": [2, 4.5]}, []),
        ({}, ["attack"]),
        ({"attack": {"kind": "fgsm"}, "suite": "quick"}, ["attack"]),
        ({"attack": {"kind": "fgsm"}, "queries": 5}, ["queries"]),
        ({"suite": "quick", "epsilon": [2, 2]}, ["epsilon"]),
        ({"suite": "none"}, ["suite"]),
    ],
)
def test_faults_name_their_keys(settings, faults):
    found = []
    stage = converted({"stage": "attack", "name": "hard", **settings}, Attack, "", found)
    assert found == []
    assert [key for key, _ in stage.faults()] == faults


def test_another_text_of_the_suite_runs_the_stage_again(recipe, tiny_run, suite):
    table = plain(read_recipe(recipe))
    table["stages"] = [table["stages"][0], {"stage": "attack", "name": "hard", "suite": str(suite)}]
    plan = plan_of(recipe_of(table, "recipe"), device="cpu")
    kept = {"dense": records.read(tiny_run / "dense")}
    before = inputs_of(plan, 1, kept)
    suite.write_text(SUITE.replace("queries = 5", "queries = 6"))
    after = inputs_of(plan, 1, kept)
    assert {key for key in after if after[key] != before.get(key)} == {"small.toml"}
