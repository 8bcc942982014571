"""Theorems 3.2 and 3.3 of Wu et al. (ACM Multimedia 2024): covariances behind a linear layer, by Monte Carlo.

With N draws the error of a sample covariance is normal up to O(1/N) with the deviation that the draws show; six of
them, and a thousandth of the largest variance, are allowed: less than one wrong alarm in 10^7 entries.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spikeport.export.stimulus.coding import generators_of
from spikeport.toolchain.nn.draws import Draws
from spikeport.toolchain.nn.encoders.poisson import Poisson
from spikeport.toolchain.nn.encoders.rsc import Rsc
from tests.strategies import EXAMPLES, cases

DRAWS, SIGMA = 20_000, 0.04
INPUTS = 4
weights = arrays.arrays(float, (3, INPUTS), elements=st.floats(-1, 1))
pixels = arrays.arrays(float, INPUTS, elements=st.floats(0.3, 0.7))
perturbations = arrays.arrays(float, INPUTS, elements=st.floats(-0.1, 0.1))
anywhere = arrays.arrays(float, INPUTS, elements=st.floats(0, 1))


def outputs(encoder, x, w, seed):
    """Return W X (draws, outputs) for independent draws X of one coded image."""
    image = torch.tensor(x, dtype=torch.float64).view(1, 1, 1, INPUTS)
    coded = encoder(image, DRAWS, generator=Draws(generators_of(seed, [0])))
    return coded.flatten(1).numpy() @ w.T


def assert_covariance(y, expected):
    centred = y - y.mean(axis=0)
    products = centred[:, :, None] * centred[:, None, :]
    error = products.std(axis=0) / np.sqrt(len(y))
    allowed = 6 * error + 1e-3 * max(expected.diagonal().max(), 1e-6)
    assert np.all(np.abs(products.mean(axis=0) - expected) <= allowed)


@given(weights, anywhere, perturbations, st.integers(0, 100))
@cases(EXAMPLES)
def test_poisson_coding_has_the_covariance_of_theorem_3_2_before_and_after(w, x, change, seed):
    attacked = np.clip(x + change, 0, 1)
    change = attacked - x
    before = x * (1 - x)
    after = before + change * (1 - 2 * x) - change**2
    assert_covariance(outputs(Poisson(), x, w, seed), w @ np.diag(before) @ w.T)
    assert_covariance(outputs(Poisson(), attacked, w, seed + 1), w @ np.diag(after) @ w.T)


@given(weights, pixels, perturbations, st.integers(0, 100))
@cases(EXAMPLES)
def test_smoothing_has_the_covariance_of_theorem_3_3_before_and_after(w, x, change, seed):
    """Pixels stay five deviations and more away from 0 and 1, where the clamp acts: it does once in 10^6 numbers."""
    expected, encoder = SIGMA**2 * w @ w.T, Rsc(sigma=SIGMA, variant="II")
    assert_covariance(outputs(encoder, x, w, seed), expected)
    assert_covariance(outputs(encoder, x + change, w, seed + 1), expected)


@pytest.mark.parametrize("x", [0.0, 1.0])
def test_at_the_ends_of_the_range_the_clamp_takes_variance_and_the_theorem_does_not_hold(x):
    """Of max(0, e) with e ~ N(0, s^2) the variance is s^2 (1/2 - 1/(2 pi)) = 0.341 s^2, whatever the paper says."""
    y = outputs(Rsc(sigma=SIGMA, variant="II"), np.full(INPUTS, x), np.eye(INPUTS), 0)
    assert y.var(axis=0) == pytest.approx(np.full(INPUTS, SIGMA**2 * (0.5 - 1 / (2 * np.pi))), rel=0.1)


@given(weights, anywhere, st.integers(0, 100))
@cases(EXAMPLES)
def test_both_codings_are_right_on_average(w, x, seed):
    """Eq. 11 and 12: E[W X] = W x; smoothing where the clamp does not act."""
    for encoder, image in ((Poisson(), x), (Rsc(sigma=SIGMA, variant="II"), 0.3 + 0.4 * x)):
        y = outputs(encoder, image, w, seed)
        error = y.std(axis=0) / np.sqrt(len(y))
        assert np.all(np.abs(y.mean(axis=0) - w @ image) <= 6 * error + 1e-4)
