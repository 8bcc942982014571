"""The whole pipeline on a tiny recipe: its artefacts, its numbers, and resuming from any stage."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import spikeport
from spikeport.export import archive
from spikeport.export.errors import ArchiveError, ExecutorError, LavaError, ProfileError, RecipeError, TrainingError
from spikeport.toolchain import checkpoint, pipeline
from spikeport.toolchain.config import read_recipe
from spikeport.toolchain.stages import records
from tests.toolchain.networks import RECIPE

TRAINING = ("pretrain", "prune", "finetune")
"""Stages that take long to run again; `convert` trains nothing, and runs again what stands behind it."""
STAGES = ["pretrain", "prune", "convert", "finetune", "tune_integers", "lower", "quantize", "export", "check", "report"]
WRITTEN = {
    "pretrain": ("ann.safetensors",),
    "prune": ("ann_lwm.safetensors", "ann_hydra.safetensors"),
    "convert": ("snn_converted.safetensors",),
    "finetune": ("snn.safetensors",),
    "lower": ("network_float.safetensors",),
    "quantize": ("network.safetensors",),
    "export": ("network.nir", "network.onnx"),
    "report": ("report.json", "report.html"),
}
"""The files of the tiny recipe by the stage that writes them."""


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def test_artefacts_of_every_stage_are_there(tiny_run):
    found = {path.name for path in tiny_run.iterdir()}
    assert found == {
        *("ann.safetensors", "ann_lwm.safetensors", "ann_hydra.safetensors", "snn_converted.safetensors"),
        *("snn.safetensors", "adversarial.npz", "network_float.safetensors", "network.safetensors"),
        *("network.nir", "network.onnx", "held_out.npz", "report.json", "report.html", "metrics.json", "run.json"),
    }


def test_report_has_the_promised_keys_and_they_agree(tiny_run):
    report = report_of(tiny_run)
    for key in ("ann_clean", "snn_float_clean", "snn_integer_clean", "snn_robust"):
        assert 0 <= report["accuracy"][key] <= 1
    assert report["accuracy"]["onnx_clean"] == report["accuracy"]["snn_integer_clean"]
    network = archive.read_integer(tiny_run / "network.safetensors")
    neurons = sum(int(np.prod(population.shape)) for population in network.neurons)
    for name in ("onnx", "nir"):
        assert report["fidelity"][name]["compared"] == 20 * 4 * neurons
        assert report["fidelity"][name]["mismatches"] == 0
    assert report["fidelity"]["lowering"]["mismatches"] == 0
    assert report["operations"]["formula"] > 0
    for profile in ("loihi1", "loihi2"):
        assert report["placement"][profile]["cores"] >= 1
        assert report["placement"][profile]["max_core_memory_bytes"] > 0
    assert report["network"]["digest"] == archive.digest(network)


def test_accuracy_in_the_report_is_that_of_the_artefacts(tiny_run):
    outcome = spikeport.simulate(tiny_run / "network.safetensors", tiny_run / "held_out.npz")
    with np.load(tiny_run / "held_out.npz") as held_out:
        assert report_of(tiny_run)["accuracy"]["snn_integer_clean"] == np.mean(outcome.classes == held_out["labels"])


def test_sparsity_is_the_recipes_in_every_layer_and_does_not_change(tiny_run):
    report, metrics = report_of(tiny_run), json.loads((tiny_run / "metrics.json").read_text())
    measured = metrics["finetune"]["results"]
    assert measured["sparsity"] == measured["sparsity_before"] == report["sparsity"]["global"]
    before = checkpoint.read_snn(tiny_run / "snn_converted.safetensors").synapses()
    for name, synapses in checkpoint.read_snn(tiny_run / "snn.safetensors").synapses().items():
        zeros = int((synapses.weight == 0).sum())
        assert synapses.weight.numel() - zeros == round(0.2 * synapses.weight.numel())
        assert torch.equal(synapses.weight == 0, before[name].weight == 0)
        assert not torch.equal(synapses.weight, before[name].weight)
    network = archive.read_integer(tiny_run / "network.safetensors")
    nonzero, total = (sum(f(p.synapses.weight) for p in network.projections) for f in (np.count_nonzero, np.size))
    assert report["sparsity"]["integer"] == 1 - nonzero / total
    assert report["sparsity"]["integer"] >= report["sparsity"]["global"]


def test_adversarial_images_stay_in_the_ball(tiny_run):
    with np.load(tiny_run / "held_out.npz") as clean, np.load(tiny_run / "adversarial.npz") as attacked:
        moved = attacked["images"].astype(int) - clean["images"]
        assert 0 < np.abs(moved).max() <= 8
        assert np.array_equal(clean["labels"], attacked["labels"])


def test_run_writes_recipe_versions_and_seed(tiny_run):
    run = json.loads((tiny_run / "run.json").read_text())
    assert run["recipe"]["seed"] == 0
    assert run["recipe"]["steps"] == 4
    assert run["versions"]["torch"] == torch.__version__


@pytest.mark.parametrize(
    "stage", [pytest.param(stage, marks=pytest.mark.slow if stage in TRAINING else ()) for stage in STAGES]
)
def test_resuming_gives_the_same_network(tiny_run, recipe, tmp_path, stage):
    """Stages from ``stage`` on, run again from the files before it, write the same files, and the same report."""
    folder = tmp_path / "again"
    shutil.copytree(tiny_run, folder)
    before = STAGES[: STAGES.index(stage)]
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({name: metrics[name] for name in before}))
    written = [name for each in STAGES if each not in before for name in WRITTEN.get(each, ())]
    for name in written:
        (folder / name).unlink()
    spikeport.run(recipe, folder, from_=stage)
    for name in written:
        if name.endswith(".safetensors"):
            ours, theirs = (load_file(each / name) for each in (folder, tiny_run))
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(ours[key], theirs[key]) for key in ours), name
    for name in ("network.safetensors", "network.onnx"):
        assert (folder / name).read_bytes() == (tiny_run / name).read_bytes()
    networks = [spikeport.import_nir(each / "network.nir").network for each in (folder, tiny_run)]
    assert archive.to_bytes(networks[0]) == archive.to_bytes(networks[1])
    assert {**report_of(folder), "date": ""} == {**report_of(tiny_run), "date": ""}


@pytest.mark.parametrize(
    ("threads", "last"), [(1, "pretrain"), pytest.param(1, "finetune", marks=pytest.mark.slow), (3, "pretrain")]
)
def test_equal_seeds_give_equal_bytes_whatever_the_number_of_threads(recipe, tiny_run, tmp_path, threads, last):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        spikeport.run(recipe, tmp_path, to=last)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    written = list(tmp_path.glob("*.safetensors"))
    assert written
    for path in written:
        assert path.read_bytes() == (tiny_run / path.name).read_bytes()


@pytest.mark.slow
def test_two_halves_make_a_whole(recipe, tiny_run, tmp_path):
    first = spikeport.run(recipe, tmp_path, to="lower")
    assert first.text() == f"stages done up to lower; artefacts are in {tmp_path}"
    assert not (tmp_path / "network.safetensors").exists()
    spikeport.run(recipe, tmp_path, from_="quantize")
    assert report_of(tmp_path)["accuracy"] == report_of(tiny_run)["accuracy"]


def test_stage_without_its_input_names_the_file(recipe, tmp_path):
    with pytest.raises(
        ArchiveError, match=r"ann\.safetensors: no such file; expected a checkpoint; run the stage that writes it first"
    ):
        spikeport.run(recipe, tmp_path, from_="prune")
    with pytest.raises(ArchiveError, match=r"network_float\.safetensors: no such file"):
        spikeport.run(recipe, tmp_path, from_="quantize")


def test_report_without_measurements_says_which_stage_is_missing(recipe, tiny_run, tmp_path):
    shutil.copy(tiny_run / "network.safetensors", tmp_path)
    with pytest.raises(ArchiveError, match="stage 'pretrain' has not run; run it first"):
        spikeport.run(recipe, tmp_path, from_="report")


@pytest.mark.parametrize(
    ("from_", "to", "message"),
    [("training", None, "no stage 'training'; there are pretrain, prune"), ("check", "prune", "comes after stage")],
)
def test_unknown_or_reversed_stages_are_refused(recipe, tmp_path, from_, to, message):
    with pytest.raises(RecipeError, match=message):
        spikeport.run(recipe, tmp_path / "out", from_=from_, to=to)
    assert not (tmp_path / "out").exists()


def test_stages_are_the_documented_ones():
    assert list(pipeline.STAGES) == STAGES == list(records.ORDER)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ('"onnx", "nir"', '"onnx", "tpu"', ExecutorError, "no executor 'tpu' for integer networks; there are"),
        ("[evaluate]", '[hardware]\nprofiles = ["loihi9"]\n[evaluate]', ProfileError, "no profile 'loihi9'"),
        ('"onnx", "nir"', '"lava"', LavaError, "no Lava environment in"),
        (
            '[4, "P", 6]',
            '[4, "P", "P", "P", "P"]',
            RecipeError,
            r"network: nothing is left of an image of 8x8 pixels",
        ),
    ],
)
def test_what_a_late_stage_lacks_is_said_before_training(monkeypatch, tmp_path, old, new, error, message):
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(tmp_path / "none"))
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace(old, new, 1))
    with pytest.raises(error, match=message):
        pipeline.execute(read_recipe(path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_interrupted_stage_leaves_whole_files_only(monkeypatch, recipe, tmp_path):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setitem(pipeline.STAGES, "convert", interrupted)
    with pytest.raises(KeyboardInterrupt):
        spikeport.run(recipe, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("ann.safetensors", "ann_lwm.safetensors", "ann_hydra.safetensors", "metrics.json", "run.json")
    }
    assert list(json.loads((tmp_path / "metrics.json").read_text())) == ["pretrain", "prune"]


def test_verdict_of_the_run_fails_where_a_comparison_failed(recipe, tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    metrics["check"]["results"]["fidelity"]["onnx"]["mismatches"] = 1
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(metrics))
    assert spikeport.run(recipe, tmp_path / "run", from_="report").passed is False


@pytest.mark.parametrize(
    ("old", "new", "stage", "section"),
    [
        ("steps = 4", "steps = 3", "pretrain", "steps"),
        ("sparsity = 0.8", "sparsity = 0.7", "prune", "prune"),
        ("images = 20", "images = 30", "pretrain", "evaluate"),
        ("[finetune]\nepochs = 1", "[finetune]\nepochs = 2", "finetune", "finetune"),
    ],
)
def test_changed_recipe_must_run_from_the_stage_it_changes(tiny_run, tmp_path, old, new, stage, section):
    path = tmp_path / "changed.toml"
    assert old in RECIPE
    path.write_text(RECIPE.replace(old, new, 1))
    before = (tiny_run / "run.json").read_bytes()
    with pytest.raises(RecipeError, match=rf"\[{section}\] of the recipe has changed since stage '{stage}' ran in .*"):
        spikeport.run(path, tiny_run, from_="check")
    assert (tiny_run / "run.json").read_bytes() == before


def test_stage_that_runs_again_outdates_the_ones_behind_it(recipe, tiny_run, tmp_path):
    shutil.copytree(tiny_run, tmp_path / "run")
    spikeport.run(recipe, tmp_path / "run", from_="quantize", to="quantize")
    with pytest.raises(ArchiveError, match="stage 'export' has not run; run it first"):
        spikeport.run(recipe, tmp_path / "run", from_="report")


@pytest.mark.parametrize("content", ["{", "[]", '{"pretrain": 5}', '{"pretrain": {"recipe": {}}}'])
def test_damaged_metrics_are_named(recipe, tmp_path, content):
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(ArchiveError, match=r"metrics\.json: damaged"):
        spikeport.run(recipe, tmp_path, from_="report")


def test_robust_accuracy_of_float_and_integers_is_of_the_same_images(tiny_run):
    snn = checkpoint.read_snn(tiny_run / "snn.safetensors").eval()
    with np.load(tiny_run / "adversarial.npz") as attacked, torch.no_grad():
        chosen = snn(torch.from_numpy(attacked["images"] / np.float32(255))).argmax(1).numpy()
        assert report_of(tiny_run)["accuracy"]["snn_robust"] == np.mean(chosen == attacked["labels"])
        outcome = spikeport.simulate(tiny_run / "network.safetensors", tiny_run / "adversarial.npz")
        assert report_of(tiny_run)["accuracy"]["snn_integer_robust"] == np.mean(outcome.classes == attacked["labels"])


def test_diverged_training_is_called_that(tmp_path):
    path = tmp_path / "wild.toml"
    path.write_text(RECIPE.replace("learning_rate = 0.1", "learning_rate = 1e6", 1))
    with pytest.raises(TrainingError, match=r"pretrain: epoch 1, step .*; use a smaller learning_rate"):
        spikeport.run(path, tmp_path / "out")


def test_integer_aware_finetuning_and_searched_scales_are_stages_of_a_run(tiny_run, tmp_path):
    path = tmp_path / "tuned.toml"
    more = "[tune_integers]\nepochs = 1\nlearning_rate = 0.02\nepsilon = 8\n[quantize]\nweight_bits = 3\n"
    path.write_text(RECIPE + more + "calibration_images = 30\n")
    folder = tmp_path / "run"
    shutil.copytree(tiny_run, folder)
    spikeport.run(path, folder, from_="tune_integers")
    network = archive.read_integer(folder / "network.safetensors")
    assert max(np.abs(p.synapses.weight).max() for p in network.projections) == 3
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics["quantize"]["results"]["clips"]) == {p.name for p in network.neurons}
    assert report_of(folder)["accuracy"]["snn_float_clean"] == metrics["tune_integers"]["results"]["clean"]
    assert report_of(folder)["fidelity"]["onnx"]["mismatches"] == 0
    tuned, before = (checkpoint.read_snn(folder / f"{name}.safetensors") for name in ("snn_tuned", "snn"))
    masks = [synapses.weight == 0 for synapses in tuned.synapses().values()]
    expected = [synapses.weight == 0 for synapses in before.synapses().values()]
    assert all(map(torch.equal, masks, expected))
