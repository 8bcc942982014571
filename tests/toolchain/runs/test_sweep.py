"""Sweeps: every combination once, equal stages once, one table, failures named."""

import csv
import math
import shutil
from pathlib import Path

import pytest

import spikeport
from spikeport.export.cluster import Cluster
from spikeport.export.errors import RecipeError
from spikeport.hardware_profiles.output.latex import latex
from spikeport.hardware_profiles.output.markdown import markdown
from spikeport.toolchain.recipes.reader import read_recipe
from spikeport.toolchain.runs.combinations import combinations, name_of, owners, texts_of
from spikeport.toolchain.runs.sweep import _parts, copy_stage
from spikeport.toolchain.runs.sweep_table import averaged
from spikeport.toolchain.stages import records
from spikeport.toolchain.verbs import recipes
from spikeport.toolchain.verbs.recipes import RunSettings
from tests.toolchain.networks import RECIPE

BEFORE = RECIPE[: RECIPE.index('[[stages]]\nstage = "convert"')]
"""The tiny recipe up to the sparse ANN."""
MATRIX = """
[matrix]
"stages.lwm.sparsity" = [0.5, 0.9]
"stages.lwm.pruner" = [{ kind = "lwm" }, { kind = "random" }]
seed = [0, 1]
"""


def saved(tmp_path, text):
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    return spikeport.run(saved(folder, BEFORE + MATRIX), folder / "out", settings=RunSettings(device="cpu"))


def test_every_combination_has_a_folder_with_its_values(swept):
    names = [each.name for each in swept.combinations]
    assert len(names) == 8
    assert names[0] == "sparsity=0.5,pruner=lwm,seed=0"
    assert swept.passed
    for each in swept.combinations:
        record = records.read(swept.folder / each.name / "lwm")
        assert record.settings["sparsity"] == each.values["stages.lwm.sparsity"]
        assert record.settings["pruner"]["kind"] == each.values["stages.lwm.pruner"]["kind"]
        assert record.settings["seed"] == each.values["seed"]
        assert record.metrics["sparsity"] == pytest.approx(record.settings["sparsity"], abs=0.02)


def test_equal_stages_are_run_once_and_copied(swept):
    by_seed = {}
    for each in swept.combinations:
        record = records.read(swept.folder / each.name / "dense")
        by_seed.setdefault(each.values["seed"], set()).add(
            (record.started, record.seconds, record.outputs["model"].digest)
        )
    assert [len(found) for found in by_seed.values()] == [1, 1]
    assert by_seed[0] != by_seed[1]


def test_a_combination_equals_a_run_of_its_own(swept, tmp_path):
    path = saved(tmp_path, BEFORE)
    settings = ["stages.lwm.sparsity=0.9", "stages.lwm.pruner={kind='random'}", "seed=1"]
    spikeport.run(path, tmp_path / "out", settings=RunSettings(settings=settings, device="cpu"))
    theirs = swept.folder / "sparsity=0.9,pruner=random,seed=1"
    for name in ("dense", "hydra", "lwm", "sparse"):
        found = (tmp_path / "out" / name / "model.safetensors").read_bytes()
        assert found == (theirs / name / "model.safetensors").read_bytes()


def test_the_table_has_mean_and_standard_error_over_seeds(swept):
    table = averaged(swept)
    assert [column.title for column in table.columns][:4] == ["sparsity", "pruner", "runs", "clean"]
    assert [row[:3] for row in table.rows] == [
        ("0.5", "lwm", 2),
        ("0.5", "random", 2),
        ("0.9", "lwm", 2),
        ("0.9", "random", 2),
    ]
    measured = [swept.records[f"sparsity=0.5,pruner=lwm,seed={seed}"]["sparse"].metrics["clean"] for seed in (0, 1)]
    mean, error = 50 * sum(measured), 100 * abs(measured[0] - measured[1]) / 2
    assert table.columns[3].text(table.rows[0][3]) == f"{mean:.1f} ± {error:.1f}"
    assert math.isclose(error, 100 * math.sqrt(sum((v - mean / 100) ** 2 for v in measured)) / math.sqrt(2))


def test_the_table_is_csv_markdown_and_latex(swept):
    with (swept.folder / "sweep.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["name"] for line in lines] == [each.name for each in swept.combinations]
    assert float(lines[3]["sparse.clean"]) == swept.records[lines[3]["name"]]["sparse"].metrics["clean"]
    assert lines[0]["stages.lwm.pruner"] == "lwm"
    assert (swept.folder / "sweep.md").read_text() == markdown(averaged(swept))
    assert (swept.folder / "sweep.tex").read_text() == latex(averaged(swept))
    assert str(swept.folder) in swept.text()


def test_a_sweep_that_is_done_runs_nothing_and_one_that_was_cut_goes_on(swept, tmp_path):
    shutil.copytree(swept.folder, tmp_path / "out")
    gone = "sparsity=0.9,pruner=lwm,seed=1"
    shutil.rmtree(tmp_path / "out" / gone / "sparse")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("record.json")}
    again = spikeport.run(out=tmp_path / "out", resume=True, settings=RunSettings(device="cpu"))
    assert again.passed
    assert {path for path, when in before.items() if path.stat().st_mtime_ns != when} == set()
    for name in (gone, "sparsity=0.5,pruner=lwm,seed=0"):
        found = (tmp_path / "out" / name / "sparse" / "model.safetensors").read_bytes()
        assert found == (swept.folder / name / "sparse" / "model.safetensors").read_bytes()


def test_a_combination_that_fails_is_named_and_the_others_finish(tmp_path):
    matrix = '\n[matrix]\n"stages.dense.training.learning_rate" = [1e6, 0.1]\n'
    short = BEFORE[: BEFORE.index('[[stages]]\nstage = "prune"')]
    done = spikeport.run(saved(tmp_path, short + matrix), tmp_path / "out", settings=RunSettings(device="cpu"))
    assert not done.passed
    (reason,) = done.reasons
    assert reason.startswith("learning_rate=1000000.0: ")
    assert "FAILED:\nlearning_rate=1000000.0: " in done.text()
    assert done.to_dict()["combinations"][1]["metrics"]["dense"]["clean"] > 0
    with (tmp_path / "out" / "sweep.csv").open() as file:
        assert [bool(line["failed"]) for line in csv.DictReader(file)] == [True, False]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ('"stages.lwm.sparsity" = [0.5, 2]', r"1 of 2 combinations are no recipes: sparsity=2: .*sparsity: expected"),
        ('"stages.lwm.sparse" = [0.5]', "stages.lwm has no key 'sparse'"),
        ('"stages.lwm.sparsity" = [0.5, 0.5]', "two combinations are both called 'sparsity=0.5'"),
        ('"stages.lwm.sparsity" = []', r"matrix\.stages\.lwm\.sparsity: expected `array` of length >= 1"),
        ('"stages.lwm.sparsity" = 3', r"matrix\.stages\.lwm\.sparsity: expected `array`"),
        (f"seed = {list(range(40))}\nthreads = {list(range(1, 41))}", "has 1,600 combinations; expected 1,000 at most"),
    ],
)
def test_a_matrix_that_makes_no_recipes_is_refused_at_the_start(tmp_path, matrix, message):
    with pytest.raises(RecipeError, match=message):
        spikeport.run(saved(tmp_path, f"{BEFORE}\n[matrix]\n{matrix}\n"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_parts_of_a_sweep_wait_for_those_that_make_what_they_copy(tmp_path):
    recipe = read_recipe(saved(tmp_path, BEFORE + MATRIX))
    steps = owners([each.recipe for each in combinations(recipe)])
    assert steps[0] == [0, 0, 0, 0]
    assert steps[1] == [1, 1, 1, 1]
    assert steps[2] == [0, 0, 2, 2]
    assert _parts(steps, 0) == [(1, {}, []), (3, {}, [])]
    assert _parts(steps, 2) == [(1, {0: 0, 1: 0}, [(0, 1), (0, 1)]), (3, {}, [])]


@pytest.mark.parametrize(
    "values", ['"spiking.noise" = [0.0, 0.2]', '"spiking.encoder" = [{ kind = "direct" }, { kind = "poisson" }]']
)
def test_combinations_that_differ_in_neurons_and_codings_share_the_anns(tmp_path, values):
    matrix = f"\n[matrix]\n{values}\n"
    recipe = read_recipe(saved(tmp_path, RECIPE.replace("\n[[stages]]", matrix + "[[stages]]", 1)))
    quiet, noisy = owners([each.recipe for each in combinations(recipe)])
    found = {stage.name: first == 0 for stage, first in zip(recipe.stages, noisy, strict=True)}
    assert quiet == [0] * len(recipe.stages)
    assert {name for name, shared in found.items() if shared} == {"dense", "hydra", "lwm", "sparse"}


def test_a_dry_run_says_how_many_stages_are_shared(tmp_path):
    found = recipes.forecast(saved(tmp_path, BEFORE + MATRIX), tmp_path / "out")
    assert "the first of 8 combinations of the matrix" in found.text()
    assert "of 32 stages of all combinations 20 differ and are run" in found.text()


def test_names_of_combinations_are_names_of_folders():
    assert name_of({"a.b": "0.5", "seed": "3"}) == "b=0.5,seed=3"
    assert name_of({"a.x.k": "pgd", "b.y.k": "1"}) == "x-k=pgd,y-k=1"
    assert texts_of([{"kind": "pgd"}, [1, "../z"], 0.5]) == ["pgd", "1-..-z", "0.5"]
    assert Path(texts_of(["../../etc"])[0]).name == texts_of(["../../etc"])[0]


def test_tables_of_one_kind_are_named_by_what_they_differ_in():
    tables = [{"kind": "trades", "epsilon": 2, "steps": 3}, {"kind": "trades", "steps": 3, "weight": 6.0}]
    assert texts_of(tables) == ["epsilon=2-weight=default", "epsilon=default-weight=6.0"]
    assert texts_of([{"kind": "lwm"}, {"kind": "hydra"}]) == ["lwm", "hydra"]


def test_a_key_of_several_paths_gives_its_value_to_each(tmp_path):
    objectives = '[{ kind = "trades", epsilon = 2 }, { kind = "trades", epsilon = 4 }]'
    matrix = f'[matrix]\n"stages.dense.objective, stages.sparse.objective" = {objectives}\n'
    made = combinations(read_recipe(saved(tmp_path, BEFORE + matrix)))
    assert [each.name for each in made] == ["objective=epsilon=2", "objective=epsilon=4"]
    for each, epsilon in zip(made, (2, 4), strict=True):
        stages = {stage.name: stage for stage in each.recipe.stages}
        assert [stages[name].objective.epsilon for name in ("dense", "sparse")] == [epsilon, epsilon]
    with pytest.raises(RecipeError, match=r"no stage 'spars'; there are .* did you mean 'sparse'"):
        combinations(read_recipe(saved(tmp_path, BEFORE + matrix.replace("stages.sparse", "stages.spars"))))


def test_a_variant_sets_several_paths_to_values_of_their_own(tmp_path):
    matrix = """
[matrix]
seed = [0, 1]
variant = [
    { name = "short", "spiking.steps" = 2, "stages.dense.training.epochs" = 1 },
    { name = "long", "spiking.steps" = 6, "stages.dense.training.epochs" = 3 },
]
"""
    found = combinations(read_recipe(saved(tmp_path, BEFORE + matrix)))
    assert [each.name for each in found] == [f"seed={s},variant={v}" for s in (0, 1) for v in ("short", "long")]
    assert [each.recipe.spiking.steps for each in found] == [2, 6, 2, 6]
    assert [each.recipe.stages[0].training.epochs for each in found] == [1, 3, 1, 3]


@pytest.mark.parametrize(
    "value", ["3", '{ name = "a" }', '{ "spiking.steps" = 2 }', '{ name = 3, "spiking.steps" = 2 }']
)
def test_a_variant_without_a_name_or_values_is_refused(tmp_path, value):
    with pytest.raises(RecipeError, match="expected a table with a name and values by their paths"):
        combinations(read_recipe(saved(tmp_path, f"{BEFORE}[matrix]\nvariant = [{value}]\n")))


def test_an_unfinished_stage_is_not_copied(swept, tmp_path):
    source = swept.folder / swept.combinations[0].name / "dense"
    copy_stage(source, tmp_path / "dense")
    assert records.read(tmp_path / "dense") == records.read(source)
    copy_stage(tmp_path / "none", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_a_cluster_gives_the_same_table(swept, tmp_path):
    path = saved(tmp_path, BEFORE + MATRIX)
    settings = RunSettings(device="cpu", cluster=Cluster(workers=2))
    done = spikeport.run(path, tmp_path / "out", settings=settings)
    assert done.passed
    assert averaged(done) == averaged(swept)
    for each in swept.combinations:
        name = f"{each.name}/sparse/model.safetensors"
        assert (tmp_path / "out" / name).read_bytes() == (swept.folder / name).read_bytes()
