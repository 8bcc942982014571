import numpy as np
from sklearn.datasets import load_digits

from spikeport.toolchain.data import digits
from spikeport.toolchain.data.dataset import levels, pixels


def test_split_is_fixed_complete_and_without_overlap():
    data, again = digits.load(), digits.load()
    assert (len(data.train.images), len(data.test.images), data.classes) == (1297, 500, 10)
    assert np.array_equal(data.test.images, again.test.images)
    originals = np.sort(load_digits().data @ (17.0 ** (np.arange(64) % 13)))
    both = np.concatenate([data.train.images, data.test.images]).reshape(1797, 64)
    restored = np.rint(both * (16 / 255)) @ (17.0 ** (np.arange(64) % 13))
    assert np.array_equal(np.sort(restored), originals)
    assert sorted(np.concatenate([data.train.labels, data.test.labels])) == sorted(load_digits().target)


def test_images_are_8_bit_with_their_labels():
    data = digits.load()
    assert data.train.images.dtype == np.uint8
    assert data.train.images.shape[1:] == (1, 8, 8)
    assert (data.train.images.min(), data.train.images.max()) == (0, 255)
    assert np.bincount(data.test.labels).min() > 30


def test_mean_and_std_are_of_the_training_pixels():
    data = digits.load()
    scaled = data.train.images / 255
    assert data.mean == (scaled.mean(),)
    assert data.std == (scaled.std(),)


def test_levels_and_pixels_are_inverse():
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    assert np.array_equal(levels(pixels(every)), every)
