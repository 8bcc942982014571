"""CIFAR as published: binary and python files, in archives and folders, and packed JPEG copies."""

import hashlib
import io
import pickle
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from spikeport.export.errors import DataError
from spikeport.toolchain.data import cifar
from spikeport.toolchain.data.cifar10 import Cifar10
from spikeport.toolchain.data.cifar100 import Cifar100
from tests.toolchain.data import made

IMAGES, LABELS = made.random_images(100)


def loaded(path, **settings):
    return Cifar10(path=str(path), official=False, validation=0.0, **settings).load(0)


def refused(source, words):
    with pytest.raises(DataError, match=words) as caught:
        source.load(0)
    assert str(source.path) in str(caught.value)
    return str(caught.value)


def ways(folder):
    """Return every place where the same images may lie."""
    binary, python = made.binary_files(IMAGES, LABELS), made.python_files(IMAGES, LABELS)
    (folder / "packed").mkdir()
    (folder / "packed" / "cifar-10-binary.tar.gz").write_bytes(made.tar(binary))
    (folder / "mine.tar.gz").write_bytes(made.tar(python, "./cifar-10-batches-py"))
    modern = {
        protocol: made.python_files(IMAGES, LABELS, write=made.python3_pickle(protocol)) for protocol in range(2, 5)
    }
    for protocol, files in modern.items():
        made.write(folder / f"protocol{protocol}", files)
    return [
        folder / "packed",
        folder / "packed" / "cifar-10-binary.tar.gz",
        folder / "mine.tar.gz",
        made.write(folder / "binary", binary),
        made.write(folder / "around" / "cifar-10-batches-py", python).parent,
        *(folder / f"protocol{protocol}" for protocol in modern),
    ]


def test_every_form_of_the_files_gives_the_same_images(tmp_path):
    for place in ways(tmp_path):
        data = loaded(place)
        assert np.array_equal(data.train.images, IMAGES[:90]), place
        assert np.array_equal(data.train.labels, LABELS[:90]), place
        assert np.array_equal(data.test.images, IMAGES[90:]), place
        assert np.array_equal(data.test.labels, LABELS[90:]), place
        assert (data.name, data.classes) == ("CIFAR-10", 10)


def test_a_pixel_stands_where_the_authors_say():
    """Byte 0 is the label; then 1,024 red, green and blue values, the first 32 of which are the first row."""
    record = np.zeros(3073, np.uint8)
    record[[0, 1, 2, 1 + 32, 1 + 1024, 1 + 2048]] = [7, 10, 20, 30, 40, 50]
    images, labels = cifar._records(Cifar10.FORM, record.tobytes())
    assert labels.tolist() == [7]
    assert [images[0, 0, 0, 0], images[0, 0, 0, 1], images[0, 0, 1, 0]] == [10, 20, 30]
    assert [images[0, 1, 0, 0], images[0, 2, 0, 0]] == [40, 50]


def test_jpeg_copies_are_decoded_and_named_so(tmp_path):
    smooth = np.broadcast_to(np.arange(0, 256, 8, dtype=np.uint8), (40, 3, 32, 32)).copy()
    smooth[:, 1] //= 2
    labels = np.arange(40) % 10
    for split in ("train", "test"):
        (tmp_path / f"cifar10_jpeg_{split}.npz").write_bytes(made.packed_jpeg(smooth, labels))
    for path in (tmp_path, tmp_path / "cifar10_jpeg_train.npz"):
        data = loaded(path)
        assert data.name == "CIFAR-10 (JPEG copies)"
        assert np.array_equal(data.test.labels, labels)
        assert np.abs(data.test.images.astype(int) - smooth).mean() < 3


def test_fine_and_coarse_labels_of_cifar_100(tmp_path):
    fine = np.arange(200) % 100
    record = {
        name: made.binary_records(made.random_images(200)[0], fine // 5, fine) for name in ("train.bin", "test.bin")
    }
    made.write(tmp_path, record)
    data = Cifar100(path=str(tmp_path), official=False).load(0)
    assert (data.classes, sorted(data.test.labels)) == (100, sorted(fine))
    coarse = Cifar100(path=str(tmp_path), official=False, labels="coarse").load(0)
    assert (coarse.classes, sorted(coarse.test.labels)) == (20, sorted(fine // 5))


def test_an_archive_that_is_not_the_published_one_is_refused_with_both_sums(tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(made.tar(made.binary_files(IMAGES, LABELS)))
    message = refused(Cifar10(path=str(path)), "download https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz again")
    assert hashlib.md5(path.read_bytes()).hexdigest() in message
    assert Cifar10.FORM.binary.md5 in message


def test_the_published_sum_is_accepted_and_then_the_numbers_are_looked_at(tmp_path, monkeypatch):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(made.tar(made.binary_files(IMAGES, LABELS)))
    published = replace(Cifar10.FORM.binary, md5=hashlib.md5(path.read_bytes()).hexdigest())
    monkeypatch.setattr(Cifar10, "FORM", replace(Cifar10.FORM, binary=published))
    refused(Cifar10(path=str(path)), "data_batch_1.bin has 18 images; expected 10,000: set data.official to false")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: files | {"data_batch_2.bin": files["data_batch_2.bin"][:-1]}, "expected records of 3,073 bytes"),
        (lambda files: files | {"data_batch_2.bin": b""}, "data_batch_2.bin: 0 bytes"),
        (lambda files: {name: files[name] for name in files if "3" not in name}, "data_batch_3.bin"),
        (
            lambda files: files | {"test_batch.bin": b"\x0a" + files["test_batch.bin"][1:]},
            "label of the test images is 10",
        ),
        (lambda files: {name: b"\x05" + bytes(3072) for name in files}, "all training images are of one class"),
    ],
)
def test_damaged_binary_files_are_refused(tmp_path, change, words):
    files = change(made.binary_files(IMAGES, LABELS))
    refused(Cifar10(path=str(made.write(tmp_path / "files", files)), official=False), words)
    archive = tmp_path / "files.tar.gz"
    archive.write_bytes(made.tar(files))
    refused(Cifar10(path=str(archive), official=False), words)


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({"labels": [0, 1]}, "'data' is no array"),
        ({"data": IMAGES[:2].reshape(2, -1)}, "'labels' is no list"),
        ({"data": IMAGES[:2].reshape(2, -1), "labels": [0, 1.0]}, "'labels' is no list"),
        ({"data": IMAGES[:2].reshape(2, -1), "labels": [0, True]}, "'labels' is no list"),
        ({"data": IMAGES[:2].reshape(2, -1), "labels": [0, 10]}, "'labels' is no list of whole numbers from 0 to 9"),
        ({"data": IMAGES[:2].reshape(2, -1)[:, :-1].copy(), "labels": [0, 1]}, "'data' is no array"),
        ({"data": IMAGES[:2].reshape(2, -1).astype(float), "labels": [0, 1]}, "array of type 'f8'; expected unsigned"),
    ],
)
def test_python_files_of_other_content_are_refused(tmp_path, batch, words):
    files = made.python_files(IMAGES, LABELS) | {"data_batch_4": pickle.dumps(batch, protocol=2)}
    refused(Cifar10(path=str(made.write(tmp_path, files)), official=False), words)


def test_a_link_in_an_archive_is_refused(tmp_path):
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz") as archive:
        info = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    path = tmp_path / "links.tar.gz"
    path.write_bytes(memory.getvalue())
    refused(Cifar10(path=str(path), official=False), "data_batch_1.bin is a link, a device or larger")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays: arrays | {"offsets": arrays["offsets"][::-1]}, "'jpeg' and 'offsets' do not fit"),
        (lambda arrays: arrays | {"offsets": arrays["offsets"] + 1}, "'jpeg' and 'offsets' do not fit"),
        (lambda arrays: arrays | {"offsets": arrays["offsets"].astype(float)}, "'jpeg' and 'offsets' do not fit"),
        (lambda arrays: arrays | {"offsets": np.array([0])}, "'jpeg' and 'offsets' do not fit"),
        (lambda arrays: arrays | {"jpeg": arrays["jpeg"][::-1].copy()}, "image 0: not a JPEG image"),
        (lambda arrays: arrays | {"labels": arrays["labels"][:-1]}, "20 training images and 19 labels"),
        (lambda arrays: arrays | {"labels": arrays["labels"] / 2}, "expected one whole number per image"),
        (lambda arrays: {"jpeg": arrays["jpeg"], "offsets": arrays["offsets"]}, "holds no array 'labels'"),
    ],
)
def test_packed_jpeg_that_does_not_fit_together_is_refused(tmp_path, change, words):
    whole = made.packed_jpeg(*made.random_images(20))
    (tmp_path / "cifar10_jpeg_test.npz").write_bytes(whole)
    arrays = dict(np.load(io.BytesIO(whole)))
    np.savez(tmp_path / "cifar10_jpeg_train.npz", **change(arrays))
    refused(Cifar10(path=str(tmp_path / "cifar10_jpeg_train.npz"), official=False), words)


def test_packed_jpeg_without_the_other_split_is_refused(tmp_path):
    for name in ("cifar10_jpeg_train.npz", "mine.npz"):
        (tmp_path / name).write_bytes(made.packed_jpeg(*made.random_images(20)))
    with pytest.raises(DataError, match=r"cifar10_jpeg_test\.npz: no such file"):
        loaded(tmp_path)
    refused(Cifar10(path=str(tmp_path / "mine.npz"), official=False), "expected a name with 'train'")
