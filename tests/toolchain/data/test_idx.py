"""IDX files: published types and axes, checksums, damage."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spikeport.export.errors import DataError
from spikeport.toolchain.data import idx
from spikeport.toolchain.data.idx import Idx
from tests.strategies import cases
from tests.toolchain.data import made

IMAGES, LABELS = made.random_images(30, (28, 28))


def folder(
    path, *, images=IMAGES, labels=LABELS, names="{part}-images-idx3-ubyte {part}-labels-idx1-ubyte", pack=bytes
):
    """Write the four files of one set of images."""
    for part in ("train", "t10k"):
        for name, array in zip(names.format(part=part).split(), (images, labels.astype(np.uint8)), strict=True):
            made.write(path, {name: pack(made.idx(array))})
    return str(path)


@cases(100)
@given(
    arrays.arrays(
        st.sampled_from(["u1", "i1", "<i2", "<i4", "<f4", "<f8"]),
        arrays.array_shapes(min_dims=1, max_dims=5, max_side=4),
    )
)
def test_an_array_of_any_type_and_number_of_axes_comes_back(tmp_path_factory, array):
    path = tmp_path_factory.getbasetemp() / "any.idx"
    path.write_bytes(made.idx(array))
    found = idx.read(path)
    assert found.dtype == array.dtype
    assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")


@pytest.mark.parametrize(
    ("names", "pack", "prefix"),
    [
        ("{part}-images-idx3-ubyte {part}-labels-idx1-ubyte", bytes, ""),
        ("{part}-images.idx3-ubyte {part}-labels.idx1-ubyte", bytes, ""),
        ("{part}-images-idx3-ubyte.gz {part}-labels-idx1-ubyte.gz", gzip.compress, ""),
        ("emnist-{part}-images-idx3-ubyte.gz emnist-{part}-labels-idx1-ubyte.gz", gzip.compress, "emnist-"),
    ],
)
def test_names_as_published_are_found(tmp_path, names, pack, prefix):
    path = folder(tmp_path, names=names, pack=pack)
    data = Idx(path=path, prefix=prefix, official=False, validation=0.0).load(0)
    assert np.array_equal(data.train.images[:, 0], IMAGES)
    assert np.array_equal(data.test.labels, LABELS)
    assert (data.shape, data.classes) == ((1, 28, 28), 10)


def test_mnists_first_bytes_are_understood(tmp_path):
    """The published file of training labels begins 00 00 08 01 00 00 ea 60: bytes, one axis, 60,000."""
    path = tmp_path / "labels"
    path.write_bytes(bytes.fromhex("000008010000ea60") + bytes(60_000))
    assert idx.read(path).shape == (60_000,)


def test_packed_files_of_mnist_must_be_the_published_ones(tmp_path):
    path = folder(tmp_path, names="{part}-images-idx3-ubyte.gz {part}-labels-idx1-ubyte.gz", pack=gzip.compress)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: md5 .* published file has f68b3c2dcbeaaa9fbd"):
        Idx(path=path).load(0)
    with pytest.raises(DataError, match=r"published file has 8d4fb7e6c68d591d4c3dfef9ec88bf0d"):
        Idx(path=path, name="fashion-mnist").load(0)
    assert len(Idx(path=path, name="mine").load(0).test) == 30


def test_the_name_is_the_folder_of_the_dataset(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEPORT_DATA", str(tmp_path))
    folder(tmp_path / "kuzushiji")
    assert Idx(name="kuzushiji").load(0).name == "kuzushiji"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "begins with nothing"),
        (b"\0\0\x08", "begins with 000008"),
        (b"\x89PNG\r\n", "begins with 89504e47; expected an IDX file"),
        (b"\0\0\x07\x01\0\0\0\0", "begins with 00000701"),
        (b"\0\0\x08\0", "begins with 00000800"),
        (b"\0\0\x08\x03\0\0\0\x02", "expected an IDX file"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2, 2, 2) + bytes(7), "(2, 2, 2) of uint8, 8 bytes; 7 follow"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2, 2, 2) + bytes(9), "8 bytes; more follow"),
        (struct.pack(">4B3I", 0, 0, 14, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "bytes; at most 134,"),
    ],
)
def test_damaged_files_are_refused(tmp_path, data, words):
    plain, packed = tmp_path / "array", tmp_path / "array.gz"
    plain.write_bytes(data)
    packed.write_bytes(gzip.compress(data))
    for path in (plain, packed):
        with pytest.raises(DataError) as caught:
            idx.read(path)
        assert words in str(caught.value)
        assert str(path) in str(caught.value)


def test_a_packed_file_that_is_cut_is_refused(tmp_path):
    path = tmp_path / "array.gz"
    path.write_bytes(gzip.compress(made.idx(IMAGES))[:-20])
    with pytest.raises(DataError, match="damaged"):
        idx.read(path)


def test_a_file_that_unpacks_to_more_than_files_of_its_size_do_is_refused_first(tmp_path, monkeypatch):
    path = tmp_path / "array.gz"
    path.write_bytes(gzip.compress(made.idx(np.zeros((3, 1000, 1000), np.uint8)), 9))
    monkeypatch.setattr(idx, "ROOM", 1000)
    with pytest.raises(DataError, match=r"3,000,000 bytes; at most 29\d,\d+ are read"):
        idx.read(path)


@pytest.mark.parametrize(
    ("labels", "settings", "words"),
    [
        (LABELS[:-1], {}, "30 training images and 29 labels"),
        (LABELS + 1, {}, "10 different numbers from 1 to 10; number the classes from 0"),
        (LABELS * 0, {}, "of one class"),
        (LABELS, {"classes": 5}, "expected 0 to 4, for 5 classes"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, labels, settings, words):
    with pytest.raises(DataError, match=words):
        Idx(path=folder(tmp_path, labels=labels), official=False, **settings).load(0)


def test_images_with_channels_and_of_other_types(tmp_path):
    colour = made.random_images(30)[0].transpose(0, 2, 3, 1)
    assert Idx(path=folder(tmp_path, images=colour), official=False).load(0).shape == (3, 32, 32)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte: the array spans -1 to 8; expected 8-bit levels"):
        Idx(path=folder(tmp_path, images=LABELS.reshape(30, 1, 1).astype(np.int16) - 1), official=False).load(0)
