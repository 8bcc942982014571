"""The losses against their equations, Eq. 9 under weight decay and momentum, and the loop itself."""

import numpy as np
import pytest
import torch

from spikeport.export.progress import Progress
from spikeport.toolchain.pruning import lwm
from spikeport.toolchain.training.loop import accuracy, batches, divergence, shifted, train
from spikeport.toolchain.training.sparse_finetuning import keep_sparse, robust_loss
from spikeport.toolchain.training.trades import trades
from tests.toolchain.networks import ann, generator, images, labels, snn


def probabilities(logits):
    shifted_logits = logits.detach().double().numpy()
    exponentials = np.exp(shifted_logits - shifted_logits.max(1, keepdims=True))
    return exponentials / exponentials.sum(1, keepdims=True)


def kullback_leibler(p, q):
    return float((p * np.log(p / q)).sum(1).mean())


def cross_entropy(p, chosen):
    return float(-np.log(p[np.arange(len(p)), chosen.numpy()]).mean())


def test_divergence_is_kl_of_the_first_from_the_second():
    torch.manual_seed(0)
    first, second = torch.randn(6, 5), torch.randn(6, 5)
    expected = kullback_leibler(probabilities(first), probabilities(second))
    assert divergence(first, second).item() == pytest.approx(expected, rel=1e-5)
    assert divergence(second, first).item() != pytest.approx(expected, rel=1e-2)


def recorded(model):
    """Return the model and the list of (input, logits) of every call."""
    calls = []
    model.register_forward_hook(lambda _, given, logits: calls.append((given[0].detach(), logits.detach())))
    return calls


def test_trades_is_cross_entropy_plus_lambda_kl_of_clean_from_attacked():
    model = ann()
    calls = recorded(model)
    loss = trades(model, epsilon=8 / 255, steps=3, regularization=2.0, generator=generator())(images(), labels())
    (clean_images, clean), (attacked_images, attacked) = calls[-2:]
    assert torch.equal(clean_images, images())
    assert 0 < (attacked_images - clean_images).abs().max() <= 8 / 255 + 1e-6
    p, q = probabilities(clean), probabilities(attacked)
    assert loss.item() == pytest.approx(cross_entropy(p, labels()) + 2 * kullback_leibler(p, q), rel=1e-4)
    assert len(calls) == 1 + 3 + 2


def test_eq_8_is_cross_entropy_plus_beta_kl_of_attacked_from_clean():
    model = snn()
    calls = recorded(model)
    loss = robust_loss(model, epsilon=8 / 255, beta=2.0, generator=generator())(images(), labels())
    (clean_images, clean), (attacked_images, attacked) = calls[-2:]
    assert torch.equal(clean_images, images())
    assert 0 < (attacked_images - clean_images).abs().max() <= 8 / 255 + 1e-6
    p, q = probabilities(attacked), probabilities(clean)
    assert loss.item() == pytest.approx(cross_entropy(q, labels()) + 2 * kullback_leibler(p, q), rel=1e-4)
    assert p.tolist() != q.tolist()


@pytest.mark.parametrize("make", [ann, snn])
def test_sparsity_does_not_change_under_momentum_and_weight_decay(make):
    model = make()
    masks = lwm.masks(model, 0.9)
    for name, synapses in model.synapses().items():
        synapses.mask.copy_(masks[name])
    keep_sparse(model)
    before = {name: synapses.weight.detach().clone() for name, synapses in model.synapses().items()}
    counts = []

    def after_update():
        keep_sparse(model)
        counts.append([int((synapses.weight != 0).sum()) for synapses in model.synapses().values()])

    train(
        list(model.parameters()),
        (images(40), labels(40)),
        robust_loss(model, epsilon=8 / 255, beta=2.0, generator=generator()),
        epochs=3,
        batch_size=8,
        learning_rate=0.1,
        weight_decay=0.1,
        shift=0,
        generator=generator(),
        after_update=after_update,
        progress=Progress("test", enabled=False),
    )
    expected = [int(mask.sum()) for mask in masks.values()]
    assert len(counts) == 15
    assert all(each == expected for each in counts)
    for name, synapses in model.synapses().items():
        assert not torch.equal(synapses.weight, before[name])
        assert not synapses.weight[synapses.mask == 0].any()


def test_batches_hold_every_image_once_in_another_order():
    data = torch.arange(10.0).view(10, 1, 1, 1)
    parts = list(batches(data, torch.arange(10), 4, generator()))
    order = torch.cat([chosen for _, chosen in parts])
    assert [len(chosen) for _, chosen in parts] == [4, 4, 2]
    assert sorted(order.tolist()) == list(range(10))
    assert order.tolist() != list(range(10))
    assert all(torch.equal(part.flatten(), chosen.float()) for part, chosen in parts)


def test_shift_moves_zeros_in():
    image = torch.arange(1.0, 10).view(1, 1, 3, 3)
    assert torch.equal(shifted(image, 0, generator()), image)
    seen = {tuple(shifted(image, 1, generator(seed)).flatten().tolist()) for seed in range(60)}
    padded = np.pad(image.numpy()[0, 0], 1)
    expected = {tuple(padded[r : r + 3, c : c + 3].ravel().tolist()) for r in range(3) for c in range(3)}
    assert seen == expected


def test_training_learns_what_can_be_learnt():
    """Brightness of a channel decides the class; an untrained network is at chance."""
    data = images(200, 5)
    data[:, 0] *= 0.3
    target = torch.arange(200) % 2
    data[target == 1, 0] += 0.6
    model = ann()
    loss = trades(model, epsilon=8 / 255, steps=2, regularization=1.0, generator=generator())
    train(
        list(model.parameters()),
        (data, target),
        loss,
        epochs=4,
        batch_size=32,
        learning_rate=0.05,
        weight_decay=1e-4,
        shift=0,
        generator=generator(),
        after_update=lambda: None,
        progress=Progress("test", enabled=False),
    )
    assert accuracy(model, data, target) > 0.95
