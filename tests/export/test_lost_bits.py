"""Weights that become zero are said where they are many, and bits that no weight uses."""

from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.lost_bits import lost_bits
from spikeport.export.network import Source
from spikeport.export.quantize import quantize
from tests.export.test_quantize import dense_network


@pytest.mark.parametrize(
    ("small", "bits", "lost"), [(0.001, 8, 3), (0.1, 8, 0), (0.1, 4, 0), (0.05, 4, 3), (0.0, 4, 0)]
)
def test_weights_far_below_the_largest_are_counted(small, bits, lost):
    network = dense_network(np.array([[1.0, small, -small, small]]), [2.0])
    found = lost_bits(network, quantize(network, weight_bits=bits), bits)
    assert len(found) == (lost > 0)
    if lost:
        more = "more bits, or " if bits < 8 else ""
        assert f"a: {lost} of 4 weights round to zero beside the largest one; take {more}calibration" in found[0]


def test_weights_that_a_register_takes_are_no_matter_of_bits_or_calibration():
    weight = np.random.default_rng(0).normal(size=(4, 60))
    network = dense_network(weight, [0.9] * 4, levels=255, steps=200)
    (found,) = lost_bits(network, quantize(network), 8)
    assert "weights round to zero beside the largest one; the largest weight is" in found
    assert found.endswith(
        "fewer steps, or fewer levels of the input (quantize --levels 63) leave the weights more bits"
    )


def test_few_lost_weights_are_no_warning():
    weight = np.array([[1.0] * 9 + [0.001]])
    network = dense_network(weight, [2.0])
    integers = quantize(network)
    assert np.count_nonzero(integers.incoming("a")[0].synapses.weight) == 9
    assert lost_bits(network, integers, 8) == ()


def test_bits_that_a_register_takes_from_the_weights_are_said():
    weight = np.random.default_rng(0).normal(size=(4, 60))
    network = dense_network(weight, [0.9] * 4, levels=255, steps=8)
    integers = quantize(network)
    (found,) = lost_bits(network, integers, 8)
    largest = int(np.abs(integers.incoming("a")[0].synapses.weight.astype(int)).max())
    assert largest * 4 <= 127
    assert found.startswith(f"a: the largest weight is {largest} of 127 and weights are rounded, to ")
    assert "its potential could leave its register within 8 steps: fewer steps, or fewer levels of the input" in found
    fewer = replace_levels(network, 15)
    assert lost_bits(fewer, quantize(fewer), 8) == ()


def test_a_bias_that_takes_them_is_named():
    weight = np.random.default_rng(0).uniform(0.001, 0.002, size=(4, 3))
    network = dense_network(weight, [0.9] * 4, bias=[0.8, 0.5, 0.1, 0.0], levels=1, steps=2)
    (found,) = lost_bits(network, quantize(network), 8)
    assert "its bias could leave its register within 2 steps: smaller biases leave" in found


def test_few_bits_of_whole_weights_are_no_warning():
    weight = np.random.default_rng(0).integers(-3, 4, size=(4, 15)).astype(float)
    network = dense_network(weight, [40.0] * 4, levels=255, steps=8)
    integers = quantize(replace_levels(network, 255, unit=1.0))
    assert lost_bits(replace_levels(network, 255, unit=1.0), integers, 8) == ()


def replace_levels(network, levels, unit=None):
    source = replace(network.source, neuron=Source(levels=levels, unit=1 / levels if unit is None else unit))
    return replace(network, populations=(source, *network.populations[1:]))
