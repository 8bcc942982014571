"""Projections: what pooling, padding and batch norm compute, and what the passes multiply weights by."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as in PyTorch's own documentation

from spikeport.export.errors import NetworkError
from spikeport.export.passes import folded
from spikeport.toolchain.lowering import lower
from spikeport.toolchain.nn.ann import ANN
from spikeport.toolchain.nn.layers import ProjectionLayer
from spikeport.toolchain.nn.snn import SNN
from spikeport.toolchain.nn.specification import (
    INPUT,
    READOUT,
    AveragePooling,
    BatchNorm,
    Convolution,
    Linear,
    MaxPooling,
    Node,
    Projection,
    Specification,
)
from spikeport.toolchain.nn.spiking import Spiking

SHAPE = (4, 7, 6)


def layer(**settings):
    torch.manual_seed(0)
    made = ProjectionLayer(Projection(source="a", **settings), SHAPE, torch.ones(4)).double()
    return made.eval(), torch.rand(2, *SHAPE, dtype=torch.float64)


def test_padding_of_opposite_sides_may_differ():
    made, x = layer(synapses=Convolution(channels=6, kernel=(3, 2), padding=(2, 0, 0, 1), groups=2, bias=True))
    made.synapses.bias.data.normal_()
    padded = F.pad(x, (0, 1, 2, 0))
    expected = F.conv2d(padded, made.synapses.weight, made.synapses.bias, groups=2)
    assert torch.equal(made(x), expected)
    assert made.shape == tuple(expected.shape[1:]) == (6, 7, 6)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (2, 1), (4, 2), ((2, 5), (3, 1))])
def test_without_a_padding_stride_one_keeps_the_shape(kernel, dilation):
    made, x = layer(synapses=Convolution(channels=4, kernel=kernel, dilation=dilation))
    expected = F.conv2d(x, made.synapses.weight, padding="same", dilation=dilation)
    assert torch.equal(made(x), expected)
    assert made.shape == (4, 7, 6)


@pytest.mark.parametrize("kind", [AveragePooling, MaxPooling])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 1, 0, 0), (0, 2, 1, 0), (3, 3, 2, 2)])
def test_pooling_takes_zeros_around_the_map(kind, padding):
    top, bottom, left, right = padding
    made, x = layer(pooling=kind(kernel=(3, 2), stride=(2, 1), padding=padding))
    function = F.avg_pool2d if kind is AveragePooling else F.max_pool2d
    expected = function(F.pad(x, (left, right, top, bottom)), (3, 2), (2, 1))
    torch.testing.assert_close(made(x), expected, rtol=1e-15, atol=1e-15)
    assert made.shape == tuple(expected.shape[1:])


@pytest.mark.parametrize("values", [2, 1, 100], ids=["spikes", "silent", "rates"])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 0, 1), (2, 2, 2, 2)])
def test_the_gradient_of_max_pooling_is_torchs_where_values_are_equal(padding, values):
    """The first of equal values gets it, and borders get none, not even beside a window of zeros.

    Torch takes equal borders up to half of a window, and rounds up where the last windows are cut off.
    """
    made, _ = layer(pooling=MaxPooling(kernel=3, stride=2, padding=padding))
    x = torch.randint(0, values, (5, *SHAPE), generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    found = made(x)
    side = padding[0]
    if side == 2:  # more than torch takes: the map is put in the middle of a larger one that is silent
        (given,) = torch.autograd.grad(found.sum(), x)
        inside = F.max_pool2d(F.pad(x, (2,) * 4, value=-1.0), 3, 2).clamp(min=0)
        assert torch.equal(found, inside)
        assert torch.equal(given, torch.autograd.grad(inside.sum(), x)[0])
        return
    expected = F.max_pool2d(x, 3, 2, padding=side, ceil_mode=padding == (0, 1, 0, 1))
    weights = torch.rand(expected.shape, dtype=torch.float64)
    assert torch.equal(found, expected)
    gradients = [torch.autograd.grad((each * weights).sum(), x)[0] for each in (found, expected)]
    assert torch.equal(*gradients)
    assert gradients[0].sum() == pytest.approx(weights.sum().item())


def test_channels_and_flatten_place_values_before_batch_norm():
    made, x = layer(channels=(2, 7), flatten=True, norm=BatchNorm(affine=False))
    made.norm.running_mean.normal_()
    placed = torch.zeros(2, 7, 7, 6, dtype=torch.float64)
    placed[:, 2:6] = x
    expected = F.batch_norm(placed.flatten(1), made.norm.running_mean, made.norm.running_var)
    torch.testing.assert_close(made(x), expected)
    assert made.shape == (7 * 42, 1, 1)
    assert torch.equal(made.linear(x), placed.flatten(1))
    assert not made.norm.weight.requires_grad


def test_batch_norm_refuses_other_axes():
    made, _ = layer(norm=True)
    with pytest.raises(ValueError, match=r"batch norm gets 3 axes"):
        made.norm(torch.rand(2, 4, 7).double())


def specification(*projections):
    first = Node(name="first", projections=projections)
    readout = Node(name=READOUT, kind="readout", projections=(Projection(source="first", synapses=Linear(features=2)),))
    std = tuple(0.1 * (index + 1) for index in range(4))
    return Specification(input_shape=SHAPE, mean=(0.5,) * 4, std=std, nodes=(first, readout))


@pytest.mark.parametrize(
    "synapses",
    [Convolution(channels=6), Convolution(channels=6, groups=2), Convolution(channels=4, groups=4), Linear(features=3)],
)
def test_factors_are_what_the_passes_multiply_weights_by(synapses):
    """With them, training rounds the weights that the quantizer will see, groups and pixel statistics included."""
    torch.manual_seed(1)
    snn = SNN(specification(Projection(source=INPUT, synapses=synapses, norm=True)), Spiking(steps=2)).double().eval()
    (made,) = snn.projections_into("first")
    made.norm.weight.data.uniform_(0.5, 2)
    made.norm.running_var.uniform_(0.5, 2)
    (projection,) = folded(lower(snn)).incoming("first")
    expected = (made.synapses.weight * made.factors()).detach().numpy()
    found = projection.synapses.weight
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-6)


def test_projections_of_several_shapes_are_refused():
    nodes = specification(Projection(source=INPUT), Projection(source=INPUT, pooling=2))
    with pytest.raises(NetworkError, match=r"population 'first': its projections give the shapes .*\(4, 3, 3\)"):
        ANN(nodes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Convolution(channels=4, kernel=0), "kernel is 0; expected 1 or more"),
        (lambda: Convolution(channels=4, groups=3), "4 channels cannot form 3 groups"),
        (lambda: MaxPooling(kernel=2, stride=(1, 0)), r"stride is \(1, 0\)"),
        (lambda: Projection(source="a", pooling=0), "pooling is 0"),
    ],
    ids=["kernel", "groups", "stride", "pooling"],
)
def test_impossible_sides_are_refused(make, message):
    with pytest.raises(NetworkError, match=message):
        make()
