"""Every pruner decides on masks alone; uniform ones keep exactly the same share of every layer."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spikeport.export.errors import NetworkError
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.choices import kinds
from spikeport.toolchain.nn.layers import Synapses
from spikeport.toolchain.objectives.trades import Trades
from spikeport.toolchain.pruning.hydra import Hydra
from spikeport.toolchain.pruning.lwm import Lwm
from spikeport.toolchain.pruning.masks import layer_rates, set_masks
from spikeport.toolchain.pruning.pruner import Pruner
from spikeport.toolchain.pruning.random import Random
from spikeport.toolchain.pruning.scores import start_scores
from tests.strategies import cases
from tests.toolchain.networks import ann, generator, images, labels, snn
from tests.toolchain.training import small

KINDS = kinds(Pruner)
MODELS = {"ann": ann, "snn": snn}


def learn_nothing(parameters, **_):
    del parameters
    return {}


def masks_of(pruner, model, sparsity, learn=learn_nothing, seed=0):
    return pruner.masks(model, sparsity, learn, generator=generator(seed))


def counts(masks):
    return [int(mask.sum()) for mask in masks.values()]


def expected_counts(model, sparsity):
    return [max(1, round((1 - sparsity) * synapses.weight.numel())) for synapses in model.synapses().values()]


def same(masks, others):
    return all(torch.equal(mask, others[name]) for name, mask in masks.items())


def test_the_folder_holds_the_documented_pruners():
    assert set(KINDS) >= {"lwm", "hydra", "harp", "random"}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_every_pruner_trains_nothing_of_the_model_and_is_reproducible(kind, make, tmp_path):
    found = []
    for index in range(2):
        model, folder = make(), tmp_path / str(index)
        before = {name: value.detach().clone() for name, value in model.named_parameters()}

        def learn(parameters, model=model, folder=folder, **options):
            objective, data = Trades(attack=Fgsm()), small.dataset()
            options |= {"data": data, "objective": objective, "parameters": parameters, "epochs": 1}
            return small.trained(model, folder, **options).history

        found.append(masks_of(kind(), model, 0.7, learn))
        assert (tmp_path / "0").exists() == kind().learns
        assert {name for name, _ in model.named_parameters()} == before.keys()
        assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
        assert all(parameter.requires_grad for parameter in model.parameters())
        assert found[-1].keys() == model.synapses().keys()
        assert all(set(mask.unique().tolist()) <= {0.0, 1.0} for mask in found[-1].values())
    assert same(*found)


@given(sparsity=st.one_of(st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, 0.9, 0.99])))
@pytest.mark.parametrize("kind", [Lwm, Hydra, Random])
@cases(100)
def test_uniform_sparsity_is_met_exactly_in_every_layer(kind, sparsity):
    model = ann()
    assert counts(masks_of(kind(), model, sparsity)) == expected_counts(model, sparsity)


def test_lwm_keeps_the_largest_magnitudes():
    model = ann()
    masks = masks_of(Lwm(), model, 0.9)
    for name, synapses in model.synapses().items():
        kept = synapses.weight.abs()[masks[name] == 1]
        lost = synapses.weight.abs()[masks[name] == 0]
        assert kept.min() >= lost.max()


def test_random_draws_every_weight_alike():
    """Each weight of the readout is kept in about a share 0.25 of 400 draws, by the generator that is given."""
    model = ann()
    kept = sum(masks_of(Random(), model, 0.75, seed=seed)["projections.readout.0.synapses"] for seed in range(400))
    assert bool((kept > 60).all())
    assert bool((kept < 140).all())


def test_hydra_without_learning_is_lwm():
    assert same(masks_of(Hydra(), ann(), 0.8), masks_of(Lwm(), ann(), 0.8))


def test_hydra_learns_scores_and_leaves_weights():
    model = ann()
    weights = {name: synapses.weight.detach().clone() for name, synapses in model.synapses().items()}

    def learn(scores, **_):
        optimizer = torch.optim.SGD(scores, lr=0.5)
        for _ in range(5):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images()), labels()).backward()
            optimizer.step()

    masks = masks_of(Hydra(), model, 0.8, learn)
    assert counts(masks) == expected_counts(model, 0.8)
    assert not same(masks, masks_of(Lwm(), model, 0.8))
    for name, synapses in model.synapses().items():
        assert torch.equal(synapses.weight, weights[name])
        assert synapses.weight.requires_grad
        assert synapses.weight.grad is None
        assert synapses.scores is None


def test_weights_are_trainable_again_where_learning_fails():
    def learn(scores, **_):
        del scores
        raise KeyError

    model = ann()
    with pytest.raises(KeyError):
        masks_of(Hydra(), model, 0.8, learn)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_harmful_weight_is_pruned_whatever_its_sign():
    """Two weights, of which the larger only adds to the loss: learning the scores must drop it."""
    for sign in (1.0, -1.0):
        synapses = Synapses(1, 2)
        synapses.weight.data = torch.tensor([[0.5, sign]])
        synapses.scores, synapses.keep = nn.Parameter(synapses.weight.detach().clone()), 1
        for _ in range(20):
            loss = synapses(torch.tensor([[-2.0, sign]])).sum()
            (gradient,) = torch.autograd.grad(loss, synapses.scores)
            synapses.scores.data -= 0.02 * gradient
        assert synapses.connectivity().tolist() == [[1.0, 0.0]]


def test_score_gradient_passes_straight_through_the_mask():
    """dL/ds = dL/dW * W * sign(s) at every entry, kept or not (HYDRA's estimator: the mask follows |s|)."""
    model = ann()
    scores = start_scores(model)
    synapses = model.projections_into("readout")[0].synapses
    synapses.keep = 20
    torch.manual_seed(0)
    x, target = torch.randn(3, 8), torch.randn(3, 5)
    synapses(x).backward(target)
    expected = (target.T @ x) * synapses.weight.detach() * scores[-1].detach().sign()
    assert torch.allclose(scores[-1].grad, expected, atol=1e-6)


def test_masks_are_set_and_counted_per_layer():
    model = ann()
    set_masks(model, masks_of(Lwm(), model, 0.75))
    for name, synapses in model.synapses().items():
        assert int((synapses.weight != 0).sum()) == int(synapses.mask.sum()) == layer_rates(model)[name]["kept"]
    assert layer_rates(model)["projections.dense1.0.synapses"] == {"kept": 192, "weights": 768, "sparsity": 0.75}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda masks: masks.pop("projections.readout.0.synapses"),
            "the network's synaptic layers are projections.conv1",
        ),
        (
            lambda masks: masks.update({"projections.readout.0.synapses": torch.ones(3)}),
            r"is \(3,\); expected only 0 and 1",
        ),
        (lambda masks: masks["projections.readout.0.synapses"].fill_(0.5), r"expected only 0 and 1, \(5, 8\)"),
    ],
    ids=["missing", "shape", "values"],
)
def test_masks_that_do_not_fit_are_refused(change, message):
    model = ann()
    masks = masks_of(Lwm(), model, 0.5)
    change(masks)
    with pytest.raises(NetworkError, match=message):
        set_masks(model, masks)
