"""What every dataset gives: images or event frames with labels, parted into training, validation and test."""

from dataclasses import dataclass, field
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from msgspec import Meta

from spikeport.export.errors import DataError, SpikeportError
from spikeport.toolchain.choices import Choice
from spikeport.toolchain.data.checks import check_crop, check_cut, check_splits, check_statistics
from spikeport.toolchain.data.extra import Extra
from spikeport.toolchain.data.splitting import cut
from spikeport.toolchain.data.statistics import channel_statistics

PIXEL_LEVELS = 255
LEVEL = 1 / PIXEL_LEVELS
"""One pixel level of images in [0, 1]; an epsilon of 8 in a recipe is 8 of these."""
CONSTANT = 1e-6
"""A standard deviation below this is that of a constant, rounded."""
Images = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Statistics = Annotated[tuple[float, ...], Meta(min_length=1, max_length=1024)]


class Augmentation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Per image: a random crop after ``crop`` pixels of zeros on every side, and a horizontal flip half of the time."""

    crop: Annotated[int, Meta(ge=0, le=1000)] = 0
    flip: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Images uint8 (N, C, H, W), or frames float32 (N, T, C, H, W) or (N, C, H, W) in [0, 1]; labels int64 (N,)."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)

    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return pixels in [0, 1] as float32 of the images' shape, and labels (N,)."""
        return pixels(self.images), torch.from_numpy(self.labels.copy())

    def part(self, rows: npt.NDArray[np.int64]) -> "Split":
        """Return the images ``rows`` alone."""
        return Split(images=self.images[rows], labels=self.labels[rows])


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Three splits without a common image; ``mean`` and ``std`` per channel are of ``train`` in [0, 1].

    ``validation`` may be empty. ``levels``: what a value of 1 is as a whole number, 255 for 8-bit images, and the
    largest count for frames of events. ``augment`` is what the recipe wants of training batches; ``extra`` are other
    images, of which they hold the share ``ratio``.
    """

    name: str
    classes: int
    train: Split
    validation: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    levels: int = PIXEL_LEVELS
    augment: Augmentation = field(default_factory=Augmentation)
    extra: Split | None = None
    ratio: float = 0.0

    def extras(self, size: int) -> int:
        """Return how many images of a batch of ``size`` are extra ones."""
        return 0 if self.extra is None else round(self.ratio * size)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of an image, or of a frame."""
        channels, height, width = self.train.images.shape[-3:]
        return channels, height, width

    @property
    def frames(self) -> int | None:
        """Number T of frames of a sample (N, T, C, H, W): frame t is the input of step t; None for held images."""
        return self.train.images.shape[1] if self.train.images.ndim == 5 else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What a source holds before its training data are cut; ``place`` is the file or folder, for messages."""

    name: str
    place: str
    classes: int
    train: Split
    test: Split
    levels: int = PIXEL_LEVELS


class DataSource(Choice, frozen=True, kw_only=True):
    """Where images come from, as a recipe says it; each source is a file with a `found`.

    ``images``: only so many of the training images, stratified. ``validation``: share of these that is cut off,
    stratified by the run's seed. ``mean``, ``std``: per channel, in place of those of the training pixels in [0, 1].
    ``extra``: images of another file in every training batch.
    """

    validation: Annotated[float, Meta(ge=0, lt=1)] = 0.1
    images: Annotated[int, Meta(ge=2, le=10**9)] | None = None
    augment: Augmentation = Augmentation()
    mean: Statistics | None = None
    std: Statistics | None = None
    extra: Extra | None = None

    def found(self) -> Found:
        """Return what the source holds, the same whatever the seed; `DataError` says what is missing or damaged."""
        raise NotImplementedError

    def load(self, seed: int) -> Dataset:
        """Return the dataset; ``seed`` decides which training images are limited and cut off, never the test split."""
        try:
            found = self.found()
        except SpikeportError as error:
            raise DataError(error) from None
        except OSError as error:
            raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from None
        try:
            return self._cut(found, seed)
        except DataError as error:
            whole = str(error).startswith("data.extra")
            raise error if whole else DataError(f"{found.place}: {error}") from None

    def _cut(self, found: Found, seed: int) -> Dataset:
        every = found.train
        check_splits((every.images, every.labels), (found.test.images, found.test.labels), found.classes)
        check_crop(self.augment.crop, every.images.shape)
        kept, held = cut(every.labels, seed=seed, limit=self.images, share=self.validation)
        check_cut(every.labels, kept)
        train = every if len(kept) == len(every) else every.part(kept)
        mean, std = self._statistics(train.images)
        validation = every.part(held)
        return Dataset(
            name=found.name,
            classes=found.classes,
            train=train,
            validation=validation,
            test=found.test,
            mean=mean,
            std=std,
            levels=found.levels,
            augment=self.augment,
            extra=self._extra(found, validation),
            ratio=0.0 if self.extra is None else self.extra.ratio,
        )

    def _extra(self, found: Found, validation: Split) -> Split | None:
        if self.extra is None:
            return None
        held_out = (validation.images, found.test.images)
        images, labels = self.extra.read(found.train.images, found.classes, found.levels, held_out)
        return Split(images=images, labels=labels)

    def _statistics(self, images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
        mean, std = channel_statistics(images)
        if self.std is None and min(std) < CONSTANT:
            raise DataError(
                f"channel {std.index(min(std))} has one value in all training images, so its standard deviation is 0; "
                "leave the channel out, or set data.std"
            )
        mean, std = self.mean or mean, self.std or std
        check_statistics("mean", mean, images.shape[-3], positive=False)
        check_statistics("std", std, images.shape[-3], positive=True)
        return mean, std


def pixels(images: Images) -> torch.Tensor:
    """Return float32 pixels in [0, 1]: 8-bit levels over 255, frames as they are."""
    if images.dtype == np.float32:
        return torch.from_numpy(images.astype(np.float32))
    return torch.from_numpy(images.astype(np.float32) / PIXEL_LEVELS)


def levels(images: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Map pixels in [0, 1] to the nearest 8-bit levels."""
    rounded = np.rint(images.detach().cpu().numpy() * PIXEL_LEVELS)
    return np.asarray(np.clip(rounded, 0, PIXEL_LEVELS), np.uint8)
