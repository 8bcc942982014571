"""Networks of other stages that a stage names, a teacher or a surrogate: it runs again where one of them changes."""

import numpy as np
import pytest

from spikeport.toolchain.recipes.reader import recipe_of
from spikeport.toolchain.runs.combinations import owners
from spikeport.toolchain.runs.pipeline import execute
from spikeport.toolchain.runs.planning import plan_of


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 4
    images = rng.integers(0, 256, (40, 1, 4, 4), dtype=np.uint8)
    np.savez(
        tmp_path / "x.npz", train_images=images, train_labels=labels, test_images=images[:8], test_labels=labels[:8]
    )
    training = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3}
    student = {"stage": "train", "name": "student", "model": "snn", "from": "first", "training": training}
    transfer = {"kind": "transfer", "network": "dense", "attack": {"kind": "fgsm"}}
    return {
        "version": 2,
        "threads": 1,
        "data": {"kind": "npz", "path": str(tmp_path / "x.npz"), "validation": 0.0, "layout": "channels_first"},
        "network": {"kind": "vgg", "plan": [4], "head": []},
        "spiking": {"steps": 3, "encoder": {"kind": "rsc", "sigma": 0.1}},
        "evaluate": {"images": 4, "attack": {"kind": "fgsm"}},
        "stages": [
            {"stage": "train", "name": "first", "training": training | {"epochs": 0}},
            {"stage": "train", "name": "dense", "from": "first", "training": training},
            student | {"objective": {"kind": "e_rsct", "teacher": "dense"}},
            {"stage": "attack", "name": "attack", "attack": transfer, "images": 4},
        ],
    }


def ran(table, folder):
    return execute(plan_of(recipe_of(table, "recipe"), device="cpu"), folder)


def test_a_stage_runs_again_where_a_network_that_it_names_has_changed(table, tmp_path):
    done = ran(table, tmp_path / "run")
    assert done.ran == ("first", "dense", "student", "attack")
    student, dense = done.records["student"], done.records["dense"]
    assert student.inputs["model of dense"] == dense.outputs["model"].digest
    assert done.records["attack"].inputs["model of dense"] == dense.outputs["model"].digest
    assert ran(table, tmp_path / "run").ran == ()
    table["stages"][1]["training"]["learning_rate"] = 0.05
    assert ran(table, tmp_path / "run").ran == ("dense", "student", "attack")
    table["stages"][2]["objective"] = {"kind": "tet"}
    del table["stages"][3]
    assert ran(table, tmp_path / "run").ran == ("student",)


def test_the_teacher_decides_what_the_student_learns(table, tmp_path):
    with_teacher = ran(table, tmp_path / "with").records["student"].outputs["model"].digest
    table["stages"][2]["objective"]["weight"] = 0.0
    without = ran(table, tmp_path / "without").records["student"].outputs["model"].digest
    assert with_teacher != without


def test_combinations_with_other_teachers_share_no_student(table):
    recipes = [recipe_of(table, "recipe")]
    table["stages"][1]["training"]["learning_rate"] = 0.05
    recipes.append(recipe_of(table, "recipe"))
    assert owners(recipes) == [[0, 0, 0, 0], [0, 1, 1, 1]]
