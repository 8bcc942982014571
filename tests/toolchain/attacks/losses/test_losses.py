"""Losses of attacks against their formulas in numpy."""

import numpy as np
import pytest
import torch

from spikeport.export.errors import AttackError
from spikeport.toolchain.attacks.losses.cross_entropy import CrossEntropy
from spikeport.toolchain.attacks.losses.divergence import Divergence
from spikeport.toolchain.attacks.losses.dlr import Dlr
from spikeport.toolchain.attacks.losses.loss import AttackLoss
from spikeport.toolchain.attacks.losses.margin import Margin
from spikeport.toolchain.attacks.losses.targeted_dlr import TargetedDlr
from spikeport.toolchain.choices import kinds

torch.manual_seed(0)
LOGITS, CLEAN, LABELS = 3 * torch.randn(6, 5), 3 * torch.randn(6, 5), torch.tensor([0, 1, 2, 3, 4, 0])


def probabilities(logits):
    values = np.exp(logits.double().numpy())
    return values / values.sum(1, keepdims=True)


def kullback_leibler(p, q):
    return (p * np.log(p / q)).sum(1)


@pytest.mark.parametrize("kind", kinds(AttackLoss).values(), ids=kinds(AttackLoss))
def test_every_loss_is_per_image_and_differentiable(kind):
    logits = LOGITS.clone().requires_grad_()
    losses = kind()(logits, LABELS, CLEAN)
    assert losses.shape == (6,)
    (gradient,) = torch.autograd.grad(losses[2], logits)
    assert gradient[2].abs().sum() > 0
    assert not gradient[[0, 1, 3, 4, 5]].any()


def test_cross_entropy():
    expected = -np.log(probabilities(LOGITS)[np.arange(6), LABELS.numpy()])
    assert np.allclose(CrossEntropy()(LOGITS, LABELS), expected, rtol=1e-5)


def test_margin_is_above_zero_exactly_where_the_label_is_not_chosen():
    found = Margin()(LOGITS, LABELS)
    values = LOGITS.numpy()
    for row, label in enumerate(LABELS.tolist()):
        assert found[row] == np.delete(values[row], label).max() - values[row, label]
    assert torch.equal(found > 0, LOGITS.argmax(1) != LABELS)


@pytest.mark.parametrize("direction", ["attacked||clean", "clean||attacked"])
def test_divergence_is_of_the_first_from_the_second(direction):
    p = {"attacked": probabilities(LOGITS), "clean": probabilities(CLEAN)}
    first, second = direction.split("||")
    found = Divergence(direction=direction)(LOGITS, LABELS, CLEAN)
    assert np.allclose(found, kullback_leibler(p[first], p[second]), rtol=1e-4)
    assert not np.allclose(found, kullback_leibler(p[second], p[first]), rtol=1e-1)


@pytest.mark.parametrize("kind", [torch.int64, torch.int32])
def test_margin_of_whole_numbers_is_exact(kind):
    large = 2**60 if kind == torch.int64 else 2**29
    scores = torch.tensor([[large + 1, large, 3], [large, large, -large]], dtype=kind)
    assert Margin()(scores, torch.tensor([0, 2])).tolist() == [-1, 2 * large]
    assert Margin()(scores, torch.tensor([1, 1])).tolist() == [1, 0]


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_ratios_of_logits(rank):
    dlr, targeted = Dlr()(LOGITS, LABELS), TargetedDlr(rank=rank)(LOGITS, LABELS, CLEAN)
    for row, label in enumerate(LABELS.tolist()):
        values = LOGITS[row].double().numpy()
        first, _, third, fourth = np.sort(values)[::-1][:4]
        others = [c for c in np.argsort(-CLEAN[row].numpy()) if c != label]
        assert dlr[row] == pytest.approx((np.delete(values, label).max() - values[label]) / (first - third), rel=1e-5)
        distance = values[others[rank - 1]] - values[label]
        assert targeted[row] == pytest.approx(distance / (first - (third + fourth) / 2), rel=1e-5)


@pytest.mark.parametrize("loss", [Dlr(), TargetedDlr()], ids=repr)
def test_ratios_do_not_change_with_scale_and_shift(loss):
    assert torch.allclose(loss(1000 * LOGITS + 7, LABELS, CLEAN), loss(LOGITS, LABELS, CLEAN), rtol=1e-4)


def test_ratios_of_too_few_classes_are_refused():
    with pytest.raises(AttackError, match="loss 'dlr' needs 3 classes, and the network has 2; use the loss 'margin'"):
        Dlr()(LOGITS[:, :2], LABELS % 2)
    with pytest.raises(AttackError, match="'targeted_dlr' needs 4 classes, and the network has 3"):
        TargetedDlr()(LOGITS[:, :3], LABELS % 3, CLEAN[:, :3])
    with pytest.raises(AttackError, match="targeted_dlr: rank 5; the network has 4 wrong classes"):
        TargetedDlr(rank=5)(LOGITS, LABELS, CLEAN)
