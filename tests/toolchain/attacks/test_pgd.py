"""PGD that leaves an image once it is classified wrongly, against the points that it passes."""

import pytest
import torch
from torch import nn

from spikeport.toolchain.attacks.apgd import Apgd
from spikeport.toolchain.attacks.gradients.conversion import Conversion
from spikeport.toolchain.attacks.gradients.expectation import Expectation
from spikeport.toolchain.attacks.gradients.trained import Trained
from spikeport.toolchain.attacks.losses.divergence import Divergence
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.attacks.noise import each_image
from spikeport.toolchain.attacks.pgd import Pgd
from tests.toolchain.networks import ann, images, snn

EPSILON = 6 / 255
MODELS = {"ann": (ann, Trained()), "snn": (snn, Trained()), "other logits": (snn, Conversion())}


def seen(model):
    """Note what the model is given."""
    given = []
    model.register_forward_hook(lambda _, images, __: given.append(images[0].detach().clone()))
    return given


def right(model, count):
    with torch.no_grad():
        return model(images(count)).argmax(1)


def perturbed(attack, model, count=20, **others):
    generator = each_image(range(count))
    return attack.perturb(model, images(count), right(model, count), epsilon=EPSILON, generator=generator, **others)


@pytest.mark.parametrize(("make", "gradient"), MODELS.values(), ids=MODELS)
def test_an_image_keeps_the_first_point_that_is_wrong(make, gradient):
    """Points of the plain search are found by its passes; of each image the first wrong one, else the last."""
    model = make().double().eval()
    clean, attack = images(20).double(), Pgd(steps=6, gradient=gradient)
    with torch.no_grad():
        classes = model(clean).argmax(1)
    given = seen(model)
    end = attack.perturb(model, clean, classes, epsilon=EPSILON, generator=each_image(range(20)))
    points = [*given, end]
    with torch.no_grad():
        wrong = torch.stack([model(point).argmax(1) != classes for point in points[:-1]])
    expected = end.clone()
    for step in reversed(range(6)):
        expected[wrong[step]] = points[step][wrong[step]]
    assert 2 < len(wrong.any(0).nonzero()) < 20
    assert len(torch.unique(wrong.long().argmax(0))) > 1
    del given[:]
    found = attack.stopping().perturb(model, clean, classes, epsilon=EPSILON, generator=each_image(range(20)))
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)
    assert gradient != Trained() or sum(map(len, given)) < 6 * 20


def test_no_image_that_the_plain_search_breaks_is_lost():
    model, broken = snn(), []
    for attack in (Pgd(), Pgd().stopping()):
        found = perturbed(attack, model, 30)
        with torch.no_grad():
            broken.append(model(found).argmax(1) != right(model, 30))
    assert bool((broken[1] >= broken[0]).all())


class Narrow(nn.Module):
    """Two classes of one pixel: wrong in a narrow band, with the largest loss of a right image elsewhere."""

    def forward(self, x):
        pixel = x.flatten(1)[:, :1]
        return torch.cat([torch.full_like(pixel, 0.4), (0.4 + 0.01 - 20 * (pixel - 0.5).abs()).clamp(min=-pixel)], 1)


class Pixel(AttackLoss, frozen=True, kw_only=True, tag="pixel"):
    def __call__(self, logits, labels, clean=None):
        del labels, clean
        return -logits[:, 1]


def test_a_broken_image_is_kept_over_later_starts_with_a_larger_objective():
    middle, labels = torch.full((40, 1), 0.5), torch.zeros(40, dtype=torch.int64)
    model, broken = Narrow(), []
    for restarts in (1, 2, 8):
        attack = Pgd(steps=1, step_size=0.001, restarts=restarts, objective=Pixel(), keep="first")
        found = attack.perturb(model, middle, labels, epsilon=0.02, generator=each_image(range(40)))
        broken.append(model(found).argmax(1) == 1)
    assert 0 < broken[0].sum() < 40
    assert bool((broken[1] >= broken[0]).all())
    assert bool((broken[2] >= broken[1]).all())


def test_clean_logits_follow_their_images_into_smaller_batches():
    model = ann().eval()
    attack = Pgd(objective=Divergence(), steps=6)
    plain, early = perturbed(attack, model), perturbed(attack.stopping(), model)
    with torch.no_grad():
        wrong = model(early).argmax(1) != right(model, 20)
    assert 0 < wrong.sum() < 20
    assert torch.allclose(plain[~wrong], early[~wrong], rtol=0, atol=1e-6)


def test_a_batch_that_is_all_wrong_is_left_at_its_start():
    model = nn.Sequential(nn.Flatten(), nn.Linear(128, 5))
    given = seen(model)
    found = Pgd(start="none").stopping().perturb(
        model, images(4), (right(model, 4) + 1) % 5, epsilon=EPSILON, generator=each_image(range(4))
    )  # fmt: skip
    assert torch.equal(found, images(4))
    assert len(given) == 2  # one by `right`


@pytest.mark.parametrize(
    "attack",
    [Pgd(keep="objective"), Pgd(gradient=Expectation()), Apgd(gradient=Expectation())],
    ids=["objective", "draws", "apgd"],
)
def test_searches_that_are_told_to_go_on_do_not_stop(attack):
    assert attack.stopping() == attack
