"""The stage that trains: new networks, those that come in, sparse from the start, with rounded weights."""

from pathlib import Path

import msgspec
import pytest
import torch

from spikeport.export.errors import RecipeError
from spikeport.toolchain import checkpoint
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.architectures.vgg import Vgg
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.objectives.robust_kl import RobustKl
from spikeport.toolchain.pruning.lwm import Lwm
from spikeport.toolchain.pruning.masks import set_masks
from spikeport.toolchain.stages.train import Train
from spikeport.toolchain.training.settings import Training
from tests.toolchain.networks import IMAGES, generator
from tests.toolchain.stages.one_run import TRAINING, run_in
from tests.toolchain.training.small import same, state


def stage(**fields):
    return Train(name="dense", **{"training": Training(**TRAINING)} | fields)


def written(model, folder):
    checkpoint.write(model, folder / "in.safetensors")
    return {"model": folder / "in.safetensors"}


@pytest.mark.parametrize(("model", "kind"), [(None, ANN), ("ann", ANN), ("snn", SNN)])
def test_a_network_is_made_trained_and_measured(model, kind, tmp_path):
    run = run_in(tmp_path)
    result = stage(model=model).run(run, {})
    trained = checkpoint.read(result.artefacts["model"])
    assert isinstance(trained, kind)
    assert set(result.artefacts) == {"model", "adversarial"}
    assert all(path.is_file() for path in result.artefacts.values())
    assert result.metrics["clean"] == run.evaluated(trained)["clean"]
    assert result.metrics["training"]["best_epoch"] in {1, 2}
    assert result.metrics["training"]["clean"] > 0.2
    assert {path.name for path in tmp_path.iterdir()} >= {"epochs", "log.csv", "model.safetensors", "adversarial.npz"}


def test_equal_seeds_make_equal_networks_and_others_do_not(tmp_path):
    found = []
    for index, seed in enumerate((5, 5, 6)):
        torch.manual_seed(index)
        path = stage().run(run_in(tmp_path / str(index), seed=seed), {}).artefacts["model"]
        found.append(state(checkpoint.read(path)))
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


@pytest.mark.parametrize("kind", ["ann", "snn"])
def test_the_network_that_comes_in_is_finetuned_under_its_masks_and_it_is_said(kind, tmp_path, capfd):
    run = run_in(tmp_path / "out")
    torch.manual_seed(0)
    model = ANN(run.specification()) if kind == "ann" else SNN(run.specification(), run.recipe.spiking)
    set_masks(model, Lwm().masks(model, 0.8, None, generator=generator()))
    result = stage(objective=RobustKl(attack=Fgsm())).run(run, written(model, tmp_path))
    said = f"dense: finetunes the weights of stage {tmp_path.name!r}, under its masks"
    assert capfd.readouterr().err.splitlines()[0] == said
    trained = checkpoint.read(result.artefacts["model"])
    assert type(trained) is type(model)
    for (name, now), before in zip(trained.synapses().items(), model.synapses().values(), strict=True):
        assert torch.equal(now.mask, before.mask)
        assert torch.equal(now.weight == 0, before.mask == 0)
        assert not torch.equal(now.weight, before.weight)
        assert result.metrics["layers"][name]["sparsity"] == pytest.approx(0.8, abs=0.03)


def test_a_new_network_is_made_where_the_stage_asks_for_one(tmp_path):
    run = run_in(tmp_path / "out")
    result = stage(model="snn").run(run, written(ANN(run.specification()), tmp_path))
    assert isinstance(checkpoint.read(result.artefacts["model"]), SNN)


def test_random_connectivity_is_sparse_from_the_start(tmp_path):
    result = stage(model="snn", connectivity="random", sparsity=0.75).run(run_in(tmp_path), {})
    model = checkpoint.read(result.artefacts["model"])
    for synapses in model.synapses().values():
        assert int((synapses.weight != 0).sum()) == int(synapses.mask.sum()) == round(0.25 * synapses.mask.numel())
    torch.manual_seed(5)
    dense = SNN(run_in(tmp_path).specification(), run_in(tmp_path).recipe.spiking)
    magnitudes = Lwm().masks(dense, 0.75, None, generator=generator())
    assert any(not torch.equal(each.mask, magnitudes[name]) for name, each in model.synapses().items())


def test_the_connectivity_of_a_pruned_ann_starts_an_snn_with_new_weights(tmp_path):
    run = run_in(tmp_path / "out")
    torch.manual_seed(0)
    pruned = ANN(run.specification())
    set_masks(pruned, Lwm().masks(pruned, 0.75, None, generator=generator()))
    result = stage(model="snn", connectivity="incoming").run(run, written(pruned, tmp_path))
    model = checkpoint.read(result.artefacts["model"])
    assert isinstance(model, SNN)
    for name, synapses in model.synapses().items():
        mask = pruned.synapses()[name].mask
        assert torch.equal(synapses.mask, mask)
        assert torch.equal(synapses.weight != 0, mask == 1)
        assert not torch.equal(synapses.weight, pruned.synapses()[name].weight)


def test_the_connectivity_of_a_dense_network_is_refused(tmp_path):
    run = run_in(tmp_path / "out")
    with pytest.raises(
        RecipeError, match=r'"incoming": the network that comes in is dense; put a stage .prune. before'
    ):
        stage(model="snn", connectivity="incoming").run(run, written(ANN(run.specification()), tmp_path))


def test_a_new_sparse_network_starts_from_weights_of_the_stage_alone(tmp_path):
    """Without an epoch: the weights of the seed, under the masks of what came in; thresholds are 1."""
    run = run_in(tmp_path / "out")
    torch.manual_seed(0)
    pruned = ANN(run.specification())
    set_masks(pruned, Lwm().masks(pruned, 0.75, None, generator=generator()))
    none = Training(**TRAINING | {"epochs": 0})
    fields = {"model": "snn", "training": none}
    sparse = stage(connectivity="incoming", **fields).run(run, written(pruned, tmp_path)).artefacts["model"]
    dense = stage(**fields).run(run_in(tmp_path / "dense"), {}).artefacts["model"]
    first, second = checkpoint.read(sparse), checkpoint.read(dense)
    for name, synapses in first.synapses().items():
        assert torch.equal(synapses.weight, second.synapses()[name].weight * pruned.synapses()[name].mask)
    assert [float(neurons.threshold.detach()) for neurons in first.neuron_list()] == [1.0] * len(first.neuron_list())


@pytest.mark.parametrize("kind", ["ann", "snn"])
def test_weight_bits_round_the_weights_of_every_forward_pass_and_keep_statistics(kind, tmp_path):
    run = run_in(tmp_path / "out")
    torch.manual_seed(0)
    model = ANN(run.specification()) if kind == "ann" else SNN(run.specification(), run.recipe.spiking)
    result = stage(weight_bits=3).run(run, written(model, tmp_path))
    trained = checkpoint.read(result.artefacts["model"])
    for name, value in trained.state_dict().items():
        if "running" in name:
            assert torch.equal(value, model.state_dict()[name])
    before = run.evaluated(trained)
    trained.round_weights(3)
    assert result.metrics["clean"] == run.evaluated(trained)["clean"]
    assert before.keys() == {"clean", "robust"}


class Known(Vgg, frozen=True, kw_only=True, tag="known"):
    """An architecture whose weights are trained already."""

    def weights(self):
        torch.manual_seed(77)
        return ANN(self.specification(IMAGES)).state_dict()


class Torn(Known, frozen=True, kw_only=True, tag="torn"):
    """One whose weights are of something else."""

    def weights(self):
        return {name: value for name, value in super().weights().items() if "dense1" not in name} | {
            "more": torch.ones(1)
        }


@pytest.mark.parametrize("model", ["ann", "snn"])
def test_trained_weights_of_an_architecture_are_taken(model, tmp_path):
    network = Known(plan=(4, "P", 6), head=(8,))
    none = Training(**TRAINING | {"epochs": 0})
    result = stage(model=model, training=none).run(run_in(tmp_path, network=network), {})
    found = state(checkpoint.read(result.artefacts["model"]))
    assert all(torch.equal(found[name], value) for name, value in network.weights().items())
    with pytest.raises(RecipeError, match=r"its trained weights lack \['projections.dense1.*more'\]"):
        stage(model=model).run(run_in(tmp_path / "torn", network=Torn(plan=(4, "P", 6), head=(8,))), {})


@pytest.mark.parametrize(
    ("fields", "available", "expected"),
    [
        ({}, {}, "ann"),
        ({"model": "snn"}, {}, "snn"),
        ({}, {"model": "snn"}, "snn"),
        ({"model": "ann"}, {"model": "snn"}, "ann"),
    ],
)
def test_outline_says_what_kind_of_model_comes_out(fields, available, expected):
    assert stage(**fields).outline(available)["model"] == expected


def test_settings_that_contradict_each_other_are_named():
    assert [key for key, _ in stage(sparsity=0.5).faults()] == ["sparsity"]
    assert [key for key, _ in stage(connectivity="random").faults()] == ["sparsity"]
    assert list(stage(connectivity="random", sparsity=0.5).faults()) == []
    assert [key for key, _ in stage(connectivity="incoming", sparsity=0.5).faults()] == ["sparsity"]
    with pytest.raises(RecipeError, match='connectivity = "incoming" is of a new network, and one comes in'):
        stage(connectivity="incoming").outline({"model": "ann"})
    with pytest.raises(RecipeError, match="needs a model, which no stage before it makes"):
        stage(model="snn", connectivity="incoming").outline({})
    with pytest.raises(RecipeError, match='connectivity = "random" is of a new network, and one comes in'):
        stage(connectivity="random", sparsity=0.5).outline({"model": "ann"})


def test_a_stage_is_a_table_of_a_recipe():
    table = {"stage": "train", "name": "dense", "training": {"epochs": 1, "learning_rate": 0.1}}
    assert msgspec.convert(table, Train) == Train(name="dense", training=Training(epochs=1, learning_rate=0.1))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "trains a new ANN from random weights of seed 7"),
        ({"model": "snn"}, "trains a new SNN from random weights of seed 7"),
        (
            {"connectivity": "random", "sparsity": 0.9},
            "from random weights of seed 7, 90% of its synapses absent at random",
        ),
        ({"model": "snn", "connectivity": "incoming"}, "random weights of seed 7, with the masks of stage 'hydra'"),
    ],
)
def test_where_new_weights_come_from(settings, said):
    stage = Train(name="x", training=Training(epochs=1, learning_rate=0.1), **settings)
    assert stage._origin({"model": Path("run/hydra/model.safetensors")}, 7, read=False).endswith(said)
    assert "the weights of the network's file" in stage._origin({"model": Path("a/b")}, 7, read=True)
