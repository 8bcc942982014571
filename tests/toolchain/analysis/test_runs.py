"""Runs: random places in the ball, gradients of zero, and equal runs once."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spikeport.toolchain.analysis.runs import Run, Runs, cost
from spikeport.toolchain.analysis.white_box import WhiteBox
from spikeport.toolchain.attacks.ensemble import Member, paper_members
from spikeport.toolchain.attacks.fgsm import Fgsm
from spikeport.toolchain.attacks.losses.divergence import Divergence
from spikeport.toolchain.attacks.pgd import Pgd
from spikeport.toolchain.attacks.square import Square
from tests.strategies import cases
from tests.toolchain.analysis.networks import Saturated, held_out, linear


class Seen(nn.Module):
    """Keeps what it is given; its class is always 0."""

    def __init__(self):
        super().__init__()
        self.given = []

    def forward(self, images):
        self.given.append(images)
        return torch.stack([images.flatten(1).mean(1) * 0 + 1, images.flatten(1).mean(1) * 0], 1)


def runs(model, count=20, **options):
    pixels, labels = held_out(count)
    return Runs(model=model, images=pixels, labels=labels, **options)


@given(st.sampled_from([0.5, 3.0, 40.0, 255.0]), st.sampled_from([None, 255]), st.integers(0, 2**32))
@cases(50)
def test_random_places_lie_in_the_ball_and_every_other_at_a_corner(epsilon, levels, seed):
    model = Seen()
    pixels = torch.randint(0, 256, (5, 1, 4, 4), generator=torch.Generator().manual_seed(seed)) / 255
    made = Runs(model=model, images=pixels, labels=torch.zeros(5, dtype=torch.int64), seed=seed, levels=levels)
    model.given.clear()
    assert not made.sampled(epsilon, 4, torch.zeros(5, dtype=torch.bool)).any()
    assert len(model.given) == 4
    low, high = (pixels - epsilon / 255).clamp(0, 1), (pixels + epsilon / 255).clamp(0, 1)
    for number, given_ in enumerate(model.given):
        assert bool(((given_ >= low - 1e-6) & (given_ <= high + 1e-6)).all())
        if number % 2 and levels is None:
            assert bool((torch.isclose(given_, low) | torch.isclose(given_, high)).all())


def test_sampling_looks_at_what_is_left_alone():
    found = runs(linear(), 100)
    before = found.broken(Run((Member(name="pgd", attack=Pgd()),), 16.0))
    after = found.sampled(200.0, 20, before)
    assert bool((before <= after).all())
    assert int(after.sum()) > int(before.sum())
    assert torch.equal(runs(linear(), 100).sampled(200.0, 20, before), after)


def test_added_runs_see_only_what_is_left_and_equal_runs_are_computed_once(monkeypatch):
    found, asked = runs(linear(), 30), []
    attacked = Runs._attacked
    monkeypatch.setattr(
        Runs, "_attacked", lambda self, run, rows: (asked.append(len(rows)), attacked(self, run, rows))[1]
    )
    run = Run((Member(name="pgd", attack=Pgd(steps=3)),), 16.0)
    assert torch.equal(found.broken(run), found.broken(run))
    assert asked == [30]
    before = torch.arange(30) < 25
    assert bool(found.added(run, before)[:25].all())
    assert asked == [30, 5]
    assert bool(found.added(run, torch.ones(30, dtype=torch.bool)).all())


@pytest.mark.parametrize(
    ("model", "share"), [(linear(), 0), (Saturated(linear()).eval(), 1)], ids=["linear", "saturated"]
)
@pytest.mark.parametrize("objective", [None, Divergence()], ids=["cross-entropy", "divergence"])
def test_gradients_that_vanish_are_counted_where_images_are_right(model, share, objective):
    """The divergence's own gradient is 0 at a clean image of any network."""
    found = runs(model, 40)
    members = (Member(name="pgd", attack=Pgd(objective=objective)),)
    assert found.without_gradient(members) == share * int((~found.wrong).sum())


def test_an_image_with_a_gradient_in_one_member_has_one():
    found = runs(linear(), 40)
    assert found.without_gradient((Member(name="a", attack=Pgd()), Member(name="b", attack=Fgsm()))) == 0


def test_work_is_counted_by_iterations_restarts_and_queries():
    assert [cost(each) for each in (Fgsm(), Pgd(steps=7, restarts=3), Square(queries=500))] == [1, 21, 500]
    assert Run(tuple(paper_members()), 8.0).passes == 190


def test_the_members_of_a_white_box_keep_names_losses_and_gradients():
    box = WhiteBox.of([*paper_members(), Member(name="square", attack=Square())], "suite paper")
    assert len(box.members) == len(box.one_step()) == len(box.iterated(40)) == 19
    for member, one, many in zip(box.members, box.one_step(), box.iterated(40), strict=True):
        assert member.name == one.name == many.name
        assert member.attack.gradient == one.attack.gradient == many.attack.gradient
        assert isinstance(one.attack, Fgsm)
        assert many.attack.steps == 40
    assert box.iterated() == box.members


def test_members_that_become_equal_run_once():
    members = [Member(name="five", attack=Pgd(steps=5)), Member(name="ten", attack=Pgd(steps=10))]
    box = WhiteBox.of(members, "both")
    assert [each.name for each in box.one_step()] == [each.name for each in box.iterated(20)] == ["five"]
    assert len(box.iterated()) == 2
