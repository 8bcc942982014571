"""The stage that prunes: masks alone change, by pruners that learn and that do not."""

import pytest
import torch

from spikeport.export.errors import RecipeError
from spikeport.toolchain import checkpoint
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.choices import kinds
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.objectives.trades import Trades
from spikeport.toolchain.pruning.harp import Harp
from spikeport.toolchain.pruning.hydra import Hydra
from spikeport.toolchain.pruning.lwm import Lwm
from spikeport.toolchain.pruning.pruner import Pruner
from spikeport.toolchain.stages.prune import Prune
from spikeport.toolchain.training.settings import Training
from tests.toolchain.stages.one_run import TRAINING, run_in

KINDS = kinds(Pruner)
LEARNING = {"training": Training(**TRAINING | {"epochs": 1}), "objective": Trades(attack=Fgsm())}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("model", ["ann", "snn"])
def test_every_pruner_gives_masks_and_leaves_all_else(kind, model, tmp_path):
    run = run_in(tmp_path / "out")
    torch.manual_seed(0)
    before = ANN(run.specification()) if model == "ann" else SNN(run.specification(), run.recipe.spiking)
    checkpoint.write(before, tmp_path / "in.safetensors")
    result = Prune(name="pruned", sparsity=0.7, pruner=kind(), **LEARNING).run(
        run, {"model": tmp_path / "in.safetensors"}
    )
    after = checkpoint.read(result.artefacts["model"])
    for name, value in after.state_dict().items():
        expected = before.state_dict()[name]
        if name.endswith("synapses.weight"):
            expected = expected * after.state_dict()[name.replace("weight", "mask")]
        assert name.endswith("synapses.mask") or torch.equal(value, expected), name
    layers = after.synapses()
    for name, synapses in layers.items():
        kept = int(synapses.mask.sum())
        assert kind is Harp or kept == round(0.3 * synapses.weight.numel())
        assert result.metrics["layers"][name]["kept"] == kept
    weights = sum(synapses.weight.numel() for synapses in layers.values())
    assert abs(sum(int(synapses.mask.sum()) for synapses in layers.values()) - 0.3 * weights) < len(layers)
    assert ("training" in result.metrics) == kind().learns == (run.folder / "epochs").exists()
    assert result.metrics["clean"] == run.evaluated(after)["clean"]
    assert set(result.artefacts) == {"model", "adversarial"}


def test_the_rates_of_all_layers_are_printed(tmp_path, capsys):
    run = run_in(tmp_path / "out")
    model = ANN(run.specification())
    checkpoint.write(model, tmp_path / "in.safetensors")
    result = Prune(name="pruned", sparsity=0.7, pruner=Lwm()).run(run, {"model": tmp_path / "in.safetensors"})
    lines = [line.split() for line in capsys.readouterr().err.splitlines()]
    for name, rates in result.metrics["layers"].items():
        assert [name, f"{rates['kept']:,}", f"{rates['weights']:,}", f"{100 * rates['sparsity']:.2f}", "%"] in lines
    zero = 1 - sum(each["kept"] for each in result.metrics["layers"].values()) / sum(
        each["weights"] for each in result.metrics["layers"].values()
    )
    assert any(line[:4] == ["pruned:", f"{100 * zero:.1f}", "%", "of"] for line in lines)


def test_a_pruner_that_learns_needs_settings_and_an_objective():
    assert [key for key, _ in Prune(name="p", sparsity=0.5, pruner=Hydra()).faults()] == ["training", "objective"]
    assert list(Prune(name="p", sparsity=0.5, pruner=Hydra(), **LEARNING).faults()) == []
    assert list(Prune(name="p", sparsity=0.5, pruner=Lwm()).faults()) == []


def test_pruning_needs_a_model():
    stage = Prune(name="p", sparsity=0.5, pruner=Lwm())
    assert stage.outline({"model": "snn"})["model"] == "snn"
    with pytest.raises(
        RecipeError, match="needs a model, which no stage before it makes; put a stage 'train' before it"
    ):
        stage.outline({})
