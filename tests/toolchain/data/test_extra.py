"""Extra images: read beside every source, never among those that validate or test, refused where they do not fit."""

import numpy as np
import pytest

from spikeport.export.errors import DataError
from spikeport.toolchain.data.digits import Digits
from spikeport.toolchain.data.extra import Extra
from spikeport.toolchain.data.npz import Npz
from tests.toolchain.data import made

RNG = np.random.default_rng(3)
IMAGES = RNG.integers(0, 256, (30, 1, 8, 8), dtype=np.uint8)
LABELS = np.arange(30) % 10


def written(folder, **arrays):
    path = folder / "extra.npz"
    np.savez(path, **{"images": IMAGES, "labels": LABELS} | arrays)
    return Extra(path=str(path), ratio=0.25)


@pytest.mark.parametrize("images", [IMAGES, IMAGES[:, 0], np.moveaxis(IMAGES, 1, -1), IMAGES / 255, IMAGES.astype(int)])
def test_extra_images_come_in_any_form_that_images_come_in(images, tmp_path):
    data = Digits(extra=written(tmp_path, images=images)).load(0)
    assert np.array_equal(data.extra.images, IMAGES)
    assert data.extra.images.dtype == np.uint8
    assert np.array_equal(data.extra.labels, LABELS)
    assert (data.ratio, data.extras(64), Digits().load(0).extras(64)) == (0.25, 16, 0)


def test_all_else_is_as_without_extra_images(tmp_path):
    with_extra, without = Digits(extra=written(tmp_path)).load(1), Digits().load(1)
    assert (with_extra.mean, with_extra.std) == (without.mean, without.std)
    for name in ("train", "validation", "test"):
        first, second = getattr(with_extra, name), getattr(without, name)
        assert np.array_equal(first.images, second.images)
        assert np.array_equal(first.labels, second.labels)


@pytest.mark.parametrize("seed", [0, 1])
def test_images_to_validate_and_to_test_on_are_left_out_and_that_is_said(seed, tmp_path, capsys):
    data = Digits().load(seed)
    known = np.concatenate([data.validation.images[:4], data.test.images[5:8], data.train.images[:2]])
    extra = written(tmp_path, images=np.concatenate([IMAGES, known]), labels=np.arange(39) % 10)
    found = Digits(extra=extra).load(seed)
    held = {image.tobytes() for split in (found.validation, found.test) for image in split.images}
    assert not any(image.tobytes() in held for image in found.extra.images)
    left = len(found.extra)
    assert 30 <= left <= 32
    assert f"{39 - left} of 39 images are left out, which are among those to validate" in capsys.readouterr().err


def test_counts_of_events_are_scaled_as_those_to_train_on(tmp_path):
    source = made.sources(tmp_path)["events"]
    data = source.load(0)
    counts = np.full((4, *data.train.images.shape[1:]), 2)
    counts[:, 0] = 1
    np.savez(tmp_path / "more.npz", frames=counts, labels=np.zeros(4, int))
    found = type(source)(
        **{name: getattr(source, name) for name in source.__struct_fields__ if name != "extra"},
        extra=Extra(path=str(tmp_path / "more.npz")),
    ).load(0)
    assert found.extra.images.dtype == np.float32
    assert found.extra.images[0, 0].max() == np.float32(1 / data.levels)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES[:, :, :7]}, r"an image has shape \(1, 7, 8\); those to train on have \(1, 8, 8\)"),
        ({"labels": LABELS + 1}, "labels reach from 1 to 10; expected 0 to 9"),
        ({"labels": LABELS[:29]}, "there are 30 images and 29 labels; expected one per image"),
        (
            {"labels": LABELS * 1.0},
            r"'labels' are numbers with a point \(float64\); expected one whole number per image",
        ),
        ({"images": IMAGES * 2.0}, "expected numbers from 0 to 1"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "there are 0 images"),
    ],
    ids=["shape", "classes", "count", "floats", "levels", "none"],
)
def test_what_does_not_fit_is_refused_with_the_key_and_the_file(arrays, message, tmp_path):
    with pytest.raises(DataError, match=rf"^data.extra: .*extra.npz: .*{message}"):
        Digits(extra=written(tmp_path, **arrays)).load(0)


def test_a_file_that_is_not_there_or_holds_nothing_else_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^data.extra: .*nowhere.npz: "):
        Digits(extra=Extra(path=str(tmp_path / "nowhere.npz"))).load(0)
    np.savez(tmp_path / "other.npz", pictures=IMAGES)
    with pytest.raises(DataError, match=r"data.extra: .*other.npz: holds no arrays images and labels"):
        Digits(extra=Extra(path=str(tmp_path / "other.npz"))).load(0)
    test = Digits().load(0).test
    with pytest.raises(DataError, match="every image is among those to validate or to test on"):
        Digits(extra=written(tmp_path, images=test.images, labels=test.labels)).load(0)


def test_images_of_ones_own_take_extra_ones_as_well(tmp_path):
    np.savez(
        tmp_path / "own.npz", images=RNG.integers(0, 256, (40, 1, 8, 8), dtype=np.uint8), labels=np.arange(40) % 10
    )
    data = Npz(path=str(tmp_path / "own.npz"), test=0.25, extra=written(tmp_path)).load(0)
    assert np.array_equal(data.extra.images, IMAGES)
