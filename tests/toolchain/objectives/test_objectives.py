"""Every objective with its defaults on both kinds of networks, and each against its equation."""

import numpy as np
import pytest
import torch

from spikeport.export.errors import TrainingError
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.losses.cross_entropy import CrossEntropy
from spikeport.toolchain.attacks.losses.divergence import Divergence
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.rfgsm import Rfgsm
from spikeport.toolchain.choices import kinds
from spikeport.toolchain.named_models import naming
from spikeport.toolchain.objectives.adversarial import Adversarial
from spikeport.toolchain.objectives.attacked import AttackedObjective
from spikeport.toolchain.objectives.e_rsct import ERsct
from spikeport.toolchain.objectives.mart import Mart, mart
from spikeport.toolchain.objectives.objective import Objective
from spikeport.toolchain.objectives.plain import Plain
from spikeport.toolchain.objectives.robust_kl import RobustKl
from spikeport.toolchain.objectives.tet import Tet
from spikeport.toolchain.objectives.trades import Trades
from tests.toolchain.networks import ann, generator, images, labels, snn

KINDS = kinds(Objective)
SPIKING = (Tet, ERsct)
"""Objectives of the steps of a spiking network."""
BOTH = [(kind, make) for kind in KINDS.values() for make in ([snn] if kind.SPIKING else [ann, snn])]
ATTACKED_OR_NOT = [(kind, snn if kind.SPIKING or kind in SPIKING else ann) for kind in KINDS.values()]


def probabilities(logits):
    values = np.exp(logits.detach().double().numpy())
    return values / values.sum(1, keepdims=True)


def kullback_leibler(p, q):
    return float((p * np.log(p / q)).sum(1).mean())


def cross_entropy(p):
    return float(-np.log(p[np.arange(len(p)), labels().numpy()]).mean())


def recorded(model):
    """Return the list of (input, logits, whether in training mode) of every call."""
    calls = []
    model.register_forward_hook(
        lambda _, given, logits: calls.append((given[0].detach(), logits.detach(), model.training))
    )
    return calls


def made(kind):
    return kind(teacher="dense") if kind is ERsct else kind()


@pytest.fixture(autouse=True)
def teacher():
    with naming({"dense": ann(5)}):
        yield


def loss_of(objective, model, seed=0):
    return objective(model, images(), labels(), generator=generator(seed))


def test_the_folder_holds_the_documented_objectives():
    assert set(KINDS) >= {"plain", "adversarial", "trades", "mart", "robust_kl", "threshold_guarding"}
    assert "AttackedObjective" not in KINDS


@pytest.mark.parametrize(("kind", "make"), BOTH, ids=lambda each: each.__name__)
def test_every_objective_gives_a_scalar_that_trains_every_parameter(kind, make):
    if make is ann and kind in SPIKING:
        with pytest.raises(TrainingError, match="is of the steps of a spiking network, not of ANN"):
            loss_of(made(kind), make().train())
        return
    model = make().train()
    loss = loss_of(made(kind), model)
    assert loss.total.shape == ()
    assert all(part.shape == () for part in loss.parts.values())
    assert loss.logits is None or loss.logits.shape == (6, 5)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    loss.total.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    again = loss_of(made(kind), make().train())
    assert torch.equal(loss.total, again.total)


@pytest.mark.parametrize(("kind", "make"), ATTACKED_OR_NOT, ids=lambda each: each.__name__)
def test_attacks_run_in_evaluation_mode_and_the_loss_in_training_mode(kind, make):
    model = make().train()
    calls = recorded(model)
    if kind in SPIKING:  # which ask for the outputs of every step
        loss_of(Adversarial(task=made(kind), attack=Pgd(steps=2)), model)
        assert [training for _, _, training in calls] == [False] * 2
        return
    loss_of(made(kind), model)
    modes = [training for _, _, training in calls]
    assert modes == sorted(modes)
    assert modes[-1]
    assert issubclass(kind, AttackedObjective) == (not modes[0])


def test_plain_is_cross_entropy():
    model = ann().train()
    calls = recorded(model)
    loss = loss_of(Plain(), model)
    assert loss.total.item() == pytest.approx(cross_entropy(probabilities(calls[0][1])), rel=1e-5)
    assert torch.equal(loss.logits, calls[0][1])


def test_adversarial_is_cross_entropy_of_attacked_images_alone():
    model = ann().train()
    calls = recorded(model)
    loss = loss_of(Adversarial(epsilon=8, attack=Pgd(steps=3)), model)
    assert len(calls) == 3 + 1
    (pixels, logits, _) = calls[-1]
    assert 0 < (pixels - images()).abs().max() <= 8 / 255 + 1e-6
    assert loss.total.item() == pytest.approx(cross_entropy(probabilities(logits)), rel=1e-5)


@pytest.mark.parametrize("direction", ["attacked||clean", "clean||attacked"])
@pytest.mark.parametrize(
    ("kind", "weight", "make", "attack"),
    [(Trades, "regularization", ann, Pgd(steps=3)), (RobustKl, "beta", snn, Rfgsm())],
    ids=["trades", "robust_kl"],
)
def test_regularized_losses_are_cross_entropy_plus_the_divergence(kind, weight, make, attack, direction):
    model = make().train()
    calls = recorded(model)
    loss = loss_of(kind(epsilon=8, attack=attack, direction=direction, **{weight: 3.0}), model)
    (clean_images, clean, _), (attacked_images, attacked, _) = calls[-2:]
    assert torch.equal(clean_images, images())
    assert 0 < (attacked_images - clean_images).abs().max() <= 8 / 255 + 1e-6
    p = {"clean": probabilities(clean), "attacked": probabilities(attacked)}
    first, second = direction.split("||")
    expected = cross_entropy(p["clean"]) + 3 * kullback_leibler(p[first], p[second])
    assert loss.total.item() == pytest.approx(expected, rel=1e-4)
    assert loss.parts["divergence"].item() == pytest.approx(kullback_leibler(p[first], p[second]), rel=1e-3)
    assert loss.parts["clean"].item() == pytest.approx(cross_entropy(p["clean"]), rel=1e-4)


def test_mart_is_boosted_cross_entropy_plus_a_divergence_weighted_by_the_clean_miss():
    model = ann().train()
    calls = recorded(model)
    loss = loss_of(Mart(epsilon=8, attack=Pgd(steps=3), regularization=3.0), model)
    p, q = (probabilities(logits) for _, logits, _ in calls[-2:])
    rows = np.arange(len(p)), labels().numpy()
    wrong = np.where(np.eye(5, dtype=bool)[labels().numpy()], 0, q).max(1)
    boosted = float((-np.log(q[rows]) - np.log(1 - wrong)).mean())
    divergence = float(((1 - p[rows]) * (p * np.log(p / q)).sum(1)).mean())
    assert loss.parts["boosted"].item() == pytest.approx(boosted, rel=1e-5)
    assert loss.parts["divergence"].item() == pytest.approx(divergence, rel=1e-3)
    assert loss.total.item() == pytest.approx(boosted + 3 * divergence, rel=1e-4)
    assert torch.equal(loss.logits, calls[-2][1])


def test_mart_is_finite_with_finite_gradients_whatever_the_margin():
    logits = torch.tensor([[0.0, 200.0, -200.0], [300.0, 0.0, 0.0]], requires_grad=True)
    loss = mart(logits, logits.flip(1), torch.tensor([0, 2]), 5.0).total
    loss.backward()
    assert torch.isfinite(loss)
    assert bool(torch.isfinite(logits.grad).all())
    assert loss > 100


def test_defaults_are_those_of_the_paper():
    assert Trades().direction == "clean||attacked"
    assert Trades().regularization == 2
    assert (Trades().attack.steps, Trades().attack.step_size) == (10, 2.5)
    assert Mart().regularization == 5
    assert Mart().attack.steps == 10
    assert RobustKl().direction == "attacked||clean"
    assert RobustKl().beta == 2
    assert RobustKl().attack == Rfgsm(alpha=0.5)


@pytest.mark.parametrize(
    ("objective", "inner"),
    [
        (Adversarial(), CrossEntropy()),
        (Mart(), CrossEntropy()),
        (Trades(), Divergence(direction="clean||attacked")),
        (RobustKl(), Divergence(direction="attacked||clean")),
        (RobustKl(direction="clean||attacked"), Divergence(direction="clean||attacked")),
    ],
    ids=repr,
)
def test_the_attack_raises_what_the_objective_holds_down(objective, inner):
    assert objective.inner() == inner
    assert objective.attack.raising(objective.inner()).objective == inner


def test_an_attack_with_an_objective_of_its_own_keeps_it():
    model, seen = ann().train(), []

    class Noted(CrossEntropy, frozen=True, kw_only=True, tag="noted"):
        def __call__(self, logits, labels, clean=None):
            seen.append(clean)
            return super().__call__(logits, labels, clean)

    loss_of(Trades(attack=Fgsm(objective=Noted())), model)
    assert seen == [None]
