"""Square attack on anything that gives scores: its budget, ties of whole numbers, and a linear network by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.gradients.expectation import Expectation
from spikeport.toolchain.attacks.losses.cross_entropy import CrossEntropy
from spikeport.toolchain.attacks.square import Square
from tests.strategies import cases
from tests.toolchain.networks import ann, generator, images, labels


class Counting:
    """Whole-number scores of few values, so that most squares change none; counts what it is asked."""

    def __init__(self, seed=0, kind=torch.int64, values=4):
        self.weight, self.kind, self.values = torch.randn(128, 5, generator=generator(seed)), kind, values
        self.asked, self.batches = 0, []

    def __call__(self, pixels):
        self.asked += len(pixels)
        self.batches.append(len(pixels))
        return (self.values * ((pixels.flatten(1) - 0.5) @ self.weight) / 8).round().to(self.kind)


def attacked(scores, attack, count=12, epsilon=0.1, seed=0):
    return attack(scores, images(count, seed), labels(count), epsilon=epsilon, generator=generator(seed))


@given(seed=st.integers(0, 2**32 - 1), epsilon=st.sampled_from([0.01, 0.1, 0.5]), budget=st.integers(1, 150))
@cases(100)
def test_success_is_by_argmax_and_queries_are_counted_and_within_the_budget(seed, epsilon, budget):
    scores = Counting(seed)
    clean_wrong = scores(images(12, seed)).argmax(1) != labels(12)
    scores.asked = 0
    found = attacked(scores, Square(queries=budget), epsilon=epsilon, seed=seed)
    assert scores.asked == 12 + int(found.queries.sum())
    assert torch.equal(found.success, scores(found.images).argmax(1) != labels(12))
    assert bool((found.queries[~found.success] == budget).all())
    assert bool((found.queries[clean_wrong] == 0).all())
    assert torch.equal(found.images[clean_wrong], images(12, seed)[clean_wrong])
    assert bool(found.success[clean_wrong].all())


@pytest.mark.parametrize("kind", [torch.int8, torch.int32, torch.int64, torch.float16, torch.float64])
def test_types_of_scores_give_the_same_images(kind):
    found = [attacked(Counting(kind=each), Square(queries=60)).images for each in (kind, torch.float32)]
    assert torch.equal(*found)


class Steps:
    """Class 1 gains a point for every four pixels that are brightened: no single small square changes a score."""

    def __call__(self, pixels):
        bright = (pixels > 0.5).flatten(1).sum(1) // 4
        return torch.stack([torch.full_like(bright, 10), bright], 1)


def test_steps_that_leave_the_score_as_it_is_are_taken():
    """Were they not, single pixels could never add up to a point."""
    middle, truth = torch.full((20, 1, 8, 8), 0.5), torch.zeros(20, dtype=torch.int64)
    attack = Square(queries=1000, area=0.01, rescale=False)
    found = attack(Steps(), middle, truth, epsilon=0.1, generator=generator())
    assert found.success.all()


def test_a_score_that_the_label_shares_is_a_success_only_where_another_class_is_chosen():
    def tied(pixels):
        return torch.zeros(len(pixels), 3, dtype=torch.int64)

    truth = torch.tensor([0, 1, 2, 0])
    found = Square(queries=10)(tied, images(4), truth, epsilon=0.1, generator=generator())
    assert found.success.tolist() == [False, True, True, False]
    assert found.queries.tolist() == [10, 0, 0, 10]


def test_large_whole_numbers_are_compared_exactly():
    """Scores that differ by one at 2^60, which floating point cannot tell apart."""
    counting = Counting(values=40)
    found = [attacked(scores, Square(queries=80)) for scores in (counting, lambda x: counting(x) + 2**60)]
    assert torch.equal(found[0].images, found[1].images)
    assert torch.equal(found[0].queries, found[1].queries)


@given(seed=st.integers(0, 2**32 - 1))
@cases(20)
def test_robust_accuracy_of_a_linear_network_is_the_closed_form(seed):
    """Four pixels: every corner of the ball is reached, and an image is robust where ``|w x| > eps ||w||_1``."""
    weight = torch.randn(4, generator=generator(seed), dtype=torch.float64)
    clean = 0.3 + 0.4 * torch.rand(50, 1, 2, 2, generator=generator(seed), dtype=torch.float64)

    def margin(x):
        return (x.flatten(1) - 0.5) @ weight

    truth = (margin(clean) > 0).long()
    found = Square(queries=200)(
        lambda x: torch.stack([-margin(x), margin(x)], 1), clean, truth, epsilon=0.1, generator=generator(seed)
    )
    left = margin(clean).abs() - 0.1 * weight.abs().sum()
    sure = left.abs() > 1e-9
    assert torch.equal(found.success[sure], (left <= 0)[sure])


@pytest.mark.parametrize(("border", "reached"), [(True, 64), (False, 49)])
def test_single_pixels_reach_the_last_row_and_column_unless_told_otherwise(border, reached):
    """A pixel that differs from its column's stripe was set by a square."""
    attack = Square(queries=500, area=0.001, rescale=False, border=border)
    middle, truth = torch.full((40, 1, 8, 8), 0.5), torch.zeros(40, dtype=torch.int64)
    seen = []
    attack(lambda x: seen.append(x) or torch.ones(len(x), 2), middle, truth, epsilon=0.1, generator=generator())
    changed = torch.stack([(x - seen[1]).abs() > 1e-6 for x in seen[2:]]).any(0).any(0)
    assert int(changed.sum()) == reached


@pytest.mark.parametrize(
    ("queries", "rescale", "sides"), [(5000, True, {0: 29, 6: 20, 4999: 1}), (5000, False, {10: 29, 11: 20, 4999: 3})]
)
def test_sides_of_squares_follow_the_schedule(queries, rescale, sides):
    """round(sqrt(p 32 32)) for p = 0.8, 0.4, 0.8/512 and 0.8/128."""
    attack = Square(queries=queries, rescale=rescale)
    assert {query: attack._side(query, 32, 32) for query in sides} == sides
    assert attack._side(0, 4, 100) == 4


def test_an_objective_that_is_named_is_raised():
    model = ann().eval()
    found = [
        attacked(model, Square(queries=40, objective=objective), count=40).images
        for objective in (None, CrossEntropy())
    ]
    assert not torch.equal(*found)


def test_frames_are_attacked_as_channels():
    clean = torch.rand(3, 5, 2, 6, 6, generator=generator())
    found = Square(queries=30)(
        lambda x: -x.flatten(1)[:, :4], clean, torch.zeros(3, dtype=torch.int64), epsilon=0.2, generator=generator()
    )
    assert found.images.shape == clean.shape


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (lambda: Square(gradient=Expectation()), "'square' uses no gradient, found 'expectation'"),
        (
            lambda: attacked(lambda x: x.flatten(1)[:, 0], Square()),
            r"scores \(12,\) for 12 images; expected \(N, class",
        ),
        (lambda: attacked(lambda x: torch.full((len(x), 5), torch.nan), Square()), "the network's scores are NaN"),
        (
            lambda: Square()(ann().eval(), torch.rand(3, 9), labels(3), epsilon=0.1, generator=generator()),
            r"needs \(N, C, H",
        ),
    ],
)
def test_what_it_cannot_use_is_refused(attack, message):
    with pytest.raises(AttackError, match=message):
        attack()


def test_a_pytorch_network_is_asked_without_gradients():
    model = nn.Sequential(nn.Flatten(), nn.Linear(128, 5))
    model.register_forward_hook(lambda _, __, out: asked.append(out.requires_grad))
    asked = []
    attacked(model, Square(queries=5))
    assert asked
    assert not any(asked)
