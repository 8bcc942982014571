"""IDX files as MNIST's authors defined them, plain or packed by gzip: MNIST, Fashion-MNIST and their like.

Two zero bytes, a byte for the type, a byte for the number of axes, the axes as 32-bit numbers, then the values; of
every number the most significant byte comes first (Y. LeCun, C. Cortes, C. Burges, The MNIST database).
"""

import math
import re
from pathlib import Path
from typing import IO, Annotated

import numpy as np
from msgspec import Meta

from spikeport.export.errors import DataError
from spikeport.export.inputs import ROOM
from spikeport.export.network import Array
from spikeport.toolchain.data.checks import number_of_classes, whole_labels
from spikeport.toolchain.data.dataset import DataSource, Found, Labels, Split
from spikeport.toolchain.data.reading.archives import opened
from spikeport.toolchain.data.reading.layout import Layout, eight_bit, ordered
from spikeport.toolchain.data.reading.places import Published, check_published, existing, located, missing

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST = 2**31
"""Bytes of an array; MNIST's training images have 47 million."""
PER_BYTE = 100
"""Bytes of an array per byte of its packed file beyond `inputs.ROOM`."""
ADDRESSES = {
    "mnist": "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "fashion-mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
}
PARTS = ("train-images", "train-labels", "t10k-images", "t10k-labels")
CHECKSUMS = {
    "mnist": (
        *("f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432"),
        *("9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    "fashion-mnist": (
        *("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe"),
        *("bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310"),
    ),
}
"""md5 of the four .gz files, in the order of `PARTS`."""


class Idx(DataSource, frozen=True, kw_only=True, tag="idx"):
    """Four IDX files of a folder: ``train-images``, ``train-labels``, ``t10k-images``, ``t10k-labels``.

    A name goes on as published, ``train-images-idx3-ubyte.gz`` or ``train-images.idx3-ubyte``, with or without .gz, and
    may begin with ``prefix``. ``name``: the dataset, whose folder in ``SPIKEPORT_DATA`` is read without a ``path``;
    packed files of mnist and fashion-mnist must be the published ones, unless ``official`` is false. Images without
    channels have one. ``classes``: their number, where not every label from 0 is among the training images.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] = "mnist"
    path: str | None = None
    prefix: Annotated[str, Meta(max_length=100)] = ""
    official: bool = True
    layout: Layout | None = None
    classes: Annotated[int, Meta(ge=2, le=1_000_000)] | None = None

    def found(self) -> Found:
        """Return the images of the four files."""
        if self.path is not None:
            existing(self.path, "a folder of IDX files")
        folder = located(self.path, self.name)
        files = [self._file(folder, part) for part in PARTS]
        arrays = [self._array(path, number) for number, path in enumerate(files)]
        labels = [whole_labels(arrays[each], str(files[each])) for each in (1, 3)]
        return Found(
            name=self.name,
            place=str(folder),
            classes=self._classes(labels[0], files[1]),
            train=Split(images=arrays[0], labels=labels[0]),
            test=Split(images=arrays[2], labels=labels[1]),
        )

    def _classes(self, labels: Labels, path: Path) -> int:
        try:
            return self.classes or number_of_classes(labels)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None

    def _file(self, folder: Path, part: str) -> Path:
        wanted = re.compile(rf"{re.escape(self.prefix + part)}[.-]idx\d{{1,3}}-[a-z]+(\.gz)?")
        names = [each for each in folder.iterdir() if wanted.fullmatch(each.name)] if folder.is_dir() else []
        if not names:
            address = ADDRESSES.get(self.name)
            example = f"{self.prefix}{part}-idx{3 if 'images' in part else 1}-ubyte.gz"
            raise missing(folder, f"file {example}", f"{address}{example}" if address else example)
        return min(names)

    def _array(self, path: Path, number: int) -> Array:
        if self.official and path.suffix == ".gz" and self.name in CHECKSUMS and not self.prefix:
            address = f"{ADDRESSES[self.name]}{path.name}"
            check_published(path, Published(address=address, md5=CHECKSUMS[self.name][number]))
        array = read(path)
        try:
            return array if number in (1, 3) else eight_bit(ordered(array, self.layout, "the array"), "the array")
        except DataError as error:
            raise DataError(f"{path}: {error}") from None


def read(path: Path) -> Array:
    """Return the array of an IDX file, of any type and number of axes; sizes are looked at before it is unpacked."""
    with opened(path) as file:
        return _array(file, min(MOST, ROOM + PER_BYTE * path.stat().st_size))


def _array(file: IO[bytes], most: int) -> Array:
    head = file.read(4)
    kind, axes = (head[2], head[3]) if len(head) == 4 and head[:2] == b"\0\0" else (0, 0)
    sides = file.read(4 * axes)
    if kind not in TYPES or not 1 <= axes <= 8 or len(sides) < 4 * axes:
        raise DataError(f"begins with {head.hex() or 'nothing'}; expected an IDX file: 0000, type, number of axes")
    shape, dtype = tuple(np.frombuffer(sides, ">u4").tolist()), np.dtype(TYPES[kind])
    needed = math.prod(shape) * dtype.itemsize
    if needed > most:
        raise DataError(
            f"its header says {shape} of {dtype.name}, {needed:,} bytes; at most {most:,} are read of such a file"
        )
    data = file.read(needed + 1)
    if len(data) != needed:
        found = "more" if len(data) > needed else f"{len(data):,}"
        raise DataError(f"its header says {shape} of {dtype.name}, {needed:,} bytes; {found} follow")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))
