import numpy as np

from spikeport.toolchain.data.dataset import levels, pixels


def test_levels_and_pixels_are_inverse():
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    assert np.array_equal(levels(pixels(every)), every)
