"""The bias register's nearest value, computed another way; drives of real networks; the ends of the format."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export import biases
from spikeport.export.bias_form import as_bias
from spikeport.export.biases import LARGEST, nearest
from spikeport.export.lava.doctor import small_network

SAID = np.unique([mantissa << exponent for mantissa in range(4096) for exponent in range(8)])
"""Every magnitude that the registers can say."""
ends = st.sampled_from([value << e for e in range(8) for value in (4095, 4096, 8191)])
drives = st.one_of(
    st.integers(-LARGEST - 5000, LARGEST + 5000),
    st.builds(lambda end, off, sign: sign * (end + off), ends, st.integers(-130, 130), st.sampled_from([-1, 1])),
    st.integers(-(2**40), 2**40),
)


@given(st.lists(drives, min_size=1, max_size=50).map(np.array))
def test_no_value_of_the_registers_is_nearer(drive):
    found = nearest(drive).values
    least = np.abs(np.abs(drive)[:, None] - SAID).min(axis=1)
    assert np.array_equal(np.abs(found - drive), least)
    assert not np.any((drive == 0) & (found != 0))
    assert not np.any(np.sign(found) * np.sign(drive) < 0)


@given(st.lists(drives, min_size=1, max_size=50).map(np.array))
def test_registers_hold_what_both_chips_take(drive):
    found = nearest(drive)
    assert (found.mantissa.dtype, found.exponent.dtype) == (np.int16, np.uint8)
    assert np.abs(found.mantissa).max() <= 4095
    assert found.exponent.max() <= 7
    assert np.array_equal(nearest(found.values).values, found.values)


def test_rounding_never_turns_the_order_round():
    size = np.arange(-LARGEST - 1000, LARGEST + 1000)
    assert np.all(np.diff(nearest(size).values) >= 0)


@pytest.mark.parametrize(
    ("drive", "mantissa", "exponent"),
    [
        (0, 0, 0), (4095, 4095, 0), (-4095, -4095, 0), (4096, 2048, 1), (4097, 2049, 1), (8190, 4095, 1),
        (8191, 2048, 2), (16381, 4095, 2), (16382, 2048, 3), (-16382, -2048, 3), (524160, 4095, 7),
        (524224, 4095, 7), (10**9, 4095, 7), (-(10**9), -4095, 7),
    ],
)  # fmt: skip
def test_halves_go_away_from_zero_and_ends_stay(drive, mantissa, exponent):
    found = nearest(np.array([drive]))
    assert (int(found.mantissa[0]), int(found.exponent[0])) == (mantissa, exponent)


def test_exact_are_the_multiples_of_the_exponents_unit():
    for exponent, mantissa in itertools.product(range(8), (1, 2047, 2048, 4094, 4095)):
        value = np.array([mantissa << exponent, -(mantissa << exponent)])
        assert np.array_equal(nearest(value).values, value)


def test_drive_is_the_sum_of_weights_and_pixels_and_the_neurons_own_bias():
    plain, rng = small_network(), np.random.default_rng(1)
    first = plain.population("conv1")
    own_biases = rng.integers(-4096, 4096, first.shape)
    first = replace(first, neuron=replace(first.neuron, bias_mantissa=own_biases, bias_exponent=2))
    projections = (replace(plain.projections[0], exponent=3), *plain.projections[1:])
    populations = tuple(first if p.name == "conv1" else p for p in plain.populations)
    network = as_bias(replace(plain, populations=populations, projections=projections, bounds={}))
    images = np.random.default_rng(0).integers(0, 256, (3, *network.source.shape))
    (name, found), *others = biases.drives(network, images).items()
    assert (name, others) == ("conv1", [])
    projection, neuron = network.projections[0], network.population("conv1").neuron
    weight, (top, left) = projection.synapses.weight.astype(int), projection.synapses.padding
    padded = np.pad(images, ((0, 0), (0, 0), (top, top), (left, left)))
    own = neuron.bias_mantissa << neuron.bias_exponent
    for place in np.ndindex(found.shape):
        sample, channel, *at = place
        row, column = (axis * stride for axis, stride in zip(at, projection.synapses.stride, strict=True))
        window = padded[sample, :, row : row + weight.shape[2], column : column + weight.shape[3]]
        total = int((weight[channel] * window).sum()) << projection.exponent
        assert found[place] == 64 * total + own[place[1:]]
