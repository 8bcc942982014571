"""Shuffled batches of a split, each image with an augmentation of its own; equal draws give equal batches.

All random numbers of an epoch are drawn when `batches` is called, on the CPU, for all images. So the state of the
generator before the call is all that a repetition needs, whatever the number of threads, and processes with equal
generators see the parts of one global batch.
"""

from collections.abc import Iterable, Iterator, Sequence
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
    """What is random in an epoch of ``split``: the order; of each image, where its crop begins and its flip."""

    split: Split
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
    extra: Split | None = None,
    extras: int = 0,
) -> Iterator[Batch]:
    """Return an epoch of shuffled batches: pixels in [0, 1], float32 (B, C, H, W) or (B, T, C, H, W), and labels (B,).

    ``size``: images of a batch over all of ``world`` processes, of which process ``rank`` gets its part. The parts of a
    batch differ by one image at most; weigh their means by their sizes where they do. A last batch of a single image,
    or of fewer images than processes, is left out. ``generator`` is on the CPU; its numbers are drawn before this
    function returns. For another ``device`` than the CPU the next batch is made while one is used.

    ``extras`` of the images of every batch are of ``extra``, drawn without repetition until all were there; any part
    of a batch holds its share, up to an image. An epoch then has every image of ``split`` once, in batches of ``size``
    alone: what is left over at its end is left out.
    """
    if size < max(LEAST, world):
        raise DataError(f"batches of {size} images; expected {max(LEAST, world)} at least, for {world} processes")
    augment, count = augment or Augmentation(), batch_count(len(split), size, world=world, extras=extras)
    own = _drawn(split, augment, generator, len(split))
    sources = [own] if extra is None or not extras else [own, _drawn(extra, augment, generator, count * extras)]
    numbers = [size - extras, extras][: len(sources)]
    parts = (_part(_places(sources, numbers, batch), rank, world) for batch in range(count))
    made = (_batch(sources, places, augment, torch.device(device)) for places in parts)
    return made if torch.device(device).type == "cpu" else ahead(made)


def batch_count(images: int, size: int, *, world: int = 1, extras: int = 0) -> int:
    """Return how many batches of ``size``, of which ``extras`` are other images, an epoch of `batches` has."""
    if extras:
        return images // (size - extras)
    return images // size + (images % size >= max(LEAST, world))


def ahead(made: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches, of which the next is made in a thread while one is used."""
    iterator = iter(made)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        following = pool.submit(next, iterator, None)
        while (batch := following.result()) is not None:
            following = pool.submit(next, iterator, None)
            yield batch


def _drawn(split: Split, augment: Augmentation, generator: torch.Generator, wanted: int) -> _Epoch:
    """Draw an epoch of ``wanted`` images, all of the split before one comes again; what is not augmented is not drawn.

    An image that comes again is augmented as before.
    """
    count = len(split)
    orders = [torch.randperm(count, generator=generator) for _ in range(max(1, -(-wanted // count)))]
    shifts = np.zeros((2, count), np.int64)
    if augment.crop:
        shifts = torch.randint(0, 2 * augment.crop + 1, (2, count), generator=generator).numpy()
    flips = np.zeros(count, bool)
    if augment.flip:
        flips = torch.randint(0, 2, (count,), generator=generator).numpy().astype(bool)
    return _Epoch(split=split, order=torch.cat(orders).numpy(), rows=shifts[0], columns=shifts[1], flips=flips)


def _places(sources: Sequence[_Epoch], numbers: Sequence[int], batch: int) -> Array:
    """Return a column for every image of a batch: its source, and its row there; sources are spread over the batch."""
    found = []
    for source, (epoch, number) in enumerate(zip(sources, numbers, strict=True)):
        rows = epoch.order[batch * number : (batch + 1) * number]
        found.append(np.stack([np.full(len(rows), source), rows]))
    if len(found) == 1:
        return found[0]
    spread = np.concatenate([(np.arange(each.shape[1]) + 0.5) / each.shape[1] for each in found])
    joined: Array = np.concatenate(found, axis=1)[:, np.argsort(spread, kind="stable")]
    return joined


def _part(places: Array, rank: int, world: int) -> Array:
    """Return the columns of one process, of which the first ones get one more where it does not divide."""
    return np.array_split(places, world, axis=1)[rank]


def _batch(sources: Sequence[_Epoch], places: Array, augment: Augmentation, device: torch.device) -> Batch:
    first = sources[0].split
    images = np.empty((places.shape[1], *first.images.shape[1:]), first.images.dtype)
    labels = np.empty(places.shape[1], np.int64)
    for number, epoch in enumerate(sources):
        chosen = places[0] == number
        rows = places[1][chosen]
        images[chosen], labels[chosen] = _changed(epoch, rows, augment), epoch.split.labels[rows]
    return pixels(images).to(device), torch.from_numpy(labels).to(device)


def _changed(epoch: _Epoch, rows: Array, augment: Augmentation) -> Array:
    """Return images, each with its crop and flip of the epoch."""
    images = cropped(epoch.split.images[rows], augment.crop, epoch.rows[rows], epoch.columns[rows])
    if augment.flip:
        flips = epoch.flips[rows]
        images[flips] = images[flips, ..., ::-1]
    return images


def cropped(images: Array, crop: int, rows: Array, columns: Array) -> Array:
    """Return the part of each image (B, ..., H, W) that begins at its row and column, within ``crop`` zeros."""
    if crop == 0:
        return images
    height, width = images.shape[-2:]
    margins = [(0, 0)] * (images.ndim - 2) + [(crop, crop)] * 2
    windows = sliding_window_view(np.pad(images, margins), (height, width), axis=(-2, -1))
    taken: Array = windows[np.arange(len(images)), ..., rows, columns, :, :]
    return taken
