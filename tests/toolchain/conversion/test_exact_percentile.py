"""Ranks among parts of values, against sorting all of them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spikeport.export.errors import TrainingError
from spikeport.toolchain.conversion.exact_percentile import rank_of, value_of_rank
from spikeport.toolchain.nn.loop import Normal
from tests.strategies import cases


def plain(width):
    numbers = st.floats(-(2.0**90), 2.0**90, width=width, allow_subnormal=False) | st.sampled_from(
        [0.0, 1.0, -1.0, 1.5]
    )
    return arrays.arrays(f"float{width}", (4, 2, 3, 5), elements=numbers)


@cases(100)
@given(values=plain(32) | plain(64), percent=st.floats(0.01, 100), cut=st.integers(1, 3))
def test_value_is_the_one_that_sorting_finds(values, percent, cut):
    tensor = torch.from_numpy(values)
    rank = rank_of(values.size, percent)
    found = value_of_rank(lambda: (tensor[:cut], tensor[cut:]), Normal.none(tensor), rank)
    assert found == np.sort(values, axis=None)[rank - 1]


def test_values_are_normalised_per_channel():
    tensor, one = torch.randn(4, 2, 3, 5, 5), torch.ones(3)
    normal = Normal(one, one, torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.0, 1.0, 7.0]))
    expected = tensor * normal.scale.view(3, 1, 1) + normal.shift.view(3, 1, 1)
    for rank in (1, 100, expected.numel()):
        assert value_of_rank(lambda: [tensor], normal, rank) == expected.flatten().sort().values[rank - 1]


def test_ranks_are_the_nearest():
    assert [rank_of(1000, percent) for percent in (0.01, 50, 99.7, 100)] == [1, 500, 997, 1000]


def test_what_is_not_finite_is_refused():
    with pytest.raises(TrainingError, match=r"a percentile of the currents is nan; .* not finite"):
        value_of_rank(lambda: [torch.full((1, 1, 1), torch.nan)], Normal.none(torch.zeros(1)), 1)
