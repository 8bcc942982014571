"""APGD: its checkpoints, its targets and restarts; tests/oracles compares its images with AutoAttack's."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from spikeport.toolchain.attacks.apgd import Apgd, _checkpoints, _start
from spikeport.toolchain.attacks.losses.margin import Margin
from spikeport.toolchain.attacks.losses.targeted_dlr import TargetedDlr
from spikeport.toolchain.attacks.noise import rows
from tests.strategies import cases
from tests.toolchain.networks import ann, generator, images, labels

EPSILON, WIDE = 0.02, 0.1


def attacked(attack, model, seed=0, epsilon=EPSILON):
    return attack(model, images(8, seed), labels(8), epsilon=epsilon, generator=generator(seed))


def labels_of(model, count):
    with torch.no_grad():
        return model(images(count)).argmax(1)


def test_checkpoints_are_those_of_the_paper():
    """Croce and Hein: p_0 = 0, p_1 = 0.22, p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06), in shares of the steps."""
    places = [0, 22]
    while places[-1] + max(places[-1] - places[-2] - 3, 6) <= 100:
        places.append(places[-1] + max(places[-1] - places[-2] - 3, 6))
    assert [end + 1 for end in _checkpoints(100)] == places[1:]


@given(st.integers(1, 2000))
def test_checkpoints_rise_and_stay_below_the_number_of_steps(steps):
    ends = list(_checkpoints(steps))
    assert ends == sorted(set(ends))
    assert ends[-1] < steps


@given(seed=st.integers(0, 2**32 - 1), objective=st.sampled_from([None, TargetedDlr()]))
@cases(20)
def test_more_restarts_and_more_targets_lose_no_success(seed, objective):
    model = ann(seed).eval()
    found = [
        attacked(Apgd(steps=3, restarts=n, targets=n, objective=objective), model, seed).success for n in (1, 2, 4)
    ]
    assert bool((found[1] >= found[0]).all())
    assert bool((found[2] >= found[1]).all())


def by_hand(model, image, label, start, steps, rho):
    """Algorithm 1 of Croce and Hein for one image, in numbers; the objective before the first step counts as 0."""

    def look(at):
        at = at.clone().requires_grad_()
        loss = functional.cross_entropy(model(at[None]), label[None])
        return loss.item(), torch.autograd.grad(loss, at)[0].sign()

    def clip(at):
        return torch.minimum(torch.maximum(at, image - WIDE), image + WIDE).clamp(0, 1)

    x = before = best = start
    top, sign = look(x)
    best_sign, eta, last, rises, since, halved, top_before = sign, 2 * WIDE, 0.0, 0, 0, True, top
    ends = set(_checkpoints(steps))
    for step in range(steps):
        share = 1 if step == 0 else 0.75
        z = clip(x + eta * sign)
        x, before = clip(x + share * (z - x) + (1 - share) * (x - before)), x
        loss, sign = look(x)
        rises, since, last = rises + (loss > last), since + 1, loss
        if loss > top:
            top, best, best_sign = loss, x, sign
        if step in ends:
            halved = rises <= rho * since or (not halved and top <= top_before)
            top_before, rises, since = top, 0, 0
            if halved:
                eta, x, sign = eta / 2, best, best_sign
    return best


@pytest.mark.parametrize("rho", [0.5, 0.75])
@pytest.mark.parametrize("steps", [20, 33])
def test_images_are_those_of_the_algorithm_by_hand(steps, rho):
    model, clean = ann().eval().double(), images(16).double()
    attack = Apgd(steps=steps, rho=rho, keep="objective")
    found = attack.perturb(model, clean, labels(16), epsilon=WIDE, generator=generator())
    start = _start(clean, WIDE, generator())
    expected = [by_hand(model, *each, steps, rho) for each in zip(clean, labels(16), start, strict=True)]
    assert torch.allclose(found, torch.stack(expected), atol=1e-12)


def test_a_restart_attacks_what_is_still_right():
    """Of an image that is right there is a pass at the start and one behind every step; one pass more of all images."""
    model, given = ann().eval(), []
    clean, labels = images(40), labels_of(model, 40)
    labels[:3] = (labels[:3] + 1) % 5
    first = Apgd(steps=3).perturb(model, clean, labels, epsilon=EPSILON, generator=generator())
    with torch.no_grad():
        standing = int((model(first).argmax(1) == labels).sum())
    assert 0 < standing < 37
    model.register_forward_hook(lambda _, pixels, __: given.append(len(pixels[0])))
    Apgd(steps=3, restarts=2).perturb(model, clean, labels, epsilon=EPSILON, generator=generator())
    assert sum(given) == 40 + 4 * 37 + 4 * standing


def test_targets_reach_other_classes():
    """Towards its first target alone, APGD-T makes fewer classes than towards all of them."""
    model = ann().eval()
    classes = {}
    for rank in (1, 4):
        attack = Apgd(steps=20, targets=1, objective=TargetedDlr(rank=rank), keep="objective")
        found = attack(model, images(40), labels(40), epsilon=0.3, generator=generator()).images
        classes[rank] = model(found).argmax(1)
    assert not torch.equal(classes[1], classes[4])


@pytest.mark.parametrize(("targets", "ranks"), [(9, [1, 2, 3, 4]), (2, [1, 2])])
def test_a_targeted_loss_goes_for_each_wrong_class_in_turn(targets, ranks):
    attack = Apgd(objective=TargetedDlr(), targets=targets)
    goals = attack._goals(attack._ascent(ann().eval(), images(2), labels(2)))
    assert [goal.rank for goal in goals] == ranks


def test_images_that_are_wrong_stay_wrong_and_the_objective_is_the_largest_met():
    model = ann().eval()
    with torch.no_grad():
        wrong = model(images(8)).argmax(1) != labels(8)
        assert wrong.any()
        assert bool(attacked(Apgd(steps=5), model).success[wrong].all())
        kept = attacked(Apgd(steps=5, keep="objective"), model).images
        longer = attacked(Apgd(steps=5, restarts=4, keep="objective"), model).images
        losses = [functional.cross_entropy(model(at), labels(8), reduction="none") for at in (kept, longer)]
    assert bool((losses[1] >= losses[0]).all())


@pytest.mark.parametrize("shape", [(3, 5), (3, 2, 4, 4), (3, 2, 1, 4, 4)])
def test_images_of_any_shape_are_attacked(shape):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(torch.Size(shape[1:]).numel(), 4))
    found = Apgd(steps=5)(
        model, torch.rand(shape, generator=generator()), labels(3) % 4, epsilon=0.1, generator=generator()
    )
    assert found.images.shape == shape


@given(seed=st.integers(0, 2**32 - 1), objective=st.sampled_from([None, Margin(), TargetedDlr()]))
@cases(30)
def test_ending_at_the_first_success_breaks_the_same_images_with_fewer_passes(seed, objective):
    """In double precision, where the order of additions of another batch size is too small to turn a sign."""
    model, clean = ann(seed).eval().double(), images(16, seed).double()
    attack = Apgd(steps=15, restarts=2, objective=objective)
    found, passed = [], []
    model.register_forward_hook(lambda _, given, __: passed.append(len(given[0])))
    for each in (attack, attack.stopping()):
        passed.clear()
        found.append((each(model, clean, labels(16), epsilon=0.1, generator=generator(seed)), sum(passed)))
    (whole, images_whole), (ended, images_ended) = found
    assert torch.equal(whole.success, ended.success)
    assert images_ended <= images_whole
    assert torch.allclose(whole.images[~whole.success], ended.images[~whole.success], atol=1e-9)


def test_the_first_success_does_not_depend_on_the_other_images():
    model, clean, attack = ann().eval().double(), images(16).double(), Apgd(steps=15, keep="first")
    whole = attack(model, clean, labels(16), epsilon=0.1, generator=rows(7, 0, 16))
    assert whole.success.any()
    for at in range(16):
        part = slice(at, at + 1)
        alone = attack(model, clean[part], labels(16)[part], epsilon=0.1, generator=rows(7, at, 16))
        assert torch.allclose(alone.images, whole.images[part], atol=1e-9)
