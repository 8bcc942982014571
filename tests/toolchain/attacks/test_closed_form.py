"""A linear network, whose robust accuracy has a closed form: attacks by gradients are exact, image by image."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spikeport.toolchain.analysis.obfuscation import obfuscation
from spikeport.toolchain.analysis.settings import Checks
from spikeport.toolchain.attacks.apgd import Apgd
from spikeport.toolchain.attacks.ensemble import Member
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.losses.dlr import Dlr
from spikeport.toolchain.attacks.losses.margin import Margin
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.square import Square
from spikeport.toolchain.evaluation import attacked
from tests.strategies import cases
from tests.toolchain.networks import generator

ATTACKS = {
    "fgsm": Fgsm(),
    "pgd": Pgd(),
    "pgd-margin": Pgd(steps=3, objective=Margin()),
    "apgd": Apgd(steps=20),
}
NEAR = 1e-9
"""A margin this small is rounding."""


def network(seed, pixels, classes=2):
    """Return a linear network in double precision and images of 8 bits with random labels."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(pixels, classes)).double().eval()
    images = torch.randint(0, 256, (40, 1, 1, pixels), generator=generator(seed)).double() / 255
    return model, images, torch.randint(0, classes, (40,), generator=generator(seed + 1))


def worst_margin(model, images, labels, epsilon):
    """Return the largest margin of the other class in the ball, by the end of every pixel's interval that raises it."""
    weight = model[1].weight[1 - labels] - model[1].weight[labels]
    bias = model[1].bias[1 - labels] - model[1].bias[labels]
    low, high = ((images + side * epsilon).clamp(0, 1).flatten(1) for side in (-1, 1))
    return (torch.maximum(weight * low, weight * high).sum(1) + bias).detach()


@given(
    st.sampled_from(sorted(ATTACKS)),
    st.integers(0, 2**31),
    st.integers(1, 30),
    st.one_of(st.floats(0.001, 1), st.sampled_from([1 / 255, 8 / 255, 1.0])),
)
@cases(200)
def test_two_classes_are_attacked_exactly(name, seed, pixels, epsilon):
    model, images, labels = network(seed, pixels)
    worst = worst_margin(model, images, labels, epsilon)
    found = attacked(model, images, labels, attack=ATTACKS[name], epsilon=epsilon, generator=generator(seed))
    decided = worst.abs() > NEAR
    right = model(images).argmax(1) == labels
    assert torch.equal(found.success[decided & right], (worst > 0)[decided & right])


@pytest.mark.parametrize("attack", [*ATTACKS.values(), Apgd(steps=10, objective=Dlr()), Square(queries=50)])
@pytest.mark.parametrize("seed", range(3))
def test_no_attack_is_stronger_than_the_closed_form_allows(attack, seed):
    """With more classes a cross-entropy's gradient goes for no single one, so an attack may leave more."""
    model, images, labels = network(seed, 12, classes=5)
    found = attacked(model, images, labels, attack=attack, epsilon=0.1, generator=generator(seed))
    weight, bias = model[1].weight.detach(), model[1].bias.detach()
    low, high = ((images + side * 0.1).clamp(0, 1).flatten(1)[:, None] for side in (-1, 1))
    against = weight[None] - weight[labels][:, None]
    worst = torch.maximum(against * low, against * high).sum(2) + bias[None] - bias[labels][:, None]
    robust = worst.scatter(1, labels[:, None], -torch.inf).amax(1) < -NEAR
    assert not found.success[robust].any()


def test_a_sweep_of_epsilons_is_the_closed_form_at_every_one():
    model, images, labels = network(3, 20)
    labels = model(images).argmax(1)
    found = obfuscation(
        model, images, labels, members=[Member(name="pgd", attack=Pgd())], title="PGD-10", epsilon=8,
        checks=Checks(iterations=(5, 10), epsilons=(1, 2, 4, 16, 32, 64), queries=5, samples=5),
    )  # fmt: skip
    for point in found.epsilons:
        worst = worst_margin(model, images, labels, point.value / 255)
        assert point.robust == pytest.approx(float((worst < 0).double().mean()), abs=1e-12)
    assert found.epsilons[-1].robust < found.epsilons[0].robust == 1
