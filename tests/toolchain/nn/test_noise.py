"""Gaussian numbers from a counter: distribution and independence; neurons that fire with the probability Phi."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeport.toolchain.nn import compiled_loop, plain_loop
from spikeport.toolchain.nn.kernels import disturb
from spikeport.toolchain.nn.loop import Noise
from spikeport.toolchain.nn.neurons import IntegrateAndFire
from spikeport.toolchain.nn.noise import gaussian, keys
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.spiking import Spiking
from tests.strategies import cases, seeds
from tests.toolchain.networks import SPECIFICATION, generator, images
from tests.toolchain.nn.test_neurons import computed_by

COUNT = 300_000
FAR = 5.0
"""Standard errors that a statistic of correct numbers is within, but for one in a million."""


def drawn(seed=0, steps=1, count=COUNT):
    """Return numbers (steps, count) in double precision."""
    return torch.stack([gaussian(pair, torch.arange(count)) for pair in keys(steps, generator(seed))]).double()


def test_moments_are_those_of_a_normal_distribution():
    numbers = drawn(steps=4).flatten()
    error = 1 / math.sqrt(len(numbers))
    assert abs(numbers.mean()) < FAR * error
    assert abs(numbers.square().mean() - 1) < FAR * error * math.sqrt(2)
    assert abs(numbers.pow(3).mean()) < FAR * error * math.sqrt(15)
    assert abs(numbers.pow(4).mean() - 3) < FAR * error * math.sqrt(96)


@pytest.mark.parametrize("level", [-4.5, -4, -3, -2, -1, -0.5, -0.1, 0, 0.1, 0.5, 1, 2, 3, 4, 4.5])
def test_as_many_numbers_lie_beyond_a_level_as_phi_says(level):
    """The bound is the binomial's; the polynomial's error of 5e-4 moves Phi by 2e-4 at most."""
    numbers, expected = drawn(1, steps=4).flatten(), NormalDist().cdf(-abs(level))
    beyond = float((numbers < level if level < 0 else numbers > level).double().mean())
    error = math.sqrt(expected * (1 - expected) / len(numbers))
    assert abs(beyond - expected) < FAR * error + 5e-4 * NormalDist().pdf(level)


def counter_of(x, pair):
    """Return the neuron whose bits become ``x``: the definition backwards, in Python's integers."""
    first, second = pair
    x ^= x >> 16
    x = (x * pow(0x846CA68B, -1, 2**32) - second) % 2**32
    x ^= x >> 15 ^ x >> 30
    x = x * pow(0x7FEB352D, -1, 2**32) % 2**32
    return x ^ x >> 16 ^ first


@cases(300)
@given(place=st.one_of(st.integers(0, 2**31 - 1), st.integers(0, 31).map(lambda bits: 2**bits - 1)), seed=seeds)
def test_every_number_is_within_5e_4_of_the_exact_one(place, seed):
    """Down to the smallest probability, 2^-33, that a number lies farther to its side."""
    (pair,) = keys(1, generator(seed))
    for sign, bit in ((1, 0), (-1, 1)):
        index = counter_of(2 * place + bit, pair.tolist())
        exact = -sign * NormalDist().inv_cdf((place + 0.5) / 2**32)
        assert gaussian(pair, torch.tensor([index])).item() == pytest.approx(exact, abs=5e-4)


@pytest.mark.parametrize("shift", [1, 2, 8, 64, 1024, 65536])
def test_numbers_of_neurons_at_any_distance_are_uncorrelated(shift):
    (numbers,) = drawn(3)
    for first, second in ((numbers, numbers), (numbers.square() - 1, numbers.square() - 1)):
        product = (first[shift:] * second[:-shift]).mean() / (first.std() * second.std())
        assert abs(product) < FAR / math.sqrt(len(numbers) - shift)


def test_numbers_of_steps_passes_and_seeds_are_uncorrelated():
    numbers = torch.cat([drawn(4, steps=4), drawn(5, steps=4)])
    for values in (numbers, numbers.square()):
        found = torch.corrcoef(values) - torch.eye(len(values), dtype=torch.float64)
        assert found.abs().max() < FAR / math.sqrt(COUNT)


@pytest.mark.parametrize("bit", [0, 1, 7, 16, 24, 31])
def test_steps_whose_first_keys_differ_in_one_bit_are_uncorrelated(bit):
    places, (first, second) = torch.arange(COUNT), torch.tensor([[12345, 67890], [12345 ^ 1 << bit, 67890]])
    numbers, others = gaussian(first, places).double(), gaussian(second, places).double()
    assert abs((numbers * others).mean()) < FAR / math.sqrt(COUNT)
    assert abs(((numbers.square() - 1) * (others.square() - 1)).mean()) < FAR * 2 / math.sqrt(COUNT)


def test_compiled_loops_give_the_same_bits_from_any_first_neuron_on():
    pairs = keys(3, generator(7))
    for step, first, count in ((0, 0, 1000), (1, 12_345, 257), (2, 2**32 - 10, 20)):
        limit = np.empty(count, np.float32)
        disturb(np.float32(0), np.float32(1), *pairs.numpy().astype(np.uint32)[step], np.uint32(first), count, limit)
        assert np.array_equal(limit, gaussian(pairs[step], torch.arange(first, first + count)).numpy())


@pytest.mark.parametrize("module", [compiled_loop, plain_loop])
@pytest.mark.parametrize("distance", [-2.5, -1.0, -0.2, 0.0, 0.3, 1.0, 3.0])
def test_neurons_fire_with_the_probability_phi_of_their_distance(distance, module):
    """200,000 neurons of one threshold and potential in the first step; noise is in units of the threshold."""
    spiking, count = Spiking(steps=1, noise=0.25), 200_000
    layer = IntegrateAndFire(spiking)
    layer.threshold.data.fill_(0.8)
    with computed_by(module):
        sent = layer(torch.full((1, 1, count), 0.8 + distance * 0.25 * 0.8), spiking, generator=generator(1))
    rate = float(sent.values.detach().mean())
    expected = NormalDist().cdf(distance)
    error = math.sqrt(expected * (1 - expected) / count)
    assert abs(rate - expected) < FAR * error + 2e-4


def test_the_gradient_is_that_of_the_probability():
    """Of many neurons at several potentials: d/dv of the expected spikes, by Phi itself."""
    spiking, distance = Spiking(steps=1, noise=0.4), torch.linspace(-1, 1, 41)
    layer = IntegrateAndFire(spiking)
    current = (1 + distance).view(1, 1, -1).requires_grad_()
    (found,) = torch.autograd.grad(layer(current, spiking).values.sum(), current)
    step = 1e-4
    normal = torch.distributions.Normal(0, 0.4)
    expected = (normal.cdf(distance.double() + step) - normal.cdf(distance.double() - step)) / (2 * step)
    assert torch.allclose(found.flatten().double(), expected, atol=1e-5)


def noisy(noise=0.3, seed=0):
    torch.manual_seed(seed)
    return SNN(SPECIFICATION, Spiking(steps=4, noise=noise))


def test_evaluation_mode_is_deterministic_and_that_of_the_network_without_noise():
    model, quiet = noisy().eval(), noisy(0.0).eval()
    assert torch.equal(model(images()), quiet(images()))
    state = torch.get_rng_state()
    model(images())
    assert torch.equal(torch.get_rng_state(), state)


def test_training_mode_draws_anew_in_every_pass_and_again_from_an_equal_seed():
    found = []
    for seed in (0, 0, 1):
        model = noisy().train()
        torch.manual_seed(seed)
        found += [model(images()).detach(), model(images()).detach()]
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[1], found[3])
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[4])


def test_populations_and_steps_have_numbers_of_their_own():
    first, second = keys(5, generator(0)), keys(5, generator(1))
    assert len({tuple(pair) for pair in torch.cat([first, second]).tolist()}) == 10
    assert Noise(sigma=0.1, keys=first).keys.shape == (5, 2)
    assert int(first.min()) >= 0
    assert int(first.max()) > 2**31


def test_one_thread_and_two_give_the_same_bits():
    spiking, results, before = Spiking(steps=5, noise=0.3), [], torch.get_num_threads()
    layer = IntegrateAndFire(spiking)
    current = torch.randn(5, 3, 5, 8, 8, requires_grad=True, generator=generator(0))
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        try:
            sent = layer(current, spiking, pool=2, margin=0.5, generator=generator(3))
            found = torch.autograd.grad(sent.values.square().sum() + 100 * sent.penalty, [current, layer.threshold])
            results.append([sent.values.detach(), sent.penalty.detach(), *found])
        finally:
            torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))
