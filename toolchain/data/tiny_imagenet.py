"""TinyImageNet: 110,000 JPEG images (3, 64, 64) of 200 classes, 10,000 of them to test on (Stanford CS231n)."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spikeport.export.errors import DataError
from spikeport.toolchain.data.dataset import DataSource, Found, Split
from spikeport.toolchain.data.reading import jpeg
from spikeport.toolchain.data.reading.archives import Files, Folder, Zip
from spikeport.toolchain.data.reading.places import Published, check_published, existing, located, missing

SIDE = 64
TOP = "tiny-imagenet-200"
PUBLISHED = Published(
    address="http://cs231n.stanford.edu/tiny-imagenet-200.zip", md5="90528d7ca1a48142e341f4ef8d21d0de"
)
COUNTS = (100_000, 10_000)
MOST_TEXT = 2**22
_TRAIN = re.compile(r"train/(n\d{8})/images/[^/]+\.JPEG")
Entry = tuple[str, int]
"""The name of a file and the number of its class."""


class TinyImageNet(DataSource, frozen=True, kw_only=True, tag="tiny_imagenet"):
    """TinyImageNet from its zip archive or its unpacked folder; classes are numbered in the order of their WordNet ids.

    The published test images have no labels: the 10,000 validation images of the archive are the test split here.
    ``path``: the archive, the folder, or where either lies; ``official``: refuse an archive of another md5 and another
    number of images.
    """

    path: str | None = None
    official: bool = True

    def found(self) -> Found:
        """Return the decoded images."""
        if self.path is not None:
            existing(self.path, "TinyImageNet's archive or folder")
        place = _place(located(self.path, "tiny-imagenet"))
        if self.official and place.is_file():
            check_published(place, PUBLISHED)
        try:
            files: Files = Zip(place) if place.is_file() else Folder(place)
            train, test = _entries(files)
            self._check(len(train), len(test))
            splits = [_split(files, entries) for entries in (train, test)]
        except DataError as error:
            raise error if str(error).startswith(str(place)) else DataError(f"{place}: {error}") from None
        classes = max(number for _, number in train) + 1
        return Found(name="TinyImageNet", place=str(place), classes=classes, train=splits[0], test=splits[1])

    def _check(self, train: int, test: int) -> None:
        if not train or not test:
            raise DataError(f"{train:,} images to train on and {test:,} with a label to test on; expected some of each")
        if self.official and (train, test) != COUNTS:
            raise DataError(
                f"{train:,} images to train on and {test:,} to test on; expected {COUNTS[0]:,} and {COUNTS[1]:,}: set "
                "data.official to false where it is meant to differ"
            )


def _place(place: Path) -> Path:
    """Return the archive or the folder with wnids.txt."""
    if place.is_file():
        return place
    for found in (place / PUBLISHED.name, place / TOP, place):
        if found.is_file() or (found / "wnids.txt").is_file():
            return found
    raise missing(place, "TinyImageNet", f"{PUBLISHED.address} (md5 {PUBLISHED.md5})")


def _entries(files: Files) -> tuple[list[Entry], list[Entry]]:
    """Return the images to train on, sorted by class and name, and those to test on, in val_annotations.txt's order."""
    names = sorted(files.names())
    top = f"{TOP}/" if f"{TOP}/wnids.txt" in names else ""
    numbers = {wnid: number for number, wnid in enumerate(sorted(set(_lines(files, f"{top}wnids.txt"))))}
    train = []
    for name in names:
        match = _TRAIN.fullmatch(name.removeprefix(top))
        if match and match[1] not in numbers:
            raise DataError(f"there are images of the class {match[1]}, which wnids.txt does not name")
        if match:
            train.append((name, numbers[match[1]]))
    test = []
    for line in _lines(files, f"{top}val/val_annotations.txt"):
        image, wnid = (*line.split("\t"), "")[:2]
        if wnid not in numbers:
            raise DataError(f"val_annotations.txt names the class {wnid[:20]!r}; wnids.txt does not")
        test.append((f"{top}val/images/{image}", numbers[wnid]))
    present = set(names)
    absent = [name for name, _ in test if name not in present]
    if absent:
        raise DataError(f"no file {absent[0][:100]}, which val_annotations.txt names")
    return train, test


def _lines(files: Files, name: str) -> list[str]:
    try:
        return files.read(name, MOST_TEXT).decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{name} is no text") from None


def _split(files: Files, entries: Sequence[Entry]) -> Split:
    read = ((name, files.read(name, jpeg.MOST_BYTES)) for name, _ in entries)
    images = jpeg.decoded(read, len(entries), SIDE)
    return Split(images=images, labels=np.array([number for _, number in entries], np.int64))
