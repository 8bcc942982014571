"""What random networks draw: per image, whatever the batch; rows of a batch; names of a part of a set."""

import numpy as np
import pytest
import torch

from spikeport.export.errors import AttackError
from spikeport.export.stimulus.coding import generators_of
from spikeport.toolchain.attacks.noise import draws_of, each_image, rows
from spikeport.toolchain.nn.draws import Draws, drawing, is_random, numbered, part_of_the_set, rows_of
from spikeport.toolchain.nn.encoders.poisson import Poisson
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.robustness.asked import Asked
from tests.toolchain.networks import SPECIFICATION, ann, generator, images, snn


def random_snn(seed=0):
    torch.manual_seed(0)
    return SNN(SPECIFICATION, Spiking(steps=4, encoder=Poisson(seed=seed))).eval()


def numbers(draws, count):
    return draws.drawn(count, lambda each: each.random((2, 3)))


def test_an_image_draws_from_its_own_generator():
    whole = numbers(Draws(generators_of(1, range(5))), 5)
    assert whole.shape == (2, 5, 3)
    assert torch.equal(numbers(Draws(generators_of(1, [3])), 1), whole[:, 3:4])
    assert np.array_equal(whole[:, 2].numpy(), np.random.default_rng([1, 2]).random((2, 3)))


@pytest.mark.parametrize("chosen", [torch.tensor([1, 3]), torch.tensor([False, True, False, True])])
def test_rows_of_a_batch_draw_what_they_would_in_the_whole_one(chosen):
    whole = numbers(Draws(generators_of(1, range(4))), 4)
    draws = Draws(generators_of(1, range(4)))
    with draws.of(chosen):
        assert torch.equal(numbers(draws, 2), whole[:, [1, 3]])
    after = Draws(generators_of(1, range(4)))
    numbers(after, 4)
    assert torch.equal(numbers(draws, 4)[:, 1], numbers(after, 4)[:, 1])


def test_another_number_of_images_than_was_named_is_an_error():
    with pytest.raises(AttackError, match="is given 2 images; 3 were named"):
        numbers(Draws(generators_of(1, range(3))), 2)
    assert numbers(Draws([]), 0).shape == (2, 0, 3)


def test_scores_of_numbered_images_do_not_depend_on_the_batch():
    model, x = random_snn(), images(8)
    with torch.no_grad():
        with numbered(model, range(8)):
            whole = model(x)
        with numbered(model, range(5, 8)):
            assert torch.equal(model(x[5:]), whole[5:])
        with part_of_the_set([7, 2]), numbered(model, range(2)):
            assert torch.equal(model(x[[7, 2]]), whole[[7, 2]])
        with numbered(random_snn(seed=1), range(8)):
            assert not torch.equal(model(x), whole)
    assert model.generator is None


def test_a_callable_around_a_random_network_is_random_too():
    model = random_snn()
    wrapped = Asked(model)
    with torch.no_grad(), numbered(model, range(8)):
        expected = model(images(8))
    with torch.no_grad(), numbered(wrapped, range(8)):
        assert torch.equal(wrapped(images(8)), expected)
        assert isinstance(wrapped.generator, Draws)
    assert wrapped.is_random


@pytest.mark.parametrize("model", [ann(), snn(), Asked(lambda x: x.flatten(1))])
def test_networks_that_draw_nothing_are_left_alone(model):
    assert not is_random(model)
    with numbered(model, range(3)), drawing(model, lambda: pytest.fail("not needed")), rows_of(model, torch.arange(2)):
        assert getattr(model, "generator", None) is None


def test_an_attack_gives_the_network_numbers_of_its_own_that_follow_from_the_image():
    whole = numbers(draws_of(each_image([11, 12, 13]), 3), 3)
    assert torch.equal(numbers(draws_of(each_image([12]), 1), 1), whole[:, 1:2])
    parts = torch.cat([numbers(draws_of(rows(5, 0, 4), 2), 2), numbers(draws_of(rows(5, 2, 4), 2), 2)], 1)
    assert torch.equal(parts, numbers(draws_of(rows(5, 0, 4), 4), 4))
    source = generator(3)
    first, second = (numbers(draws_of(source, 2), 2) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, numbers(draws_of(generator(3), 2), 2))
