"""The theorems of the paper on gradient sparsity, checked numerically: what holds, where, and what does not.

Luu, 'Accuracy-robustness trade off via spiking neural network gradient sparsity trail': Theorem 1 (of Liu et al., ICML
2024), Corollary 1, Theorems 2 and 3. docs/gradients.md has the statements and what is found here in one table.
"""

from fractions import Fraction
from itertools import product
from math import comb

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional

from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import INPUT, READOUT, Linear, Node, Projection, Specification
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.nn.surrogates.arctan import Arctan
from spikeport.toolchain.nn.surrogates.piecewise_linear import PiecewiseLinear
from tests.toolchain.networks import NETWORKS, images, labels, snn

ROUNDING = 1 + 1e-9
GRADIENTS = arrays(np.float64, st.integers(1, 30), elements=st.sampled_from([-3.0, -1.0, -0.1, 0.0, 0.0, 0.5, 2.0]))


def ratio(gradient):
    """Return ``rho_adv / rho_rand`` of a linear function: ``(eps |g|_1)^2`` over ``eps^2 |g|_2^2 / 3``.

    rho_adv is the largest (f(x + d) - f(x))^2 in the ball, rho_rand its mean over uniform d.
    """
    return 3 * np.abs(gradient).sum() ** 2 / np.square(gradient).sum()


@given(gradient=GRADIENTS.filter(np.any))
def test_theorem_1_holds_for_linear_functions(gradient):
    """3 <= ratio <= 3 |g|_0: by one entry against all, and by Cauchy and Schwarz."""
    assert ratio(gradient) * ROUNDING >= 3
    assert ratio(gradient) <= 3 * np.count_nonzero(gradient) * ROUNDING


def test_the_ends_of_theorem_1_are_reached_by_one_entry_and_by_entries_of_one_size():
    assert ratio(np.array([0.0, -2.0, 0.0])) == pytest.approx(3)
    assert ratio(np.array([1.0, -1.0, 1.0, 0.0])) == pytest.approx(9)


def test_the_ratio_is_what_sampling_a_smooth_network_finds():
    """A network of arctangents, whose derivative the surrogate is: largest at the corner, mean over 100,000 draws."""
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(shape, generator=generator).double() for shape in ((8, 12), (8,)))
    at, epsilon = torch.rand(12, generator=generator).double().requires_grad_(), 1e-4
    network = lambda x: torch.atan(torch.pi * (x @ first.T)) @ second / torch.pi  # noqa: E731
    (gradient,) = torch.autograd.grad(network(at), at)
    drawn = (2 * torch.rand(100_000, 12, generator=generator).double() - 1) * epsilon
    moved = lambda by: (network(at + by) - network(at)).detach().square()  # noqa: E731
    found = moved(epsilon * gradient.sign()).item() / moved(drawn).mean().item()
    assert found == pytest.approx(ratio(gradient.numpy()), rel=0.02)
    assert 3 < found < 3 * 12


@pytest.mark.parametrize("name", NETWORKS)
def test_theorem_1_holds_for_the_surrogate_gradients_of_spiking_networks(name):
    """A differentiable SNN is its linearisation there; the loss -log p has the zeros and the ratio of p."""
    model, pixels = snn(specification=NETWORKS[name]).double(), images().double().requires_grad_()
    chosen = functional.softmax(model(pixels), 1).gather(1, labels()[:, None]).sum()
    gradients = torch.autograd.grad(chosen, pixels)[0].flatten(1).numpy()
    loss = functional.cross_entropy(model(pixels), labels(), reduction="sum")
    of_loss = torch.autograd.grad(loss, pixels)[0].flatten(1).numpy()
    alive = [(g, h) for g, h in zip(gradients, of_loss, strict=True) if g.any()]
    assert alive
    for gradient, other in alive:
        assert 3 <= ratio(gradient) <= 3 * np.count_nonzero(gradient)
        assert ratio(other) == pytest.approx(ratio(gradient), rel=1e-6)


def one_neuron(threshold):
    """Return a network of two pixels and one neuron with weights one; the first logit is its spike."""
    nodes = (
        Node(name="neuron", projections=(Projection(source=INPUT, synapses=Linear(features=1)),)),
        Node(name=READOUT, kind="readout", projections=(Projection(source="neuron", synapses=Linear(features=2)),)),
    )
    specification = Specification(input_shape=(1, 1, 2), mean=(0.0,), std=(1.0,), nodes=nodes)
    model = SNN(specification, Spiking(steps=1, surrogate=Arctan())).double().eval()
    with torch.no_grad():
        model.projections_into("neuron")[0].synapses.weight.fill_(1.0)
        model.projections_into(READOUT)[0].synapses.weight.copy_(torch.tensor([[1.0], [0.0]]))
        model.neurons_of("neuron").threshold.fill_(threshold)
    return model


def test_theorem_1_does_not_hold_for_the_spikes_themselves():
    """A neuron that fires in a corner of the ball alone: the ratio is near 200, the bound 3 x 2.

    Both pixels at 0.5, eps = 0.1, threshold 1 + 1.8 eps: the corner has the share 0.2^2 / 8 of the ball.
    """
    epsilon, at = 0.1, torch.full((1, 1, 1, 2), 0.5, dtype=torch.float64, requires_grad=True)
    model = one_neuron(1 + 1.8 * epsilon)
    (gradient,) = torch.autograd.grad(model(at)[0, 0], at)
    drawn = 2 * torch.rand((100_000, 1, 1, 2), generator=torch.Generator().manual_seed(0)).double() - 1
    with torch.no_grad():
        before = model(at)[0, 0]
        largest = (model(at + epsilon)[0, 0] - before).square().item()
        mean = (model(at + epsilon * drawn)[:, 0] - before).square().mean().item()
    assert torch.count_nonzero(gradient) == 2
    assert largest == 1
    assert largest / mean == pytest.approx(200, rel=0.2)
    assert largest / mean > 3 * 2


@given(gradient=GRADIENTS.filter(np.any), norm=st.floats(0.1, 10))
def test_corollary_1_is_a_bound_at_a_given_norm(gradient, norm):
    """rho_adv = eps^2 |g|_1^2 <= eps^2 |g|_0 |g|_2^2; it is reached where all entries have one size."""
    scaled = gradient * norm / np.linalg.norm(gradient)
    bound = np.count_nonzero(gradient) * norm**2
    assert np.abs(scaled).sum() ** 2 <= bound * ROUNDING
    even = np.sign(gradient) * norm / np.sqrt(np.count_nonzero(gradient))
    assert np.abs(even).sum() ** 2 == pytest.approx(bound)


def test_corollary_1_does_not_order_networks():
    """A sparser gradient may be the more vulnerable one: by its norm, and at one norm by how even its entries are."""
    sparse, dense = np.array([2.0, 0.0]), np.array([0.5, 0.5])
    assert np.count_nonzero(sparse) < np.count_nonzero(dense)
    assert np.abs(sparse).sum() > np.abs(dense).sum()
    even, uneven = np.array([1.0, 1.0, 0.0]) / np.sqrt(2), np.array([0.999, 0.0316, 0.0316])
    assert np.linalg.norm(uneven) == pytest.approx(1, abs=1e-3)
    assert np.abs(even).sum() > np.abs(uneven).sum()


@pytest.mark.parametrize("seed", range(3))
def test_theorem_2_zeros_of_the_shared_chain_reach_the_weights_and_the_pixels(seed):
    """A neuron whose input gradient is zero at every step: its weights get none, and nothing before it gets any."""
    model, pixels = snn(seed).double(), images().double()
    model.spiking = msgspec.structs.replace(model.spiking, surrogate=PiecewiseLinear(width=0.1))
    layer, seen = model.projections_into("dense1")[0].synapses, {}
    layer.register_forward_hook(lambda _, given, current: seen.update(given=given[0], current=current))
    functional.cross_entropy(model(pixels), labels()).backward(inputs=[layer.weight])
    whole, weights = model(pixels), layer.weight.grad
    loss = functional.cross_entropy(whole, labels())
    chain, before = torch.autograd.grad(loss, [seen["current"], seen["given"]])
    dead = (chain == 0).all(0)
    assert 0 < dead.sum() < len(dead)
    assert not weights[dead].any()
    assert all(row.any() for row in weights[~dead] if seen["given"].any())
    torch.testing.assert_close(before.flatten(1), chain[:, ~dead] @ layer.weight[~dead].detach())


SIZE, STEPS = 8, 5
DEGREES = range(1, SIZE + 1)


def share(rows, columns):
    """Return the probability that a row and a column with so many entries, at places drawn uniformly, meet."""
    return 1 - Fraction(comb(SIZE - columns, rows), comb(SIZE, rows))


def sides(second, first, spikes):
    """Return the means of |w2 w1|_0 and |w2 S|_0 as Eq. 12 defines them, where no sum of products cancels.

    ``second`` entries in every row of w2, ``first`` in every column of w1, ``spikes`` in every step of S.
    """
    return SIZE * SIZE * share(second, first), SIZE * STEPS * share(second, spikes)


def printed(first, spikes):
    """Return the factor of Theorem 3, T / d times kS / k1."""
    return Fraction(STEPS * spikes, SIZE * first)


def test_the_means_are_those_of_supports_drawn_at_random():
    rng, found = np.random.default_rng(0), []
    drawn = lambda shape, number, axis: rng.random(shape).argsort(axis) < number  # noqa: E731
    for _ in range(3000):
        second = drawn((SIZE, SIZE), 3, 1).astype(int)
        first, spikes = drawn((SIZE, SIZE), 2, 0), drawn((SIZE, STEPS), 4, 0)
        found.append((np.count_nonzero(second @ first), np.count_nonzero(second @ spikes)))
    assert np.mean(found, 0) == pytest.approx([float(each) for each in sides(3, 2, 4)], rel=0.01)


def test_each_side_of_theorem_3_has_its_bound_and_the_printed_factor_is_their_ratio():
    """E|w2 w1|_0 <= d k2 k1 and E|w2 S|_0 <= T k2 kS, by a union bound over d terms, which Eq. 15 leaves out."""
    for second, first, spikes in product(DEGREES, repeat=3):
        inputs, weights = sides(second, first, spikes)
        bounds = SIZE * second * first, STEPS * second * spikes
        assert inputs <= bounds[0]
        assert weights <= bounds[1]
        assert printed(first, spikes) == Fraction(bounds[1], bounds[0])


def test_theorem_3_as_printed_holds_exactly_where_spikes_are_as_dense_as_weights_or_rows_have_one_entry():
    """It fails in every network that is not pruned: k of w1 is d there, and in some step an input is silent.

    The share of entries is concave in the degree, so that a sparser side keeps more of it than its degree says.
    """
    for second, first, spikes in product(DEGREES, repeat=3):
        inputs, weights = sides(second, first, spikes)
        assert (weights <= printed(first, spikes) * inputs) == (spikes >= first or second == 1)


def test_equation_16_fails_for_permutations():
    """k = 1 in every row and column: the product has d entries, and k k is 1."""
    permutation = np.eye(SIZE)[np.random.default_rng(0).permutation(SIZE)]
    assert np.count_nonzero(permutation @ permutation.T) == SIZE > 1 * 1


def test_theorem_3_as_printed_fails_for_dense_weights_and_sparse_spikes():
    """The quotient of two upper bounds bounds no quotient: d = 2, all weights not zero, one spike a step."""
    dense, spikes, steps = np.ones((2, 2)), np.array([[1, 0, 1], [0, 1, 0]]), 3
    weight_gradient, input_gradient = np.count_nonzero(dense @ spikes), np.count_nonzero(dense @ dense)
    assert weight_gradient == 6
    assert steps / 2 * 1 / 2 * input_gradient == 3


def test_equation_12_does_not_count_the_entries_of_the_gradient():
    """A weight of w1 acts on every output through w2: 2 x 2 x (inputs that fire) entries, not |w2 S|_0 = 2."""
    second, spikes = torch.ones(2, 2), torch.tensor([1.0, 0.0])

    def outputs(first):
        return torch.atan(torch.pi * (second @ torch.atan(torch.pi * (first @ spikes))))

    jacobian = torch.autograd.functional.jacobian(outputs, torch.ones(2, 2))
    assert torch.count_nonzero(jacobian) == 4
    assert torch.count_nonzero(second @ spikes) == 2
