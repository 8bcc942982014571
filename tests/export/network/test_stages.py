"""Stages refuse what is no convolution, and what does not fit their source."""

import numpy as np
import pytest

from spikeport.export.errors import NetworkError
from spikeport.export.network import Convolution, Dense


def test_arrays_are_read_only_copies():
    weight = np.ones((1, 1), np.int8)
    dense = Dense(weight=weight)
    weight[0, 0] = 5
    assert dense.weight[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        dense.weight[0, 0] = 2


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Convolution(weight=np.zeros((1, 1, 1))), "4 dimensions, found 3"),
        (lambda: Convolution(weight=np.zeros((1, 1, 1, 1)), stride=(0, 1)), "stride \\(0, 1\\)"),
        (lambda: Convolution(weight=np.zeros((3, 1, 1, 1)), groups=2), "3 output channels cannot form 2 groups"),
        (lambda: Convolution(weight=np.zeros((1, 1, 5, 5))).output_shape((1, 3, 3)), "does not fit into a source"),
        (lambda: Convolution(weight=np.zeros((1, 2, 1, 1))).output_shape((1, 3, 3)), "over 2 channels cannot read"),
    ],
)
def test_what_does_not_fit_is_named(build, message):
    with pytest.raises(NetworkError, match=message):
        build()
