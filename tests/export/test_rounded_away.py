"""Weights that become zero are said where they are many."""

import numpy as np
import pytest

from spikeport.export.quantize import quantize
from spikeport.export.rounded_away import rounded_away
from tests.export.test_quantize import dense_network


@pytest.mark.parametrize(
    ("small", "bits", "lost"), [(0.001, 8, 3), (0.1, 8, 0), (0.1, 4, 0), (0.05, 4, 3), (0.0, 4, 0)]
)
def test_weights_far_below_the_largest_are_counted(small, bits, lost):
    network = dense_network(np.array([[1.0, small, -small, small]]), [2.0])
    found = rounded_away(network, quantize(network, weight_bits=bits))
    assert len(found) == (lost > 0)
    if lost:
        assert f"a: {lost} of 4 weights round to zero beside the largest one" in found[0]


def test_few_lost_weights_are_no_warning():
    weight = np.array([[1.0] * 9 + [0.001]])
    network = dense_network(weight, [2.0])
    integers = quantize(network)
    assert np.count_nonzero(integers.incoming("a")[0].synapses.weight) == 9
    assert rounded_away(network, integers) == ()
