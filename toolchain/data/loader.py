"""Shuffled batches of a split, each image with an augmentation of its own; equal draws give equal batches.

All random numbers of an epoch are drawn when `batches` is called, on the CPU, for all images. So the state of the
generator before the call is all that a repetition needs, whatever the number of threads, and processes with equal
generators see the parts of one global batch.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from spikeport.export.errors import DataError
from spikeport.export.network import Array
from spikeport.toolchain.data.dataset import Augmentation, Split, pixels

LEAST = 2
"""Images of a batch: batch norm needs two."""
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Epoch:
    """What is random in an epoch: the order of the images; of each, where its crop begins and whether it is flipped."""

    order: Array
    rows: Array
    columns: Array
    flips: Array


def batches(
    split: Split,
    size: int,
    *,
    generator: torch.Generator,
    augment: Augmentation | None = None,
    device: str | torch.device = "cpu",
    rank: int = 0,
    world: int = 1,
) -> Iterator[Batch]:
    """Return an epoch of shuffled batches: pixels in [0, 1], float32 (B, C, H, W) or (B, T, C, H, W), and labels (B,).

    ``size``: images of a batch over all of ``world`` processes, of which process ``rank`` gets its part. The parts of a
    batch differ by one image at most; weigh their means by their sizes where they do. A last batch of a single image,
    or of fewer images than processes, is left out. ``generator`` is on the CPU; its numbers are drawn before this
    function returns. For another ``device`` than the CPU the next batch is made while one is used.
    """
    if size < max(LEAST, world):
        raise DataError(f"batches of {size} images; expected {max(LEAST, world)} at least, for {world} processes")
    augment = augment or Augmentation()
    epoch = _drawn(len(split), augment, generator)
    chosen = (epoch.order[start : start + size] for start in range(0, len(split), size))
    parts = (_part(rows, rank, world) for rows in chosen if len(rows) >= max(LEAST, world))
    made = (_batch(split, rows, epoch, augment, torch.device(device)) for rows in parts)
    return made if torch.device(device).type == "cpu" else ahead(made)


def batch_count(images: int, size: int, *, world: int = 1) -> int:
    """Return how many batches of ``size`` an epoch of `batches` has."""
    return images // size + (images % size >= max(LEAST, world))


def ahead(made: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches, of which the next is made in a thread while one is used."""
    iterator = iter(made)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        following = pool.submit(next, iterator, None)
        while (batch := following.result()) is not None:
            following = pool.submit(next, iterator, None)
            yield batch


def _drawn(count: int, augment: Augmentation, generator: torch.Generator) -> _Epoch:
    """Draw an epoch; what is not augmented is not drawn."""
    order = torch.randperm(count, generator=generator).numpy()
    shifts = np.zeros((2, count), np.int64)
    if augment.crop:
        shifts = torch.randint(0, 2 * augment.crop + 1, (2, count), generator=generator).numpy()
    flips = np.zeros(count, bool)
    if augment.flip:
        flips = torch.randint(0, 2, (count,), generator=generator).numpy().astype(bool)
    return _Epoch(order=order, rows=shifts[0], columns=shifts[1], flips=flips)


def _part(rows: Array, rank: int, world: int) -> Array:
    """Return the rows of one process, of which the first ones get one more where it does not divide."""
    return np.array_split(rows, world)[rank]


def _batch(split: Split, rows: Array, epoch: _Epoch, augment: Augmentation, device: torch.device) -> Batch:
    images = cropped(split.images[rows], augment.crop, epoch.rows[rows], epoch.columns[rows])
    if augment.flip:
        flips = epoch.flips[rows]
        images[flips] = images[flips, ..., ::-1]
    return pixels(images).to(device), torch.from_numpy(split.labels[rows]).to(device)


def cropped(images: Array, crop: int, rows: Array, columns: Array) -> Array:
    """Return the part of each image (B, ..., H, W) that begins at its row and column, within ``crop`` zeros."""
    if crop == 0:
        return images
    height, width = images.shape[-2:]
    margins = [(0, 0)] * (images.ndim - 2) + [(crop, crop)] * 2
    windows = sliding_window_view(np.pad(images, margins), (height, width), axis=(-2, -1))
    taken: Array = windows[np.arange(len(images)), ..., rows, columns, :, :]
    return taken
