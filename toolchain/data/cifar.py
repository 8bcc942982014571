"""What CIFAR-10 and CIFAR-100 share: binary and python archives or folders, and packed JPEG copies.

A record of a binary file is its labels, a byte each, and 3,072 bytes of pixels: 1,024 red, green and blue, row by row
(A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009). A python file is a pickle of a dictionary
with ``data`` (N, 3072) and lists of labels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from spikeport.export.errors import DataError
from spikeport.export.inputs import read_bytes
from spikeport.export.network import Array
from spikeport.export.stimulus.arrays import read_named
from spikeport.toolchain.data.checks import whole_labels
from spikeport.toolchain.data.dataset import DataSource, Found, Split
from spikeport.toolchain.data.reading import jpeg, pickled
from spikeport.toolchain.data.reading.archives import MOST, members_of_tar
from spikeport.toolchain.data.reading.places import Published, check_published, existing, located, missing

SIDE = 32
PIXELS = 3 * SIDE * SIDE
JPEG_KEYS = ("jpeg", "offsets", "labels")


@dataclass(frozen=True, kw_only=True)
class Form:
    """What distinguishes the two: names of files, and where a record has its label.

    ``train`` and ``test`` are names of python files, with ``.bin`` those of binary ones; ``counts`` the images of each.
    """

    name: str
    stem: str
    classes: int
    folders: tuple[str, str]
    train: tuple[str, ...]
    test: str
    counts: tuple[int, int]
    label_bytes: int
    label: int
    key: str
    binary: Published
    python: Published

    def files(self, ending: str) -> tuple[str, ...]:
        """Return the names of the files to read, the test file last."""
        return tuple(f"{name}{ending}" for name in (*self.train, self.test))

    def expected(self, name: str) -> int:
        """Return how many images the published file ``name`` has."""
        return self.counts[name.removesuffix(".bin") == self.test]


Read = tuple[Array, Array]
"""Images (N, 3, 32, 32) and labels (N,)."""


class Cifar(DataSource, frozen=True, kw_only=True):
    """CIFAR as its authors publish it, or as JPEG copies in one file for each split.

    ``path``: an archive, a folder with one, with its unpacked folder or its files, or a packed JPEG file; without it,
    the dataset's folder in ``SPIKEPORT_DATA``. ``official``: refuse archives of another md5 and files with another
    number of images.
    """

    FORM: ClassVar[Form]
    path: str | None = None
    official: bool = True

    def form(self) -> Form:
        """Return the names and numbers of this dataset."""
        return self.FORM

    def found(self) -> Found:
        """Return the training and the test images, in the files' order."""
        form = self.form()
        if self.path is not None:
            existing(self.path, f"an archive or a folder of {form.name}")
        place = located(self.path, form.stem.replace("-", ""))
        place, read = _reader(form, place)
        parts = read(form, place, self.official)
        if self.official:
            _check_counts(form, place, parts)
        train = [part for name, part in parts.items() if name.removesuffix(".bin") != form.test]
        (test,) = (part for name, part in parts.items() if name.removesuffix(".bin") == form.test)
        joined = np.concatenate([images for images, _ in train]), np.concatenate([labels for _, labels in train])
        return Found(
            name=form.name if read is not _packed else f"{form.name} (JPEG copies)",
            place=str(place),
            classes=form.classes,
            train=Split(images=joined[0], labels=joined[1]),
            test=Split(images=test[0], labels=test[1]),
        )


Reader = Callable[[Form, Path, bool], dict[str, Read]]


def _reader(form: Form, place: Path) -> tuple[Path, Reader]:
    """Return the file or folder to read at ``place``, and how; archives come before folders, both before JPEG."""
    if place.is_file():
        return place, _packed if place.suffix == ".npz" else _archive
    choices: list[tuple[Path, Path, Reader]] = []
    for published, folder, ending in zip((form.binary, form.python), form.folders, (".bin", ""), strict=True):
        first = form.files(ending)[0]
        choices.append((place / published.name, place / published.name, _archive))
        choices += [(each / first, each, _folder) for each in (place / folder, place)]
    packed = place / f"{form.stem.replace('-', '')}_jpeg_train.npz"
    choices.append((packed, packed, _packed))
    for mark, found, read in choices:
        if mark.is_file():
            return found, read
    raise missing(place, form.name, f"{form.binary.address} (md5 {form.binary.md5})")


def _archive(form: Form, path: Path, official: bool) -> dict[str, Read]:  # noqa: FBT001 - one of three readers
    if official:
        check_published(path, form.binary, form.python)
    members = members_of_tar(path, {*form.files(".bin"), *form.files("")})
    ending = ".bin" if any(name.endswith(".bin") for name in members) else ""
    absent = [name for name in form.files(ending) if name not in members]
    if absent:
        raise DataError(f"{path}: no {absent[0]} inside; expected an archive of {form.name}")
    return {name: _content(form, path / name, members[name]) for name in form.files(ending)}


def _folder(form: Form, path: Path, official: bool) -> dict[str, Read]:  # noqa: ARG001, FBT001 - no md5 of single files
    ending = ".bin" if (path / form.files(".bin")[0]).is_file() else ""
    expected = f"a file of {form.name}"
    return {
        name: _content(form, path / name, read_bytes(path / name, DataError, most=MOST, expected=expected))
        for name in form.files(ending)
    }


def _content(form: Form, path: Path, data: bytes) -> Read:
    try:
        return _records(form, data) if path.suffix == ".bin" else _dictionary(form, pickled.read(data))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _records(form: Form, data: bytes) -> Read:
    size = form.label_bytes + PIXELS
    if not data or len(data) % size:
        raise DataError(f"{len(data):,} bytes; expected records of {size:,} bytes: it is cut off or of another dataset")
    records = np.frombuffer(data, np.uint8).reshape(-1, size)
    return records[:, form.label_bytes :].reshape(-1, 3, SIDE, SIDE), records[:, form.label].astype(np.int64)


def _dictionary(form: Form, values: dict[str, Any]) -> Read:
    data, labels = values.get("data"), values.get(form.key)
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != PIXELS:
        raise DataError(f"'data' is no array (N, {PIXELS}); expected a file of {form.name}")
    if not isinstance(labels, list) or not all(type(each) is int and 0 <= each < form.classes for each in labels):
        raise DataError(f"{form.key!r} is no list of whole numbers from 0 to {form.classes - 1}")
    return data.reshape(-1, 3, SIDE, SIDE), np.array(labels, np.int64)


def _packed(form: Form, path: Path, official: bool) -> dict[str, Read]:  # noqa: ARG001, FBT001 - nobody publishes these
    test = path.with_name(path.name.replace("train", "test"))
    if test == path:
        raise DataError(f"{path}: expected a name with 'train', and the file with 'test' in its place beside it")
    return {form.train[0]: _unpacked(path), form.test: _unpacked(test)}


def _unpacked(path: Path) -> Read:
    arrays = read_named(path, lambda names: [name for name in JPEG_KEYS if name in names])
    absent = [name for name in JPEG_KEYS if name not in arrays]
    if absent:
        raise DataError(f"{path}: holds no array {absent[0]!r}; expected {', '.join(JPEG_KEYS)}")
    data, offsets, labels = (arrays[name] for name in JPEG_KEYS)
    whole = data.dtype == np.uint8 and data.ndim == offsets.ndim == 1 and offsets.dtype.kind in "iu"
    if (
        not whole
        or len(offsets) < 2
        or offsets[0] < 0
        or offsets[-1] > len(data)
        or np.any(np.diff(offsets.astype(np.int64)) < 0)
    ):
        raise DataError(
            f"{path}: 'jpeg' and 'offsets' do not fit; expected bytes, and where each image begins and ends"
        )
    bounds = offsets.astype(np.int64).tolist()
    files = ((f"{path}: image {i}", data[a:b].tobytes()) for i, (a, b) in enumerate(pairwise(bounds)))
    try:
        return jpeg.decoded(files, len(bounds) - 1, SIDE), whole_labels(labels, "labels")
    except DataError as error:
        raise error if str(path) in str(error) else DataError(f"{path}: {error}") from None


def _check_counts(form: Form, place: Path, parts: dict[str, Read]) -> None:
    """Refuse other numbers of images than are published; JPEG copies hold the training images in one file."""
    for name, (images, _) in parts.items():
        expected = form.expected(name)
        if len(parts) == 2 and name == form.train[0]:
            expected = form.counts[0] * len(form.train)
        if len(images) != expected:
            raise DataError(
                f"{place}: {name} has {len(images):,} images; expected {expected:,}: set data.official to false where "
                "it is meant to differ"
            )
