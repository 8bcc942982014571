"""Images or event frames of one's own, in .npz files."""

from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta

from spikeport.export.errors import DataError
from spikeport.export.network import Array
from spikeport.toolchain.data.checks import number_of_classes
from spikeport.toolchain.data.dataset import PIXEL_LEVELS, DataSource, Found, Split
from spikeport.toolchain.data.reading.layout import Layout, check_levels, eight_bit, largest_count, unit_frames
from spikeport.toolchain.data.reading.pairs import Pair, names_of, read_pairs
from spikeport.toolchain.data.reading.places import existing
from spikeport.toolchain.data.splitting import test_rows


class Npz(DataSource, frozen=True, kw_only=True, tag="npz"):
    """Arrays of a .npz file.

    ``path``: a file with ``images`` and ``labels``, or with ``train_images``, ``train_labels``, ``test_images`` and
    ``test_labels``. Images to test on come from the file itself, from ``test_path`` (``images`` and ``labels``), or are
    the share ``test`` of the images, cut off by one fixed stratified order. Images are 8-bit levels, or numbers in
    [0, 1] that are levels over 255, (N, H, W) or with channels, whose place ``layout`` says where it is not certain.
    Frames of events have five axes, (N, T, C, H, W) or (N, T, H, W, C): numbers in [0, 1], or counts, of which
    ``levels`` becomes 1 (without it the largest of the training data), as does every larger one.
    ``classes``: number of classes, where not every label from 0 is among the training images.
    """

    path: str
    test_path: str | None = None
    test: Annotated[float, Meta(gt=0, lt=1)] | None = None
    layout: Layout | None = None
    levels: Annotated[int, Meta(ge=1, le=2**24 - 1)] | None = None
    classes: Annotated[int, Meta(ge=2, le=1_000_000)] | None = None

    def found(self) -> Found:
        """Return the arrays of the files as splits."""
        path = existing(self.path, "a .npz file with images and labels")
        try:
            train, test = self._pairs(path)
            classes = self.classes or number_of_classes(train[1])
            first, second, levels = self._images(train[0], test[0])
        except DataError as error:
            raise error if str(error).startswith(str(self.test_path)) else DataError(f"{path}: {error}") from None
        return Found(
            name=path.stem,
            place=str(path),
            classes=classes,
            train=Split(images=first, labels=train[1]),
            test=Split(images=second, labels=test[1]),
            levels=levels,
        )

    def _pairs(self, path: Path) -> tuple[Pair, Pair]:
        """Return images and labels to train on and to test on."""
        found = read_pairs(path, ("all", "train", "test"), self.layout)
        ways = [self.test_path is not None, self.test is not None, "test" in found]
        if ("all" in found) == ("train" in found):
            raise DataError(
                f"holds {names_of(found)}; expected arrays images and labels, or train_images and train_labels"
            )
        if sum(ways) != 1:
            raise DataError(
                f"there are {sum(ways)} ways to images to test on; expected one of test_images and test_labels in the "
                "file, data.test_path, data.test (a share, for instance 0.2)"
            )
        train = found.get("all") or found["train"]
        if self.test is not None:
            return _parted(train, self.test)
        if self.test_path is None:
            return train, found["test"]
        place = existing(self.test_path, "a .npz file with images and labels")
        other = read_pairs(place, ("all", "test"), self.layout)
        if len(other) != 1:
            raise DataError(
                f"{place}: holds {names_of(other)}; expected images and labels, or test_images and test_labels"
            )
        return train, next(iter(other.values()))

    def _images(self, train: Array, test: Array) -> tuple[Array, Array, int]:
        """Return images or frames of both splits, and what 1 stands for."""
        if train.ndim != test.ndim:
            raise DataError(f"images to train on have {train.ndim} axes and those to test on {test.ndim}")
        if train.ndim == 4:
            if self.levels is not None:
                raise DataError("data.levels is for frames of events, (N, T, C, H, W); images have 255 levels")
            return eight_bit(train, "the array of images"), eight_bit(test, "the array of images"), PIXEL_LEVELS
        if train.dtype.kind == test.dtype.kind == "f":
            levels = self.levels or PIXEL_LEVELS
            for each in (train, test):
                check_levels(each, levels, "the array of frames")
            return train.astype(np.float32), test.astype(np.float32), levels
        most = [largest_count(each, "the array of frames") for each in (train, test)]
        levels = self.levels or most[0]
        return unit_frames(train, levels), unit_frames(test, levels), levels


def _parted(pair: Pair, share: float) -> tuple[Pair, Pair]:
    images, labels = pair
    if len(images) != len(labels):
        raise DataError(f"there are {len(images):,} images and {len(labels):,} labels; expected one per image")
    train, test = test_rows(labels, share)
    return (images[train], labels[train]), (images[test], labels[test])
