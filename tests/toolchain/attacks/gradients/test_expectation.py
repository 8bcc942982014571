"""The mean over draws of a random network."""

import torch
from torch import nn

from spikeport.toolchain.attacks.gradients.expectation import Expectation
from spikeport.toolchain.attacks.gradients.trained import Trained
from spikeport.toolchain.attacks.losses.cross_entropy import CrossEntropy
from spikeport.toolchain.attacks.pgd import Pgd
from tests.toolchain.networks import ann, generator, images, labels


class Noisy(nn.Module):
    """Multiplies every pixel by a random number, another in every call."""

    def __init__(self, seed=0):
        super().__init__()
        self.drawn, self.generator = [], generator(seed)

    def forward(self, x):
        self.drawn.append(torch.rand(x.shape, generator=self.generator))
        return (x * self.drawn[-1]).flatten(1).cumsum(1)[:, ::32]


def total(logits):
    return logits.sum(1)


def test_gradient_and_loss_are_the_means_over_the_draws():
    model, clean = Noisy(), images(3)
    gradient, losses = Expectation(draws=7)(model, clean, total)
    assert len(model.drawn) == 7
    alone = [Trained()(Noisy(), clean, total)]
    model = Noisy()
    alone = [Trained()(model, clean, total) for _ in range(7)]
    assert torch.allclose(gradient, torch.stack([each[0] for each in alone]).mean(0), atol=1e-6)
    assert torch.allclose(losses, torch.stack([each[1] for each in alone]).mean(0), atol=1e-5)
    assert not torch.allclose(gradient, alone[0][0], atol=1e-2)


def test_a_network_without_random_numbers_has_one_gradient():
    model = ann().eval()
    found = [
        Pgd(gradient=gradient, objective=CrossEntropy())(
            model, images(6), labels(6), epsilon=0.05, generator=generator()
        ).images
        for gradient in (Trained(), Expectation(draws=1), Expectation(draws=4))
    ]
    assert torch.equal(found[0], found[1])
    assert torch.allclose(found[0], found[2], atol=0.02)
