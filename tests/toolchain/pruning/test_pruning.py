"""Every pruner keeps exactly the same number of weights in every layer."""

import torch

from spikeport.toolchain.nn.layers import Synapses
from spikeport.toolchain.pruning import hydra, lwm
from tests.toolchain.networks import ann, images, labels


def counts(masks):
    return [int(mask.sum()) for mask in masks.values()]


def expected_counts(model, sparsity):
    return [round((1 - sparsity) * synapses.weight.numel()) for synapses in model.synapses().values()]


def same(masks, others):
    return all(torch.equal(mask, others[name]) for name, mask in masks.items())


def test_lwm_keeps_the_largest_magnitudes():
    model = ann()
    masks = lwm.masks(model, 0.9)
    assert counts(masks) == expected_counts(model, 0.9)
    for name, synapses in model.synapses().items():
        kept = synapses.weight.abs()[masks[name] == 1]
        lost = synapses.weight.abs()[masks[name] == 0]
        assert kept.min() >= lost.max()


def test_lwm_keeps_at_least_one_weight():
    assert all(count >= 1 for count in counts(lwm.masks(ann(), 0.9999)))


def test_hydra_without_learning_is_lwm():
    model = ann()
    assert same(hydra.masks(model, 0.8, lambda _: None), lwm.masks(model, 0.8))


def test_hydra_learns_scores_and_leaves_weights():
    model = ann()
    weights = {name: synapses.weight.detach().clone() for name, synapses in model.synapses().items()}

    def learn(scores):
        optimizer = torch.optim.SGD(scores, lr=0.5)
        for _ in range(5):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images()), labels()).backward()
            optimizer.step()

    masks = hydra.masks(model, 0.8, learn)
    assert counts(masks) == expected_counts(model, 0.8)
    assert not same(masks, lwm.masks(model, 0.8))
    for name, synapses in model.synapses().items():
        assert torch.equal(synapses.weight, weights[name])
        assert synapses.weight.requires_grad
        assert synapses.weight.grad is None
        assert synapses.scores is None


def test_harmful_weight_is_pruned_whatever_its_sign():
    """Two weights, of which the larger only adds to the loss: learning the scores must drop it."""
    for sign in (1.0, -1.0):
        synapses = Synapses(1, 2)
        synapses.weight.data = torch.tensor([[0.5, sign]])
        synapses.scores, synapses.keep = torch.nn.Parameter(synapses.weight.detach().clone()), 1
        for _ in range(20):
            loss = synapses(torch.tensor([[-2.0, sign]])).sum()
            (gradient,) = torch.autograd.grad(loss, synapses.scores)
            synapses.scores.data -= 0.02 * gradient
        assert synapses.connectivity().tolist() == [[1.0, 0.0]]


def test_score_gradient_passes_straight_through_the_mask():
    """dL/ds = dL/dW * W * sign(s) at every entry, kept or not (HYDRA's estimator: the mask follows |s|)."""
    model = ann()
    scores = hydra.start_scores(model, 0.5)
    synapses = model.projections_into("readout")[0].synapses
    torch.manual_seed(0)
    x, target = torch.randn(3, 8), torch.randn(3, 5)
    synapses(x).backward(target)
    expected = (target.T @ x) * synapses.weight.detach() * scores[-1].detach().sign()
    assert torch.allclose(scores[-1].grad, expected, atol=1e-6)
