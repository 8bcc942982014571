"""Every file of the folder: its formula, its compiled form, its parameters."""

import math

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.compiled import digest
from spikeport.export.errors import RecipeError
from spikeport.toolchain.choices import kinds, tag_of
from spikeport.toolchain.nn.neurons import IntegrateAndFire
from spikeport.toolchain.nn.spiking import Spiking
from spikeport.toolchain.nn.surrogates.piecewise_linear import PiecewiseLinear
from spikeport.toolchain.nn.surrogates.surrogate import Surrogate
from tests.strategies import cases

KINDS = kinds(Surrogate)
X = np.linspace(-3, 3, 601)
FORMULAS = {
    "piecewise_linear": ({"width": 2.0}, np.maximum(0, 2 - np.abs(X)) / 4),
    "exponential": ({"height": 0.3, "steepness": 0.5}, 0.3 * np.exp(-0.5 * np.abs(X))),
    "rectangular": ({"width": 4.0}, np.where(np.abs(X) < 2, 0.25, 0)),
    "arctan": ({"alpha": 2.0}, np.gradient(np.arctan(math.pi * X) / math.pi, X)),
    "probit": ({"sigma": 0.5}, np.exp(-2 * X**2) * math.sqrt(2 / math.pi)),
    "straight_through": ({}, np.ones_like(X)),
}


def test_every_surrogate_has_a_formula_here():
    assert set(KINDS) == set(FORMULAS)


@pytest.mark.parametrize("name", KINDS)
def test_slope_is_the_papers(name):
    parameters, expected = FORMULAS[name]
    found = KINDS[name](**parameters).slope(torch.from_numpy(X)).numpy()
    inner = slice(1, -1) if name == "arctan" else slice(None)
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-3 if name == "arctan" else 1e-12)


@cases(100)
@given(name=st.sampled_from(sorted(KINDS)), values=st.lists(st.floats(0.1, 5), min_size=2, max_size=2))
def test_compiled_form_is_the_same(name, values):
    kind = KINDS[name]
    surrogate = kind(**dict(zip(kind.__struct_fields__, values, strict=False)))
    function, parameters = surrogate.compiled()
    found = [function(float(x), *parameters) for x in X]
    np.testing.assert_allclose(found, surrogate.slope(torch.from_numpy(X)).numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", KINDS)
def test_parameters_are_positive(name):
    for field in KINDS[name].__struct_fields__:
        for bad in (0.0, -1.0, math.inf, math.nan):
            with pytest.raises(RecipeError, match=f"surrogate {name}: {field} is .*; expected a number above 0"):
                KINDS[name](**{field: bad})
        with pytest.raises(msgspec.ValidationError, match=field):
            msgspec.convert({"kind": name, field: 0.0}, KINDS[name])


@pytest.mark.parametrize("name", KINDS)
def test_tag_is_the_files_name(name):
    assert KINDS[name].__module__.rpartition(".")[2] == tag_of(KINDS[name]) == name


def test_a_surrogate_without_a_compiled_form_runs():
    class Own(Surrogate, frozen=True, kw_only=True, tag="own"):
        def slope(self, distance):
            return PiecewiseLinear().slope(distance)

    current = torch.randn(4, 2, 3, requires_grad=True)
    gradients = []
    for surrogate in (Own(), PiecewiseLinear()):
        spiking = Spiking(steps=4, surrogate=surrogate)
        (gradient,) = torch.autograd.grad(IntegrateAndFire(spiking)(current, spiking).values.sum(), current)
        gradients.append(gradient)
    assert torch.allclose(*gradients)
    assert gradients[0].any()


def test_kept_code_is_parted_by_what_a_function_says():
    """Numba's cache looks at the file of the loop alone; the digest changes with the surrogate's code."""

    def one(x):
        return x * 1.5

    def other(x):
        return x * 2.5

    assert digest(one) != digest(other)
    assert len({digest(kind().compiled()[0]) for kind in KINDS.values()}) == len(KINDS)
