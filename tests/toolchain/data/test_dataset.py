"""What all sources share: limits, cuts, statistics, refusals."""

import numpy as np
import pytest
import torch

from spikeport.export.errors import DataError
from spikeport.toolchain.data.dataset import Augmentation, DataSource, Found, Split, levels, pixels
from tests.toolchain.data import made


class Given(DataSource, frozen=True, kw_only=True, tag="given"):
    """Images that a test hands over."""

    arrays: tuple

    def found(self):
        images, labels, classes = self.arrays
        every = Split(images=images, labels=labels)
        return Found(
            name="given", place="here", classes=classes, train=every, test=every.part(np.arange(len(labels))[:3])
        )


def given(count=40, shape=(3, 4, 5), classes=4, **settings):
    return Given(arrays=(*made.random_images(count, shape, classes=classes), classes), **settings)


def test_levels_and_pixels_are_inverse():
    every = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    assert np.array_equal(levels(pixels(every)), every)


def test_pixels_are_levels_over_255_to_the_last_bit():
    every = np.arange(256, dtype=np.uint8)
    assert torch.equal(pixels(every), torch.arange(256).float() / torch.tensor(255.0))


def test_a_larger_limit_holds_the_images_of_a_smaller_one():
    def taken(limit):
        data = given(validation=0.0, images=limit).load(3)
        return {image.tobytes() for image in data.train.images}

    assert taken(8) < taken(20) < taken(40) == taken(None)
    assert taken(1000) == taken(None)


def test_mean_and_std_may_be_given():
    data = given(mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3)).load(0)
    assert (data.mean, data.std) == ((0.5, 0.4, 0.3), (0.1, 0.2, 0.3))


def test_augmentation_goes_with_the_dataset():
    wanted = Augmentation(crop=2, flip=True)
    assert given(augment=wanted).load(0).augment == wanted


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mean": (0.5,)}, "data.mean has 1 numbers; the images have 3 channels"),
        ({"std": (0.5, 0.5, 0.0)}, r"data.std is \[0.5, 0.5, 0.0\]; expected positive"),
        ({"mean": (0.5, float("nan"), 0.0)}, "data.mean .* expected finite numbers"),
        ({"std": (1.0, float("inf"), 1.0)}, "data.std .* expected positive"),
        ({"images": 3}, "training images are left, and none of class"),
        ({"validation": 0.97}, "1 of 40 training images are left, and none of class"),
        ({"augment": Augmentation(crop=4)}, "data.augment.crop is 4 pixels; an image has 4 x 5"),
    ],
)
def test_settings_that_do_not_fit_the_images_are_refused(settings, words):
    with pytest.raises(DataError, match=f"^here: .*{words}"):
        given(**settings).load(0)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((np.zeros((0, 1, 4, 4), np.uint8), np.zeros(0, np.int64), 2), "no training images"),
        ((np.zeros((4, 1, 4, 0), np.uint8), np.arange(4), 4), r"have shape \(4, 1, 4, 0\)"),
        ((np.zeros((4, 4), np.uint8), np.arange(4), 4), r"expected \(N, C, H, W\)"),
        ((np.zeros((4, 1, 4, 4), np.uint8), np.arange(4) - 1, 4), "training images is -1; expected 0 to 3"),
        ((np.full((8, 1, 4, 4), 7, np.uint8), np.arange(8) % 4, 4), "channel 0 has one value in all training images"),
        ((np.full((4, 1, 4, 4), np.nan, np.float32), np.arange(4), 4), "expected values from 0 to 1"),
        ((np.full((4, 1, 4, 4), np.inf, np.float32), np.arange(4), 4), "expected values from 0 to 1"),
    ],
)
def test_arrays_that_are_no_dataset_are_refused(arrays, words):
    with pytest.raises(DataError, match=words):
        Given(arrays=arrays).load(0)
