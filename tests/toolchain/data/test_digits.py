import numpy as np
from sklearn.datasets import load_digits

from spikeport.toolchain.data.digits import Digits


def test_split_is_fixed_complete_and_without_overlap():
    data, again = Digits(validation=0.0).load(0), Digits().load(7)
    assert (len(data.train), len(data.validation), len(data.test), data.classes) == (1297, 0, 500, 10)
    assert np.array_equal(data.test.images, again.test.images)
    originals = np.sort(load_digits().data @ (17.0 ** (np.arange(64) % 13)))
    both = np.concatenate([data.train.images, data.test.images]).reshape(1797, 64)
    restored = np.rint(both * (16 / 255)) @ (17.0 ** (np.arange(64) % 13))
    assert np.array_equal(np.sort(restored), originals)
    assert sorted(np.concatenate([data.train.labels, data.test.labels])) == sorted(load_digits().target)


def test_images_are_8_bit_with_their_labels():
    data = Digits().load(0)
    assert data.train.images.dtype == np.uint8
    assert data.train.images.shape[1:] == data.shape == (1, 8, 8)
    assert (data.train.images.min(), data.train.images.max()) == (0, 255)
    assert np.bincount(data.test.labels).min() > 30


def test_the_held_out_images_are_those_of_version_0_1():
    """The first labels of the permutation with seed 20260 over scikit-learn's order."""
    order = np.random.default_rng(20_260).permutation(1797)[:500]
    data, (images, labels) = Digits().load(1), load_digits(return_X_y=True)
    assert np.array_equal(data.test.labels, labels[order])
    assert np.array_equal(np.rint(data.test.images.reshape(500, 64) * (16 / 255)), images[order])
