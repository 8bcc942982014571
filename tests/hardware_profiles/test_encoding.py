"""Bits of lists by hand, run-length entries against writing the lists out."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.hardware_profiles.encoding import RUN_BITS, Runs, list_bits, weight_bits
from spikeport.hardware_profiles.profile import load_profile
from tests.hardware_profiles.written_out import run_entries
from tests.strategies import seeds

ENCODING = load_profile("loihi1").encoding


@pytest.mark.parametrize(
    ("synapses", "bits"),
    [(0, 0), (1, 64), (3, 64), (4, 128), (64, 1216), (65, 1216 + 64), (128, 2432)],
)
def test_list_bits_by_hand(synapses, bits):
    """10 bits of header, 18 per synapse, words of 64, blocks of 64 (1,162 bits, 19 words)."""
    assert list_bits(ENCODING, np.array([synapses]), 18).tolist() == [bits]


def test_other_words_and_headers():
    changed = {
        key: msgspec.structs.replace(getattr(ENCODING, key), value=value)
        for key, value in {"word": 32, "list_header": 96, "list_block": 65535}.items()
    }
    encoding = msgspec.structs.replace(ENCODING, **changed)
    assert list_bits(encoding, np.array([0, 1, 100]), 32).tolist() == [0, 128, 96 + 3200]


@pytest.mark.parametrize(
    ("weights", "bits"),
    [([0], 2), ([1, -1], 2), ([-2], 2), ([2], 3), ([127], 8), ([-128], 8), ([3, -4], 3), ([-5], 4), ([33], 8)],
)
def test_weights_take_the_bits_of_the_largest(weights, bits):
    assert weight_bits(np.array(weights, np.int8)) == bits
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    assert all(least <= weight <= most for weight in weights)


@pytest.mark.parametrize(
    ("weights", "bits"),
    [
        ([0], 1),
        ([1], 1),
        ([0, -1], 1),
        ([3], 2),
        ([-8], 4),
        ([63], 6),
        ([100], 8),
        ([255], 8),
        ([1, -1], 2),
        ([7, -1], 4),
    ],
)
def test_weights_of_one_sign_save_its_bit_on_loihi(weights, bits):
    """Seven bits are stored as eight, with or without a sign; other chips keep the sign beside every weight."""
    assert weight_bits(np.array(weights), ENCODING) == bits
    other = load_profile("spinnaker2").encoding
    assert weight_bits(np.array(weights), other) == weight_bits(np.array(weights))


@given(seeds, st.integers(1, 300), st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]))
def test_run_length_entries_are_those_of_the_lists(seed, size, density):
    rng = np.random.default_rng(seed)
    weight = np.where(rng.random((size, 3)) < density, 1, 0)
    edges = np.unique([0, size, *rng.integers(0, size + 1, 3)])
    for bits, found in Runs(weight).entries(edges):
        assert bits in RUN_BITS
        expected = [[run_entries(weight[a:b, column], bits) for column in range(3)] for a, b in pairwise(edges)]
        assert found.tolist() == expected
    for bits, found in Runs(weight).entries(edges[:2]):
        assert found.tolist() == [[run_entries(weight[: edges[1], column], bits) for column in range(3)]]
