"""Images with their labels in .npz files: which arrays belong together is known by their names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spikeport.export.errors import DataError
from spikeport.export.network import Array
from spikeport.export.stimulus.arrays import read_named
from spikeport.toolchain.data.checks import whole_labels
from spikeport.toolchain.data.reading.layout import Layout, ordered

PAIRS = {
    "all": (("images", "labels"), ("x", "y"), ("frames", "labels")),
    "train": (("train_images", "train_labels"), ("x_train", "y_train")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
}
"""Names of arrays of images and of their labels."""
Pair = tuple[Array, npt.NDArray[np.int64]]


def read_pairs(
    path: Path, kinds: Sequence[str], layout: Layout | None, *, shape: tuple[int, ...] | None = None
) -> dict[str, Pair]:
    """Return images (N, C, H, W) or frames (N, T, C, H, W) and labels by kind: all, train, test.

    Images that have the ``shape`` of one as they are stay so, whatever else their axes might mean.
    """
    chosen: dict[str, tuple[str, str]] = {}

    def names(every: Sequence[str]) -> list[str]:
        for kind in kinds:
            pairs = [pair for pair in PAIRS[kind] if set(pair) <= set(every)]
            if len(pairs) > 1:
                raise DataError(f"holds {pairs[0][0]} and {pairs[1][0]}; expected one array of images")
            if pairs:
                chosen[kind] = pairs[0]
        return sorted({name for pair in chosen.values() for name in pair})

    arrays = read_named(path, names)
    return {kind: _pair(arrays, pair, layout, shape) for kind, pair in chosen.items()}


def _pair(
    arrays: Mapping[str, Any], names: tuple[str, str], layout: Layout | None, shape: tuple[int, ...] | None
) -> Pair:
    images, labels = arrays[names[0]], arrays[names[1]]
    if shape is None or images.shape[1:] != shape:
        images = ordered(images, layout, f"the array {names[0]!r}")
    return images, whole_labels(labels, f"the labels {names[1]!r}")


def names_of(found: Mapping[str, Pair]) -> str:
    """Return what `read_pairs` found, for a message."""
    return " and ".join({"all": "images"}.get(kind, f"{kind}_images") for kind in found) or "neither images nor labels"
