"""Dry runs: what would run and why, and times that say whether they were measured."""

import json
import shutil

import pytest
import torch

from spikeport.export.errors import LavaError, RecipeError
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.objectives.plain import Plain
from spikeport.toolchain.objectives.trades import Trades
from spikeport.toolchain.recipes.reader import read_recipe
from spikeport.toolchain.runs.estimate import BACKWARD, attack_passes, multiply_accumulates, passes_of, per_image
from spikeport.toolchain.runs.planning import plan_of
from spikeport.toolchain.stages.run import images_of
from spikeport.toolchain.verbs.recipes import RunSettings, forecast


def lines_of(recipe, out, *settings, **options):
    found = forecast(recipe, out, settings=RunSettings(settings=settings, device="cpu"), **options)
    return {line.name: line for line in found.lines}


def test_nothing_is_run_and_every_stage_would(recipe, tmp_path):
    lines = lines_of(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert all(line.runs and line.why == "has not run" for line in lines.values())
    assert lines["dense"].seconds > 0
    assert not lines["dense"].measured
    assert lines["quantize"].seconds is None
    assert list(lines_of(recipe, tmp_path / "out", to="lwm")) == ["dense", "hydra", "lwm"]


def test_what_is_done_is_skipped_and_what_ran_before_has_its_own_time(recipe, tiny_run, tmp_path):
    assert not any(line.runs for line in lines_of(recipe, tiny_run).values())
    lines = lines_of(recipe, tiny_run, "stages.lwm.sparsity=0.5")
    assert [name for name, line in lines.items() if not line.runs] == ["dense", "hydra"]
    assert lines["lwm"].why == "has other settings than before (sparsity)"
    assert lines["sparse"].why == "comes after lwm, which runs"
    recorded = json.loads((tiny_run / "sparse" / "record.json").read_text())["seconds"]
    assert (lines["sparse"].seconds, lines["sparse"].measured) == (recorded, True)
    shutil.copytree(tiny_run, tmp_path / "run")
    (tmp_path / "run" / "quantize" / "network.safetensors").unlink()
    assert lines_of(recipe, tmp_path / "run")["quantize"].why == "lacks network.safetensors"
    lines = lines_of(recipe, tiny_run, from_="check", to="check")
    assert [line.why for line in lines.values() if line.runs] == ["is asked for (--from)"]


def test_other_settings_are_estimated_anew(recipe, tiny_run):
    lines = lines_of(recipe, tiny_run, "stages.sparse.training.epochs=9")
    assert not lines["sparse"].measured
    text = forecast(recipe, tiny_run, settings=RunSettings(settings=["stages.sparse.training.epochs=9"])).text()
    assert " ~" in text
    assert "estimates from " in text


def test_a_dry_run_refuses_what_a_run_would(monkeypatch, recipe, tmp_path):
    monkeypatch.setenv("SPIKEPORT_LAVA_ENV", str(tmp_path / "none"))
    with pytest.raises(LavaError):
        lines_of(recipe, tmp_path, 'stages.check.executors=["lava"]')
    with pytest.raises(RecipeError, match="no stage 'dens'"):
        lines_of(recipe, tmp_path, from_="dens")


def test_passes_are_those_of_the_equations():
    """TRADES with PGD-k: clean and attacked image forward and back, k times forward and back, and the clean target."""
    assert attack_passes(Pgd(steps=10)) == 10 * (1 + BACKWARD)
    assert per_image(Plain()) == 1 + BACKWARD
    assert per_image(Trades(attack=Pgd(steps=7))) == 2 * (1 + BACKWARD) + 7 * (1 + BACKWARD) + 1


def test_work_grows_with_epochs_steps_and_images(recipe):
    plan = plan_of(read_recipe(recipe), device="cpu")
    stages = {stage.name: stage for stage in plan.recipe.stages}
    evaluated = 20 * (attack_passes(plan.recipe.evaluate.attack) + 2)
    ann, snn = {"model": "ann"}, {"model": "snn"}
    assert passes_of(plan, stages["dense"], ann) == 300 * per_image(stages["dense"].objective) + evaluated
    assert passes_of(plan, stages["lwm"], ann) == evaluated
    assert passes_of(plan, stages["convert"], snn) == 2 * 64 * 10 + 4 * evaluated
    assert passes_of(plan, stages["finetune"], snn) == 4 * (300 * per_image(stages["finetune"].objective) + evaluated)
    assert passes_of(plan, stages["quantize"], snn) == 0


def test_multiply_accumulates_are_counted_layer_by_layer(recipe):
    plan = plan_of(read_recipe(recipe), device="cpu")
    model = ANN(plan.recipe.network.specification(images_of(plan.data)))
    expected = 8 * 8 * 4 * 9 + 4 * 4 * 6 * 4 * 9 + 10 * 6 * 4 * 4
    assert multiply_accumulates(model, plan) == expected
    assert torch.is_grad_enabled()
