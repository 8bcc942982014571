"""Every attack on every model: inside the epsilon ball and [0, 1], raises the loss, reproducible by its seed."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from spikeport.toolchain.attacks.pgd import pgd
from spikeport.toolchain.attacks.rfgsm import rfgsm
from tests.toolchain.networks import ann, generator, images, labels, snn

EPSILON = 8 / 255


def ten_step_pgd(*args, **options):
    return pgd(*args, **options, steps=10)


ATTACKS = {"pgd": ten_step_pgd, "rfgsm": rfgsm}
MODELS = {"ann": ann, "snn": snn}


def loss(logits):
    return functional.cross_entropy(logits, labels(8), reduction="sum")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_attack_stays_in_the_ball_and_raises_the_loss(attack, make):
    model, clean = make().eval(), images(8)
    attacked = attack(model, clean, loss, epsilon=EPSILON, generator=generator())
    assert attacked.shape == clean.shape
    assert not attacked.requires_grad
    assert (attacked - clean).abs().max() <= EPSILON + 1e-6
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    with torch.no_grad():
        assert loss(model(attacked)) > loss(model(clean))
    again = attack(model, clean, loss, epsilon=EPSILON, generator=generator())
    assert torch.equal(attacked, again)
    assert all(parameter.grad is None for parameter in model.parameters())


class Linear(nn.Module):
    """Gradient known by hand: logits (w x, 0)."""

    def forward(self, x):
        return torch.stack([(x * torch.tensor([1.0, -1.0, 2.0, -2.0])).sum(1), torch.zeros(len(x))], 1)


def test_pgd_reaches_the_corner_of_the_ball():
    middle = torch.full((3, 4), 0.5)
    attacked = pgd(Linear(), middle, lambda logits: logits[:, 0].sum(), epsilon=0.1, steps=10, generator=generator())
    assert torch.allclose(attacked, 0.5 + 0.1 * torch.tensor([1.0, -1.0, 1.0, -1.0]).expand(3, 4))


def test_rfgsm_moves_by_alpha_at_random_and_by_the_rest_along_the_gradient():
    middle = torch.full((50, 4), 0.5)
    attacked = rfgsm(Linear(), middle, lambda logits: logits[:, 0].sum(), epsilon=0.1, generator=generator())
    moved = (attacked - middle) * torch.tensor([1.0, -1.0, 1.0, -1.0])
    close = [torch.isclose(moved, torch.tensor(value), atol=1e-6) for value in (0.1, 0.05)]
    assert torch.all(close[0] | close[1])
    assert 0.3 < close[0].float().mean() < 0.7


def test_pixels_at_the_ends_stay_in_range():
    extremes = torch.cat([torch.zeros(2, 4), torch.ones(2, 4)])
    for attack in ATTACKS.values():
        attacked = attack(Linear(), extremes, lambda logits: logits[:, 0].sum(), epsilon=0.1, generator=generator())
        assert attacked.min() == 0
        assert attacked.max() == 1
