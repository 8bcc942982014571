"""Own images and event frames: names of arrays, orders of axes, numbers, labels, where test images come from."""

import numpy as np
import pytest

from spikeport.export.errors import DataError
from spikeport.toolchain.data.npz import Npz
from tests.toolchain.data import made

IMAGES, LABELS = made.random_images(40)
FRAMES = np.random.default_rng(1).poisson(0.4, (40, 6, 2, 9, 8))


def source(folder, settings=None, **arrays):
    np.savez(folder / "own.npz", **arrays)
    return Npz(path=str(folder / "own.npz"), **(settings or {"test": 0.25}))


def refused(each, words):
    with pytest.raises(DataError, match=words) as caught:
        each.load(0)
    assert each.path in str(caught.value)


@pytest.mark.parametrize(("images", "labels"), [("images", "labels"), ("x", "y")])
def test_a_share_is_cut_off_to_test_on_the_same_in_every_run(tmp_path, images, labels):
    each = source(tmp_path, **{images: IMAGES, labels: LABELS})
    first, other = each.load(0), each.load(9)
    assert (len(first.train), len(first.validation), len(first.test), first.name) == (27, 3, 10, "own")
    assert np.array_equal(first.test.images, other.test.images)
    assert np.bincount(first.test.labels).tolist() == [1] * 10


@pytest.mark.parametrize("names", [("train_images", "train_labels", "test_images", "test_labels"),
                                   ("x_train", "y_train", "x_test", "y_test")])  # fmt: skip
def test_test_images_of_the_file_are_taken(tmp_path, names):
    arrays = dict(zip(names, (IMAGES[:30], LABELS[:30], IMAGES[30:], LABELS[30:]), strict=True))
    data = source(tmp_path, {"validation": 0.0, "classes": 10}, **arrays).load(0)
    assert np.array_equal(data.train.images, IMAGES[:30])
    assert np.array_equal(data.test.labels, LABELS[30:])


def test_test_images_of_another_file_are_taken(tmp_path):
    np.savez(tmp_path / "other.npz", images=IMAGES[:5], labels=LABELS[:5])
    data = source(tmp_path, {"test_path": str(tmp_path / "other.npz")}, images=IMAGES, labels=LABELS).load(0)
    assert np.array_equal(data.test.images, IMAGES[:5])


@pytest.mark.parametrize(
    ("shape", "settings", "expected"),
    [
        ((40, 8, 9), {}, (1, 8, 9)),
        ((40, 3, 8, 9), {}, (3, 8, 9)),
        ((40, 8, 9, 3), {}, (3, 8, 9)),
        ((40, 2, 64, 64), {}, (2, 64, 64)),
        ((40, 3, 3, 3), {"layout": "channels_last"}, (3, 3, 3)),
        ((40, 8, 9, 16), {"layout": "channels_last"}, (16, 8, 9)),
        ((40, 16, 8, 9), {"layout": "channels_first"}, (16, 8, 9)),
    ],
)
def test_orders_of_axes(tmp_path, shape, settings, expected):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    data = source(tmp_path, {"test": 0.25, **settings}, images=images, labels=LABELS).load(0)
    assert data.shape == expected
    held = images[:, None] if images.ndim == 3 else images
    first = data.train.images[0]
    assert any(np.array_equal(first, each) or np.array_equal(first, np.moveaxis(each, -1, 0)) for each in held)


@pytest.mark.parametrize("shape", [(40, 3, 3, 3), (40, 8, 9, 16), (40, 4, 9, 2)])
def test_an_order_that_is_not_certain_has_to_be_said(tmp_path, shape):
    refused(source(tmp_path, images=np.zeros(shape, np.uint8), labels=LABELS), 'set data.layout to "channels_first" or')


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint16])
def test_numbers_that_are_8_bit_levels_become_them_exactly(tmp_path, kind):
    images = (IMAGES / 255).astype(kind) if np.dtype(kind).kind == "f" else IMAGES.astype(kind)
    data = source(tmp_path, {"test": 0.25, "validation": 0.0}, images=images, labels=LABELS).load(0)
    whole = source(tmp_path, {"test": 0.25, "validation": 0.0}, images=IMAGES, labels=LABELS).load(0)
    assert data.train.images.dtype == np.uint8
    assert np.array_equal(data.train.images, whole.train.images)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (IMAGES / 255 - 0.5, "spans -0.5 to 0.5; expected numbers from 0 to 1"),
        (np.where(IMAGES.max() == IMAGES, np.nan, IMAGES / 255), "spans nan to nan"),
        (IMAGES / 256, "between the 256 levels of 8 bit; round them"),
        (IMAGES.astype(np.int32) - 1, "spans -1 to 254; expected 8-bit levels"),
        (IMAGES > 3, "expected 8-bit levels, or numbers from 0 to 1"),
        (IMAGES.astype(object), "expected numbers"),
        (IMAGES.astype(str), "expected numbers"),
        (IMAGES.astype(complex), "expected numbers"),
        (IMAGES[:0], "no training images"),
        (IMAGES[:, 0, 0], r"has shape \(40, 32\); expected images"),
        (IMAGES[:-1], "39 images and 40 labels"),
        (np.full_like(IMAGES, 9), "channel 0 has one value in all training images"),
    ],
)
def test_images_that_are_none_are_refused(tmp_path, images, words):
    refused(source(tmp_path, images=images, labels=LABELS if len(images) else LABELS[:0]), words)


@pytest.mark.parametrize(
    ("labels", "settings", "words"),
    [
        (LABELS.astype(float), {}, r"labels' are numbers with a point \(float64\); .* labels.astype\('int64'\) makes"),
        (LABELS > 4, {}, r"truth values \(bool\); expected one whole number per image"),
        (np.eye(10)[LABELS], {}, r"shape \(\d+, 10\); expected one whole number per image: labels.argmax\(1\)"),
        (LABELS.astype(object), {}, "expected numbers"),
        (LABELS - 1, {}, "10 different numbers from -1 to 8"),
        (LABELS * 2, {}, "10 different numbers from 0 to 18"),
        (LABELS, {"classes": 9}, "expected 0 to 8, for 9 classes"),
        (LABELS - 1, {"classes": 10}, "label of the training images is -1"),
        (LABELS.astype(np.uint64) + np.uint64(2**63), {}, "expected numbers from 0"),
        (LABELS * 0, {}, "all training images are of one class"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path, labels, settings, words):
    refused(source(tmp_path, {"test": 0.25, **settings}, images=IMAGES, labels=labels), words)


def test_a_class_without_training_images_needs_a_number_of_classes(tmp_path):
    data = source(tmp_path, {"test": 0.25, "classes": 12}, images=IMAGES, labels=LABELS).load(0)
    assert data.classes == 12


@pytest.mark.parametrize(
    ("arrays", "settings", "words"),
    [
        ({"images": IMAGES}, {}, "neither images nor labels"),
        ({"images": IMAGES, "labels": LABELS}, {"validation": 0.1}, "there are 0 ways to images to test on"),
        ({"images": IMAGES, "labels": LABELS}, {"test": 0.2, "test_path": "x.npz"}, "there are 2 ways"),
        ({"images": IMAGES, "labels": LABELS, "x": IMAGES, "y": LABELS}, {"test": 0.2}, "holds images and x"),
        (
            {"images": IMAGES, "labels": LABELS, "train_images": IMAGES, "train_labels": LABELS},
            {"test": 0.2},
            "holds images and train_images",
        ),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[..., 1:], "y_test": LABELS},
            {"validation": 0.0},
            r"shape \(3, 32, 32\) \(uint8\), those to test on \(3, 32, 31\)",
        ),
        (
            {"x_train": IMAGES, "y_train": LABELS, "x_test": FRAMES, "y_test": LABELS},
            {"layout": "channels_first"},
            "4 axes and those to test on 5",
        ),
        ({"images": IMAGES, "labels": LABELS}, {"test": 0.2, "levels": 3}, "data.levels is for frames of events"),
    ],
)
def test_contradictions_are_refused(tmp_path, arrays, settings, words):
    refused(source(tmp_path, settings, **arrays), words)


def test_counts_of_events_become_frames(tmp_path):
    data = source(tmp_path, {"test": 0.25, "validation": 0.0}, images=FRAMES, labels=LABELS).load(0)
    assert (data.frames, data.shape, data.train.images.dtype) == (6, (2, 9, 8), np.float32)
    counts = np.rint(data.train.images * data.levels)
    assert np.abs(data.train.images * data.levels - counts).max() < 1e-6
    assert counts.max() == data.levels
    binary = source(tmp_path, {"test": 0.25, "levels": 1, "validation": 0.0}, images=FRAMES, labels=LABELS).load(0)
    assert np.array_equal(binary.train.images, counts > 0)
    last = source(tmp_path, images=np.moveaxis(FRAMES > 0, 2, -1), labels=LABELS).load(0)
    assert (last.shape, last.levels) == ((2, 9, 8), 1)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (FRAMES - 1, "holds -1; expected counts from 0"),
        (np.where(FRAMES == 1, np.nan, 0.0), "span nan to nan; expected values from 0 to 1"),
        (np.minimum(FRAMES, 1) * 0.3, r"between the 256 levels 0 to 255; round them, np.rint\(255"),
        (FRAMES * 1.5, "span 0 to .*; expected values from 0 to 1"),
    ],
)
def test_frames_that_are_none_are_refused(tmp_path, frames, words):
    refused(source(tmp_path, images=frames, labels=LABELS), words)


def test_a_file_that_is_no_npz_is_refused(tmp_path):
    for name, data in (("a.npz", b"no archive"), ("b.npz", b"PK\x03\x04")):
        (tmp_path / name).write_bytes(data)
        refused(Npz(path=str(tmp_path / name), test=0.2), "not a .npy or .npz file")
    np.save(tmp_path / "c.npy", IMAGES)
    refused(Npz(path=str(tmp_path / "c.npy"), test=0.2), "expected a .npz file with images and labels")
