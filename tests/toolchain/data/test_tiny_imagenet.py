"""TinyImageNet's folder and zip archive."""

import numpy as np
import pytest

from spikeport.export.errors import DataError
from spikeport.toolchain.data.tiny_imagenet import PUBLISHED, TinyImageNet
from tests.toolchain.data import made

FILES = made.tiny_files()


def source(path):
    return TinyImageNet(path=str(path), official=False, validation=0.0)


def test_folder_and_archive_give_the_same_images(tmp_path):
    made.write(tmp_path / "a" / "tiny-imagenet-200", FILES)
    (tmp_path / "tiny-imagenet-200.zip").write_bytes(made.zipped(FILES))
    (tmp_path / "flat.zip").write_bytes(made.zipped(FILES, top=""))
    places = ["a", "a/tiny-imagenet-200", "tiny-imagenet-200.zip", "flat.zip", "."]
    first, *others = [source(tmp_path / place).load(0) for place in places]
    assert (first.classes, len(first.train), len(first.test), first.shape) == (3, 18, 6, (3, 64, 64))
    for other in others:
        assert np.array_equal(first.train.images, other.train.images)
        assert np.array_equal(first.test.labels, other.test.labels)


def test_classes_are_numbered_by_their_names(tmp_path):
    """As torchvision's ImageFolder numbers them, whatever the order of wnids.txt."""
    grey = {wnid: made.jpeg(np.full((64, 64), 60 * (number + 1), np.uint8)) for number, wnid in enumerate(made.WNIDS)}
    files = {
        name: grey.get(name.split("/")[1], data) if name.startswith("train") else data for name, data in FILES.items()
    }
    files["train/n01443537/images/more.JPEG"] = made.jpeg(made.random_images(1, (3, 64, 64))[0][0])
    files["val/val_annotations.txt"] = b"".join(reversed(files["val/val_annotations.txt"].splitlines(keepends=True)))
    data = source(made.write(tmp_path, files)).load(0)
    for number in range(3):
        assert np.median(data.train.images[data.train.labels == number]) == pytest.approx(60 * (number + 1), abs=2)
    assert data.test.labels.tolist() == [2, 2, 1, 1, 0, 0], "the order of the annotations"


def without(name):
    return {key: data for key, data in FILES.items() if not key.startswith(name)}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (without("val/val_annotations"), "val_annotations.txt"),
        (without("val/images"), "no file .*val/images/val_0.JPEG, which val_annotations.txt names"),
        (without("train"), "0 images to train on and 6"),
        (FILES | {"val/val_annotations.txt": b""}, "18 images to train on and 0"),
        (FILES | {"val/val_annotations.txt": b"val_0.JPEG\tn99999999\n"}, "names the class 'n99999999'"),
        (FILES | {"val/val_annotations.txt": b"val_0.JPEG"}, "names the class ''"),
        (FILES | {"val/val_annotations.txt": b"\xff\xfe"}, "val_annotations.txt is no text"),
        (FILES | {"wnids.txt": b"n01443537\n"}, "images of the class n01629819, which wnids.txt does not name"),
        (FILES | {"train/n01443537/images/bad.JPEG": b"GIF89a"}, "bad.JPEG: not a JPEG image"),
        (FILES | {"train/n01443537/images/bad.JPEG": bytes(2**20 + 1)}, "bad.JPEG"),
        (made.tiny_files(side=32), "32 x 32 pixels; expected 64 x 64"),
        (
            FILES | {"train/n01443537/images/n01443537_0.JPEG": FILES["train/n01443537/images/n01443537_0.JPEG"][:700]},
            "not a",
        ),
    ],
)
def test_what_is_missing_or_damaged_is_named(tmp_path, files, words):
    for place in (made.write(tmp_path / "tiny-imagenet-200", files), tmp_path / "tiny.zip"):
        if place.suffix:
            place.write_bytes(made.zipped(files))
        with pytest.raises(DataError, match=words) as caught:
            source(place).load(0)
        assert str(place) in str(caught.value)


def test_the_published_archive_and_its_numbers_are_asked_for(tmp_path):
    path = tmp_path / "tiny-imagenet-200.zip"
    path.write_bytes(made.zipped(FILES))
    with pytest.raises(DataError, match=f"the published file has {PUBLISHED.md5}: download"):
        TinyImageNet(path=str(path)).load(0)
    with pytest.raises(DataError, match="18 images to train on and 6 to test on; expected 100,000 and 10,000"):
        TinyImageNet(path=str(made.write(tmp_path / "folder", FILES))).load(0)
