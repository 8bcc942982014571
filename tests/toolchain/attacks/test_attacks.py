"""Every attack with every loss and gradient on every kind of network: in the ball, reproducible, no weight touched."""

from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.attack import Attack, checked
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.gradients.gradient import Gradient, frozen
from spikeport.toolchain.attacks.gradients.surrogate import OtherSurrogate
from spikeport.toolchain.attacks.losses.divergence import Divergence
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.attacks.losses.margin import Margin
from spikeport.toolchain.attacks.noise import rows, uniform
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.rfgsm import Rfgsm
from spikeport.toolchain.choices import kinds
from tests.strategies import cases
from tests.toolchain.networks import ann, generator, images, labels, snn

EPSILON = 8 / 255
MODELS = {"ann": ann, "snn": snn}
SHORT = {
    "apgd": {"steps": 5, "targets": 2},
    "square": {"queries": 20},
    "expectation": {"draws": 2},
}
"""Settings that make a choice fast."""
ATTACKS, LOSSES, GRADIENTS = (
    {name: kind(**SHORT.get(name, {})) for name, kind in kinds(base).items() if name != "transfer"}
    for base in (Attack, AttackLoss, Gradient)
)
"""All but 'transfer', which needs a file."""
CLIMBING = {name: attack for name, attack in ATTACKS.items() if attack.NEEDS_GRADIENT}


SPIKING = {"surrogate", "rate", "rate_approximation", "conversion"}
PAIRS = {
    f"{model}-{name}": (make, gradient)
    for model, make in MODELS.items()
    for name, gradient in GRADIENTS.items()
    if model == "snn" or name not in SPIKING
}
"""Networks with the gradients that they have: an ANN has no spiking neurons to exchange."""


def attacked(attack, model, clean, epsilon=EPSILON, seed=0):
    return attack(model, clean, labels(len(clean)), epsilon=epsilon, generator=generator(seed))


def with_fields(attack, **fields):
    return type(attack)(**{name: getattr(attack, name) for name in attack.__struct_fields__} | fields)


def cross_entropy(model, pixels):
    with torch.no_grad():
        return functional.cross_entropy(model(pixels), labels(len(pixels)))


def test_the_folders_hold_the_documented_choices():
    assert set(ATTACKS) >= {"fgsm", "rfgsm", "pgd", "apgd", "square"}
    assert set(LOSSES) >= {"cross_entropy", "margin", "divergence", "dlr", "targeted_dlr"}
    assert set(GRADIENTS) >= {"trained", "expectation"} | SPIKING


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("attack", CLIMBING.values(), ids=CLIMBING)
@pytest.mark.parametrize(("make", "gradient"), PAIRS.values(), ids=PAIRS)
def test_every_attack_with_gradients_runs_with_every_loss_and_gradient(attack, gradient, loss, make):
    model, clean = make().eval(), images(8)
    attack = with_fields(attack, objective=loss, gradient=gradient)
    found = attacked(attack, model, clean)
    assert found.images.shape == clean.shape
    assert not found.images.requires_grad
    flat = isinstance(attack, Fgsm) and isinstance(loss, Divergence)  # least at the clean image, where FGSM looks
    assert (0 if flat else 1e-6) <= (found.images - clean).abs().max() <= EPSILON + 1e-7
    with torch.no_grad():
        assert torch.equal(found.success, model(found.images).argmax(1) != labels(8))
    assert torch.equal(found.images, attacked(attack, model, clean).images)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_every_attack_raises_the_loss_and_leaves_the_model_as_it_is(attack, make):
    model, clean = make().eval(), images(8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = attacked(attack, model, clean)
    assert cross_entropy(model, found.images) > cross_entropy(model, clean)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("layer", [nn.BatchNorm2d(2), nn.Dropout()], ids=repr)
def test_a_network_in_training_mode_is_refused_where_the_mode_matters(attack, layer):
    model = nn.Sequential(layer, nn.Flatten(), nn.Linear(128, 5)).train()
    with pytest.raises(AttackError, match=r"layer 0 \(\w+\) is in training mode, .* call model.eval\(\) first"):
        attacked(attack, model, images(8))
    attacked(attack, model.eval(), images(8))
    attacked(attack, model[1:].train(), images(8))
    assert model[1].training


@pytest.mark.parametrize("attack", CLIMBING.values(), ids=CLIMBING)
def test_a_network_without_a_gradient_is_refused(attack):
    with pytest.raises(AttackError, match="Rounded has no gradient by the pixels; use the attack 'square'"):
        attacked(attack, Rounded(), images(8))
    with pytest.raises(AttackError, match="function is no PyTorch network; use 'square', which needs scores alone"):
        attacked(attack, lambda pixels: pixels.flatten(1)[:, :5], images(8))


class Rounded(nn.Module):
    def forward(self, x):
        return (x.flatten(1)[:, :5] * 255).detach().round()


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("wrong", [-1, 5, 100])
def test_labels_that_are_no_classes_are_refused(attack, wrong):
    truth = labels(4)
    truth[2] = wrong
    with pytest.raises(AttackError, match=r"labels reach from .*; the network has classes 0 to 4"):
        attack(ann().eval(), images(4), truth, epsilon=EPSILON, generator=generator())


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_epsilon_zero_gives_the_images_back(attack):
    assert torch.equal(attacked(attack, ann().eval(), images(8), epsilon=0.0).images, images(8))


@given(
    name=st.sampled_from(sorted(ATTACKS)),
    epsilon=st.one_of(st.floats(0, 1), st.sampled_from([1 / 255, 1e-9, 1.0])),
    seed=st.integers(0, 2**32 - 1),
    ends=st.booleans(),
)
@cases(200)
def test_images_stay_in_the_ball_and_in_range_for_any_epsilon(name, epsilon, seed, ends):
    clean = torch.rand(4, 2, 3, 3, generator=generator(seed))
    clean = clean.round() if ends else clean
    model = nn.Sequential(nn.Flatten(), nn.Linear(18, 5))
    found = ATTACKS[name](model, clean, torch.zeros(4, dtype=torch.int64), epsilon=epsilon, generator=generator(seed))
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    assert bool((found.images <= clean + epsilon).all())
    assert bool((found.images >= clean - epsilon).all())


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_attack_does_not_depend_on_the_number_of_threads_or_on_the_global_generator(attack):
    model, clean, threads = ann().eval(), images(8), torch.get_num_threads()
    found = []
    for number in (1, 3):
        torch.set_num_threads(number)
        torch.manual_seed(number)
        found.append(attacked(attack, model, clean).images)
    torch.set_num_threads(threads)
    assert torch.equal(*found)


class Watched(torch.autograd.Function):
    """``x * w`` that notes whether the gradient of the weight was asked for."""

    asked: ClassVar[list[bool]] = []

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(weight)
        return x * weight

    @staticmethod
    def backward(ctx, gradient):
        Watched.asked.append(ctx.needs_input_grad[1])
        (weight,) = ctx.saved_tensors
        return gradient * weight, gradient.sum() if ctx.needs_input_grad[1] else None


class Weighted(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return Watched.apply(x.flatten(1)[:, :2], self.weight)


@pytest.mark.parametrize("attack", CLIMBING.values(), ids=CLIMBING)
def test_no_gradient_of_a_weight_is_computed(attack, monkeypatch):
    monkeypatch.setattr(Watched, "asked", [])
    model = Weighted()
    attack(model, torch.full((2, 4), 0.5), torch.tensor([0, 1]), epsilon=0.1, generator=generator())
    assert Watched.asked
    assert not any(Watched.asked)
    model(torch.ones(2, 4)).sum().backward()
    assert Watched.asked[-1]


def test_parameters_are_trainable_again_after_an_error():
    model = ann()
    model.projections_into("readout")[0].synapses.weight.requires_grad_(False)
    before = [parameter.requires_grad for parameter in model.parameters()]
    with frozen(model):
        assert not any(parameter.requires_grad for parameter in model.parameters())
    assert [parameter.requires_grad for parameter in model.parameters()] == before
    with pytest.raises(AttackError):
        attacked(Fgsm(), nn.Sequential(model, Broken()), images(4))
    assert [parameter.requires_grad for parameter in model.parameters()] == before


class Linear(nn.Module):
    """Gradient known by hand: logits (w x, 0); class 1 is the label, so an attack raises w x."""

    def forward(self, x):
        return torch.stack([(x * torch.tensor([1.0, -1.0, 2.0, -2.0])).sum(1), torch.zeros(len(x))], 1)


def moved(attack, count=3):
    middle, ones = torch.full((count, 4), 0.5), torch.ones(count, dtype=torch.int64)
    found = attack(Linear(), middle, ones, epsilon=0.1, generator=generator())
    return (found.images - middle) * torch.tensor([1.0, -1.0, 1.0, -1.0])


@pytest.mark.parametrize("attack", [Fgsm(), Pgd(), Pgd(start="normal"), Pgd(start="none", restarts=2)], ids=repr)
def test_attack_reaches_the_corner_of_the_ball(attack):
    assert torch.allclose(moved(attack), torch.tensor(0.1), atol=1e-6)


@pytest.mark.parametrize(("alpha", "values"), [(0.5, (0.1, 0.0)), (0.25, (0.1, 0.05)), (0.0, (0.1, 0.1))])
def test_rfgsm_moves_by_alpha_at_random_and_by_the_rest_along_the_gradient(alpha, values):
    found = moved(Rfgsm(alpha=alpha), 50)
    close = [torch.isclose(found, torch.tensor(value), atol=1e-6) for value in values]
    assert torch.all(close[0] | close[1])
    assert alpha == 0 or 0.3 < close[0].float().mean() < 0.7


def test_step_size_of_pgd_is_in_units_of_epsilon_over_steps():
    assert torch.allclose(moved(Pgd(steps=4, step_size=2.0, start="none")), torch.tensor(0.1), atol=1e-6)
    assert torch.allclose(moved(Pgd(steps=4, step_size=0.5, start="none")), torch.tensor(0.05), atol=1e-6)


def test_restarts_keep_the_largest_loss_of_each_image():
    model, clean = snn().eval(), images(8)
    losses = []
    for restarts in (1, 2, 5):
        found = attacked(Pgd(steps=2, restarts=restarts, keep="objective"), model, clean).images
        with torch.no_grad():
            losses.append(functional.cross_entropy(model(found), labels(8), reduction="none"))
    assert bool((losses[1] >= losses[0]).all())
    assert bool((losses[2] >= losses[1]).all())
    assert losses[2].sum() > losses[0].sum()


@given(seed=st.integers(0, 2**32 - 1))
@cases(50)
def test_every_restart_keeps_what_is_classified_wrongly(seed):
    model, clean = ann(seed).eval(), images(8, seed)
    broken = [attacked(Pgd(steps=1, restarts=n), model, clean, 0.02, seed).success for n in (1, 2, 4)]
    assert bool((broken[1] >= broken[0]).all())
    assert bool((broken[2] >= broken[1]).all())


@pytest.mark.parametrize("direction", ["attacked||clean", "clean||attacked"])
def test_divergence_binds_the_clean_logits_once(direction):
    model, calls = ann().eval(), []
    model.register_forward_hook(lambda _, given, __: calls.append(given[0].detach().clone()))
    attack = Pgd(steps=3, objective=Divergence(direction=direction))
    attack.perturb(model, images(8), labels(8), epsilon=EPSILON, generator=generator())
    assert len(calls) == 1 + 3
    assert torch.equal(calls[0], images(8))


def test_an_attack_keeps_the_objective_that_it_names():
    assert Pgd().raising(Margin()).objective == Margin()
    assert Pgd(objective=Divergence()).raising(Margin()).objective == Divergence()


class Exchanging(nn.Module):
    """Notes which surrogate is in force when it runs, as a spiking network has them."""

    def __init__(self):
        super().__init__()
        self.inforce, self.seen = "own", []

    def surrogate(self, surrogate):
        return Exchange(self, surrogate)

    def forward(self, x):
        self.seen.append(self.inforce)
        return x.flatten(1)[:, :2]


class Exchange:
    def __init__(self, model, surrogate):
        self.model, self.surrogate = model, surrogate

    def __enter__(self):
        self.model.inforce = self.surrogate

    def __exit__(self, *_):
        self.model.inforce = "own"


def test_surrogate_is_exchanged_while_the_attack_differentiates():
    gradient, model = OtherSurrogate(), Exchanging()
    attack = Pgd(steps=2, gradient=gradient, objective=Divergence())
    attack(model, torch.rand(2, 4), torch.tensor([0, 1]), epsilon=0.1, generator=generator())
    assert model.seen == ["own", gradient.surrogate, gradient.surrogate, "own"]


def test_surrogate_of_a_network_without_one_is_refused():
    with pytest.raises(AttackError, match=r"needs a spiking network, not ANN; use kind = "):
        attacked(Fgsm(gradient=OtherSurrogate()), ann().eval(), images(4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": 8.0}, "epsilon is 8.0; expected 0 to 1"),
        ({"epsilon": -0.1}, "epsilon is -0.1"),
        ({"images": images(4) * 255}, r"images reach from .* to 255; expected pixels in \[0, 1\]"),
        ({"images": images(4) - 0.5}, "images reach from -0.5"),
        ({"images": images(4) * torch.nan}, "images reach from nan"),
        ({"images": images(4).int()}, "found images torch.int32"),
        ({"labels": labels(3)}, r"labels \(3,\); expected"),
        ({"labels": labels(4) + 5}, "labels reach from"),
    ],
)
def test_wrong_input_is_refused(change, message):
    given_ = {"images": images(4), "labels": labels(4), "epsilon": 0.1} | change
    with pytest.raises(AttackError, match=message):
        Fgsm()(ann().eval(), given_["images"], given_["labels"], epsilon=given_["epsilon"], generator=generator())


@pytest.mark.parametrize("value", [0.62, 1.01, -0.01, torch.nan])
def test_an_attack_that_leaves_the_ball_is_caught(value):
    clean = torch.full((2, 3), 0.5)
    found = clean.clone()
    found[1, 2] = value
    with pytest.raises(AttackError, match=r"attack 'mine': 1 pixels of 6 lie outside of the ball of radius 0.1"):
        checked(found, clean, 0.1, "mine")


def test_a_network_of_no_numbers_is_named():
    with pytest.raises(AttackError, match=r"attack 'fgsm': the model's loss or its gradient by the pixels is NaN"):
        attacked(Fgsm(), nn.Sequential(nn.Flatten(), nn.LogSigmoid(), Broken()), images(4))


class NoNumber(AttackLoss, frozen=True, kw_only=True, tag="no number"):
    def __call__(self, logits, labels, clean=None):
        del labels, clean
        return logits[:, 0] + torch.nan


def test_a_loss_that_is_no_number_is_named_where_its_gradient_is_one():
    with pytest.raises(AttackError, match=r"the model's loss or its gradient by the pixels is NaN"):
        attacked(Fgsm(objective=NoNumber()), ann().eval(), images(4))


class Broken(nn.Module):
    def forward(self, x):
        return x * torch.nan


def test_rows_of_a_batch_are_drawn_as_in_the_whole_batch():
    whole = uniform(torch.empty(10, 3), generator(7))
    for first, last in ((0, 4), (4, 9), (9, 10)):
        part = uniform(torch.empty(last - first, 3), rows(7, first, 10))
        assert torch.equal(part, whole[first:last])


@given(
    name=st.sampled_from(sorted(ATTACKS)),
    seed=st.integers(0, 2**32 - 1),
    cut=st.integers(1, 7),
    epsilon=st.sampled_from([0.01, 0.05, 0.3]),
)
@cases(100)
def test_a_batch_in_parts_is_attacked_as_the_whole_batch(name, seed, cut, epsilon):
    """In double precision, where the order of additions of another batch size is too small to turn a sign."""
    model, clean, truth = nn.Sequential(nn.Flatten(), nn.Linear(128, 5)).double(), images(8, seed).double(), labels(8)
    whole = ATTACKS[name](model, clean, truth, epsilon=epsilon, generator=rows(seed, 0, 8)).images
    parts = [
        ATTACKS[name](model, clean[part], truth[part], epsilon=epsilon, generator=rows(seed, part.start, 8)).images
        for part in (slice(0, cut), slice(cut, 8))
    ]
    assert torch.allclose(torch.cat(parts), whole, atol=1e-12)


class ByHand(nn.Module):
    """Two classes: ``z_1 - z_0 = w x + b``; the l1 norm of ``w`` says how far a pixel can move it."""

    def __init__(self, seed):
        super().__init__()
        self.weight = torch.randn(8, generator=generator(seed), dtype=torch.float64)
        self.bias = torch.randn((), generator=generator(seed), dtype=torch.float64)

    def margin(self, x):
        return x.flatten(1) @ self.weight + self.bias - self.weight.sum() / 2

    def forward(self, x):
        return torch.stack([-self.margin(x) / 2, self.margin(x) / 2], 1)


@pytest.mark.parametrize("attack", [Fgsm(), Pgd(), ATTACKS["apgd"]], ids=repr)
@given(seed=st.integers(0, 2**32 - 1), epsilon=st.floats(0.01, 0.3))
@cases(50)
def test_robust_accuracy_of_a_linear_network_is_the_closed_form(attack, seed, epsilon):
    """Robust where ``|w x + b| > eps ||w||_1``, for pixels that stay in [0, 1]."""
    model = ByHand(seed)
    clean = 0.3 + 0.4 * torch.rand(64, 1, 2, 4, generator=generator(seed), dtype=torch.float64)
    truth = (model.margin(clean) > 0).long()
    found = attack(model, clean, truth, epsilon=epsilon, generator=generator(seed))
    expected = model.margin(clean).abs() <= epsilon * model.weight.abs().sum()
    sure = (model.margin(clean).abs() - epsilon * model.weight.abs().sum()).abs() > 1e-9
    assert torch.equal(found.success[sure], expected[sure])
