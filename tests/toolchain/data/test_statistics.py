"""Mean and standard deviation per channel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeport.toolchain.data import statistics
from spikeport.toolchain.data.statistics import channel_statistics
from tests.strategies import cases, seeds


@cases(50)
@given(seeds, st.sampled_from([(7, 3, 4, 5), (6, 2, 3, 4, 5)]), st.booleans())
def test_they_are_numpys(seed, shape, whole):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, shape, dtype=np.uint8) if whole else rng.random(shape, dtype=np.float32)
    values = np.moveaxis(images.astype(np.float64) / (255 if whole else 1), -3, 0).reshape(shape[-3], -1)
    mean, std = channel_statistics(images)
    assert mean == pytest.approx(values.mean(1), rel=1e-12)
    assert std == pytest.approx(values.std(1), rel=1e-9)


def test_the_size_of_the_parts_does_not_matter(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8), dtype=np.uint8)
    whole = channel_statistics(images)
    monkeypatch.setattr(statistics, "PART", 7)
    assert channel_statistics(images) == whole


def test_a_constant_channel_has_a_deviation_of_zero():
    for level in (0, 1, 100, 255):
        assert channel_statistics(np.full((3, 1, 7, 7), level, np.uint8)) == ((level / 255,), (0.0,))
    assert channel_statistics(np.full((3, 1, 7, 7), 0.1, np.float32))[1] == (0.0,)
