"""What every dataset is held to, whatever file it came from; each rule is one sentence of refusal."""

import numpy as np
import numpy.typing as npt

from spikeport.export.errors import DataError
from spikeport.export.network import Array


def whole_labels(labels: Array, what: str) -> npt.NDArray[np.int64]:
    """Return labels as int64 (N,); numbers with a point, truth values and one-hot rows are refused."""
    fault = label_fault(labels)
    if fault is not None:
        raise DataError(f"{what} are {fault}")
    if labels.size and int(labels.max()) >= 2**31:
        raise DataError(f"{what} hold {int(labels.max())}; expected numbers from 0")
    return labels.astype(np.int64)


def label_fault(labels: Array) -> str | None:
    """Return what labels are that are not one whole number per image, and what to do; None where they are."""
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        return None
    kinds = {"f": "numbers with a point", "b": "truth values", "U": "texts", "S": "texts"}
    found = f"{kinds.get(labels.dtype.kind, 'no whole numbers')} ({labels.dtype})"
    if labels.ndim != 1:
        found, way = f"an array of shape {labels.shape}", "labels.argmax(1) makes them of one-hot rows"
    elif labels.dtype.kind in "fb":
        way = "labels.astype('int64') makes them"
    else:
        way = "number the classes from 0"
    return f"{found}; expected one whole number per image: {way}"


def number_of_classes(labels: npt.NDArray[np.int64]) -> int:
    """Return the number of classes of labels that are all numbers from 0; else nothing says it."""
    if not len(labels):
        raise DataError("there are no training images")
    every = np.unique(labels)
    if every[0] != 0 or every[-1] != len(every) - 1:
        raise DataError(
            f"the training labels are {len(every)} different numbers from {every[0]} to {every[-1]}; number the "
            "classes from 0 without a gap, or set data.classes where a class has no training image"
        )
    return len(every)


def check_splits(train: tuple[Array, Array], test: tuple[Array, Array], classes: int) -> None:
    """Raise `DataError` where images and labels of a training and a test split do not fit together."""
    for what, (images, labels) in (("training", train), ("test", test)):
        _check_split(images, labels, classes, what)
    if train[0].shape[1:] != test[0].shape[1:] or train[0].dtype != test[0].dtype:
        raise DataError(
            f"the training images have shape {train[0].shape[1:]} ({train[0].dtype}), those to test on "
            f"{test[0].shape[1:]} ({test[0].dtype}); expected the same"
        )
    if len(np.unique(train[1])) < 2:
        raise DataError(f"all training images are of one class ({train[1][0]}); expected two classes at least")


def _check_split(images: Array, labels: Array, classes: int, what: str) -> None:
    if not len(images):
        raise DataError(f"there are no {what} images")
    if len(images) != len(labels):
        raise DataError(f"there are {len(images):,} {what} images and {len(labels):,} labels; expected one per image")
    if images.ndim not in (4, 5) or min(images.shape) < 1:
        raise DataError(f"{what} images have shape {images.shape}; expected (N, C, H, W) or (N, T, C, H, W)")
    if labels.min() < 0 or labels.max() >= classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise DataError(f"a label of the {what} images is {wrong}; expected 0 to {classes - 1}, for {classes} classes")
    if images.dtype == np.float32:
        _check_unit(images, what)


def _check_unit(images: Array, what: str) -> None:
    """Refuse values outside of [0, 1]; a NaN is outside, too."""
    least, most = images.min(), images.max()
    if not (least >= 0 and most <= 1):
        raise DataError(f"the {what} images span {least:g} to {most:g}; expected values from 0 to 1")


def check_statistics(name: str, values: tuple[float, ...], channels: int, *, positive: bool) -> None:
    """Refuse a mean or a standard deviation that does not fit to the channels."""
    if len(values) != channels:
        raise DataError(f"data.{name} has {len(values)} numbers; the images have {channels} channels")
    if not np.all(np.isfinite(values)) or (positive and min(values) <= 0):
        raise DataError(f"data.{name} is {list(values)}; expected {'positive' if positive else 'finite'} numbers")


def check_cut(labels: npt.NDArray[np.int64], kept: npt.NDArray[np.int64]) -> None:
    """Refuse a limit or a validation share that leaves no training image of a class."""
    gone = np.setdiff1d(labels, labels[kept])
    if len(gone):
        raise DataError(
            f"{len(kept)} of {len(labels):,} training images are left, and none of class {gone[0]}; raise data.images, "
            "or lower data.validation"
        )


def check_crop(crop: int, shape: tuple[int, ...]) -> None:
    """Refuse a crop that may show nothing of the image."""
    if crop >= min(shape[-2:]):
        raise DataError(
            f"data.augment.crop is {crop} pixels; an image has {shape[-2]} x {shape[-1]}: expected fewer than a side"
        )
