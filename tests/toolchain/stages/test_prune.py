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
    for name, synapses in after.synapses().items():
        kept = round(0.3 * synapses.weight.numel())
        assert int(synapses.mask.sum()) == kept
        assert result.metrics["layers"][name]["kept"] == kept
    assert ("training" in result.metrics) == kind().learns == (run.folder / "epochs").exists()
    assert result.metrics["clean"] == run.evaluated(after)["clean"]
    assert set(result.artefacts) == {"model", "adversarial"}


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
