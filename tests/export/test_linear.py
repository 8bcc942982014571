"""Linear stages against PyTorch's own, which we did not write."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from spikeport.export.linear import apply, synaptic_sum
from spikeport.export.network import AveragePooling, Dense, Normalization
from tests.strategies import convolutions, seeds

shapes = st.tuples(st.integers(1, 4), st.integers(2, 7), st.integers(2, 7))


@given(st.data(), shapes, seeds)
def test_convolution_equals_torch_on_integers(data, shape, seed):
    stage = data.draw(convolutions(shape))
    spikes = np.random.default_rng(seed).integers(0, 256, (2, *shape))
    expected = functional.conv2d(
        torch.from_numpy(spikes).double(),
        torch.from_numpy(stage.weight.copy()).double(),
        stride=stage.stride,
        padding=stage.padding,
        dilation=stage.dilation,
        groups=stage.groups,
    )
    found = synaptic_sum(stage, spikes)
    assert found.dtype == np.int64
    assert np.array_equal(found, expected.numpy())
    assert found.shape[1:] == stage.output_shape(shape)


@given(seeds)
def test_dense_reads_sources_in_c_order(seed):
    rng = np.random.default_rng(seed)
    stage, spikes = Dense(weight=rng.integers(-9, 9, (3, 12))), rng.integers(0, 2, (4, 2, 3, 2))
    expected = [[int(sum(w * s for w, s in zip(row, x.ravel(), strict=True))) for row in stage.weight] for x in spikes]
    assert synaptic_sum(stage, spikes).tolist() == expected


def test_average_pooling_is_the_mean_of_each_window():
    values = np.arange(2 * 4 * 6, dtype=float).reshape(1, 2, 4, 6)
    expected = functional.avg_pool2d(torch.from_numpy(values), (2, 3)).numpy()
    assert apply(AveragePooling(size=(2, 3)), values) == pytest.approx(expected)


def test_normalization_scales_and_shifts_each_channel():
    stage = Normalization(scale=np.array([2.0, -1.0]), shift=np.array([1.0, 0.5]))
    assert apply(stage, np.ones((1, 2, 1, 1))).ravel().tolist() == [3.0, -0.5]
