"""Convolutions to small maps against PyTorch's own, in float64."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from spikeport.toolchain.nn.layers import Synapses
from spikeport.toolchain.nn.small_maps import SmallMaps, is_small, of_weights
from spikeport.toolchain.nn.specification import Convolution
from tests.strategies import cases


@cases(100)
@given(st.data())
def test_gradient_of_the_weights_equals_that_of_torch(data):
    height, width, high, wide = (data.draw(st.integers(1, most)) for most in (5, 5, 4, 4))
    up, left = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    sides = height + 2 * up - high + 1, width + 2 * left - wide + 1
    if min(sides) < 1:
        return
    x, weight = torch.randn(3, 2, height, width, dtype=torch.float64), torch.randn(4, 2, high, wide).double()
    weight.requires_grad_()
    arriving = torch.randn(3, 4, *sides, dtype=torch.float64)
    (wanted,) = torch.autograd.grad(functional.conv2d(x, weight, padding=(up, left)), weight, arriving)
    assert torch.allclose(of_weights(x, arriving, weight.shape, (up, left)), wanted, rtol=1e-10, atol=1e-10)


def test_first_and_second_derivatives_are_those_of_differences():
    x, weight = torch.randn(2, 2, 3, 2, dtype=torch.float64), torch.randn(3, 2, 3, 3, dtype=torch.float64)
    pair = (x.requires_grad_(), weight.requires_grad_())
    assert torch.autograd.gradcheck(lambda *each: SmallMaps.apply(*each, (1, 1)), pair)
    assert torch.autograd.gradgradcheck(lambda *each: SmallMaps.apply(*each, (1, 1)), pair)


@pytest.mark.parametrize("asked", [(0,), (1,), (0, 1)])
def test_each_gradient_that_is_asked_for_is_given(asked):
    tensors = torch.randn(2, 2, 2, 2).requires_grad_(), torch.randn(3, 2, 3, 3).requires_grad_()
    wanted = torch.autograd.grad(functional.conv2d(*tensors, padding=1).sum(), [tensors[i] for i in asked])
    found = torch.autograd.grad(SmallMaps.apply(*tensors, (1, 1)).sum(), [tensors[i] for i in asked])
    for each, expected in zip(found, wanted, strict=True):
        assert torch.allclose(each, expected, atol=1e-5)


@pytest.mark.parametrize(("side", "small"), [(1, True), (4, True), (5, False)])
def test_maps_of_sixteen_values_are_small(side, small):
    weight = torch.ones(1, 1, 3, 3).requires_grad_()
    assert is_small(torch.zeros(1, 1, side, side), weight, (1, 1)) is small
    assert not is_small(torch.zeros(1, 1, side, side), weight.detach(), (1, 1))


def test_a_mask_written_to_after_a_pass_is_in_force_in_the_next():
    synapses = Synapses(3, 2, 3, 3, convolution=Convolution(channels=3))
    x = torch.rand(2, 2, 4, 4)
    dense = synapses(x)
    assert synapses.whole()
    synapses.mask[0] = 0
    assert not synapses.whole()
    assert not synapses(x)[:, 0].any()
    synapses.load_state_dict({**synapses.state_dict(), "mask": torch.ones(3, 2, 3, 3)})
    assert torch.equal(synapses(x), dense)
    synapses.mask = torch.zeros(3, 2, 3, 3)
    assert not synapses(x).any()
