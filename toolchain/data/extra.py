"""Extra images to train on beside a dataset's own, such as pseudo-labelled ones (Carmon et al., NeurIPS 2019)."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from spikeport.export.errors import DataError
from spikeport.export.network import Array
from spikeport.export.progress import announce
from spikeport.toolchain.data.reading.layout import check_levels, eight_bit, unit_frames
from spikeport.toolchain.data.reading.pairs import Pair, read_pairs
from spikeport.toolchain.data.reading.places import existing


class Extra(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share ``ratio`` of every training batch comes from the .npz file ``path``, with ``images`` and ``labels``.

    They are used by stages whose ``training.extra`` is true, for updates alone: no image of the file validates, tests,
    calibrates or counts in the statistics.
    """

    path: str
    ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.5

    def read(self, like: Array, classes: int, levels: int, held_out: Iterable[Array]) -> Pair:
        """Return images of the shape and type of those of ``like``, without those that ``held_out`` holds, and labels.

        `DataError` names the file, and what does not fit.
        """
        try:
            path = existing(self.path, "a .npz file with images and labels")
        except DataError as error:
            raise DataError(f"data.extra: {error}") from None
        try:
            images, labels = self._pair(path, like, levels)
            _check(images, labels, like, classes)
        except DataError as error:
            raise DataError(f"data.extra: {path}: {error}") from None
        seen = {_digest(image) for split in held_out for image in split}
        kept = np.array([_digest(image) not in seen for image in images])
        if not kept.all():
            announce(
                f"data.extra: {int((~kept).sum()):,} of {len(kept):,} images are left out, which are among those to "
                "validate or to test on"
            )
        if not kept.any():
            raise DataError(f"data.extra: {path}: every image is among those to validate or to test on")
        return images[kept], labels[kept]

    def _pair(self, path: Path, like: Array, levels: int) -> Pair:
        found = read_pairs(path, ("all",), None, shape=like.shape[1:])
        if not found:
            raise DataError("holds no arrays images and labels; expected both")
        images, labels = found["all"]
        if like.dtype == np.uint8:
            return eight_bit(images, "the array of images"), labels
        if images.dtype.kind != "f":
            return unit_frames(images, levels), labels
        check_levels(images, levels, "the array of frames")
        return images.astype(np.float32), labels


def _check(images: Array, labels: Array, like: Array, classes: int) -> None:
    if images.shape[1:] != like.shape[1:]:
        raise DataError(f"an image has shape {images.shape[1:]}; those to train on have {like.shape[1:]}")
    if len(images) != len(labels) or not len(images):
        raise DataError(
            f"there are {len(images):,} images and {len(labels):,} labels; expected one per image, and some"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"labels reach from {labels.min()} to {labels.max()}; expected 0 to {classes - 1}")
    if images.dtype == np.float32 and not (images.min() >= 0 and images.max() <= 1):
        raise DataError(f"frames reach from {images.min():g} to {images.max():g}; expected 0 to 1")


def _digest(image: Array) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
