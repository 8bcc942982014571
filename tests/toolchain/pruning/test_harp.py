"""HARP: rates per layer by the equations, the target met exactly, a broken training goes on to the same bits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from spikeport.export.errors import TrainingError
from spikeport.toolchain.nn.layers import Synapses
from spikeport.toolchain.pruning.harp import Control, Harp, exact_counts
from tests.strategies import cases
from tests.toolchain.networks import ann, generator
from tests.toolchain.training import small

LAYERS = st.lists(st.tuples(st.floats(1e-4, 1), st.integers(1, 5000)), min_size=1, max_size=30)


@given(layers=LAYERS, part=st.floats(0, 1))
@cases(200)
def test_counts_add_up_to_the_target_and_fit_every_layer(layers, part):
    shares, sizes = [share for share, _ in layers], [size for _, size in layers]
    total = len(sizes) + round(part * (sum(sizes) - len(sizes)))
    counts = exact_counts(shares, sizes, total)
    assert sum(counts) == total
    assert all(1 <= count <= size for count, size in zip(counts, sizes, strict=True))


@given(layers=LAYERS)
@cases(100)
def test_rates_that_meet_the_target_move_by_less_than_a_weight(layers):
    wanted = [max(1, round(share * size)) for share, size in layers]
    sizes = [size for _, size in layers]
    shares = [count / size for count, size in zip(wanted, sizes, strict=True)]
    counts = exact_counts(shares, sizes, sum(wanted))
    assert all(abs(count - each) <= 1 for count, each in zip(counts, wanted, strict=True))


def learnt_nothing(_parameters, **_options):
    return {}


@given(sparsity=st.one_of(st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, 0.9, 0.99])))
@cases(100)
def test_the_target_is_met_exactly_over_the_network(sparsity):
    model = ann()
    masks = Harp().masks(model, sparsity, learnt_nothing, generator=generator())
    sizes = [mask.numel() for mask in masks.values()]
    assert sum(int(mask.sum()) for mask in masks.values()) == max(len(sizes), round((1 - sparsity) * sum(sizes)))
    assert all(synapses.quota is None and synapses.scores is None for synapses in model.synapses().values())


def with_quota(r, least):
    """Return a layer of 40 weights with scores and a quota."""
    torch.manual_seed(0)
    synapses = Synapses(5, 8)
    synapses.scores = torch.nn.Parameter(torch.randn(5, 8))
    synapses.quota, synapses.least = torch.nn.Parameter(torch.tensor(r)), least
    return synapses


@pytest.mark.parametrize(("r", "least"), [(0.0, 0.0), (-2.0, 0.05), (1.5, 0.01)])
def test_a_layer_keeps_the_share_of_its_quota_whose_gradient_is_the_sum_of_the_masks(r, least):
    synapses = with_quota(r, least)
    share = torch.tensor(r).sigmoid() * (1 - least) + least
    assert synapses.connectivity().sum() == round(float(share) * 40)
    x, target = torch.randn(3, 8), torch.randn(3, 5)
    synapses(x).backward(target)
    mask_gradient = (target.T @ x) * synapses.weight.detach()
    slope = torch.tensor(r).sigmoid() * (1 - torch.tensor(r).sigmoid()) * (1 - least)
    assert synapses.quota.grad == pytest.approx(float(mask_gradient.sum() * slope), rel=1e-4)
    assert torch.allclose(synapses.scores.grad, mask_gradient * synapses.scores.detach().sign(), atol=1e-6)


def excess_over(target, layers):
    return float(sum(each.share().detach() * 40 for each in layers)) / target - 1


def test_the_penalty_grows_by_the_epoch_until_an_epoch_ends_at_the_target():
    layers = [with_quota(0.0, 0.02), with_quota(-1.0, 0.02)]
    control = Control(layers, target=16, gamma=0.1)
    excess = excess_over(16, layers)
    assert [float(control.penalty(epoch).detach()) for epoch in (0, 4)] == pytest.approx([0.1 * excess, 0.5 * excess])
    assert not control.accept()
    with torch.no_grad():
        layers[0].quota.fill_(-1.5)
        layers[1].quota.fill_(-2.0)
    for epoch in (5, 6):
        assert float(control.penalty(epoch).detach()) == 0
        assert control.accept()
    with torch.no_grad():
        layers[0].quota.fill_(0.0)
    excess = excess_over(16, layers)
    assert float(control.penalty(9).detach()) == pytest.approx(0.6 * excess)
    assert not control.accept()


@pytest.mark.parametrize(("above", "met"), [(1e-3, False), (1e-4, False), (1e-6, True), (-0.1, True)])
def test_rates_above_the_target_by_more_than_rounding_do_not_meet_it(above, met):
    layers = [with_quota(0.0, 0.02), with_quota(-1.0, 0.02)]
    kept = 1 + excess_over(1, layers)
    assert Control(layers, target=kept / (1 + above), gamma=0.1).accept() is met


@pytest.mark.parametrize(
    ("pruner", "target", "expected"),
    [(Harp(), 0.5, 0.5), (Harp(), 0.01, 0.1), (Harp(start=0.3), 0.01, 0.3), (Harp(), 1.0, 0.9991)],
)
def test_every_layer_starts_at_the_same_share(pruner, target, expected):
    seen = []

    def learn(parameters, **_options):
        seen.extend(parameters)
        seen.append([float(each.share().detach()) for each in model.synapses().values()])
        assert [each.least for each in model.synapses().values()] == pytest.approx([0.1 * target] * 4, rel=0.02)

    model = ann()
    pruner.masks(model, 1 - target, learn, generator=generator())
    assert seen[-1] == pytest.approx([expected] * len(seen[-1]), rel=1e-4)
    assert len(seen) == 2 * len(seen[-1]) + 1


def pruned(folder, **options):
    """Prune a small network by a strong penalty; return its masks and the training."""
    model, fits = small.ann(), []

    def learn(parameters, **terms):
        settings = {"epochs": 5, "learning_rate": 0.3, **options}
        fits.append(small.trained(model, folder, parameters=parameters, **settings, **terms))

    masks = Harp(gamma=0.5).masks(model, 0.8, learn, generator=generator())
    assert not any("control" in name for name, _ in model.named_modules())
    return masks, fits[0]


class BrokenError(Exception):
    """What ends a training in the middle of an epoch here."""


def test_a_broken_pruning_goes_on_to_the_same_bits(tmp_path):
    """The first epoch ends at the target and fixes gamma; the break is in the fourth: a checkpoint has to hold it."""
    count = iter(range(100))

    def after_update():
        if next(count) == 11:
            raise BrokenError

    whole, first = pruned(tmp_path / "whole")
    with pytest.raises(BrokenError):
        pruned(tmp_path / "broken", after_update=after_update)
    rest, second = pruned(tmp_path / "broken")
    assert small.same(whole, rest)
    assert small.without_times(first.history) == small.without_times(second.history)
    states = [load_file(tmp_path / name / "epochs/0005/state.safetensors") for name in ("whole", "broken")]
    assert small.same(*states)
    assert float(states[0]["model.control.reached"]) == 0.5


def test_layers_get_different_rates_whose_sum_is_the_target(tmp_path):
    masks, fitted = pruned(tmp_path)
    rates = [float(mask.mean()) for mask in masks.values()]
    assert max(rates) > min(rates) + 0.05
    kept, weights = sum(int(mask.sum()) for mask in masks.values()), sum(mask.numel() for mask in masks.values())
    assert kept == round(0.2 * weights)
    assert fitted.history[fitted.best_epoch - 1]["sparsity"] > 0.79


def test_a_target_that_no_epoch_meets_is_an_error_with_what_to_do(tmp_path):
    model = small.ann()

    def learn(parameters, **terms):
        small.trained(model, tmp_path, parameters=parameters, epochs=2, learning_rate=1e-4, **terms)

    with pytest.raises(
        TrainingError, match=r"no epoch of 2 met the target .*; train for more epochs, or with a larger"
    ):
        Harp(start=0.9).masks(model, 0.9, learn, generator=generator())
    assert all(parameter.requires_grad for parameter in model.parameters())
