"""Batches: every image once, an augmentation of its own, equal whatever threads and processes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikeport.export.errors import DataError
from spikeport.toolchain.data.dataset import Augmentation, Split
from spikeport.toolchain.data.loader import ahead, batch_count, batches, cropped
from tests.strategies import cases
from tests.toolchain.data import made

AUGMENT = Augmentation(crop=2, flip=True)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(count, shape=(3, 6, 5)):
    """Return images without zeros, whose label is their number."""
    images = np.random.default_rng(4).integers(1, 256, (count, *shape), dtype=np.uint8)
    return Split(images=images, labels=np.arange(count))


def joined(made_batches):
    images, labels = zip(*made_batches, strict=True)
    return torch.cat(images), torch.cat(labels)


@cases(100)
@given(st.integers(2, 40), st.integers(2, 12), st.integers(0, 99))
def test_every_image_comes_once_with_its_label_and_its_pixels(count, size, seed):
    split = numbered(count)
    made_batches = list(batches(split, size, generator=seeded(seed)))
    images, labels = joined(made_batches)
    left = 1 if count % size == 1 else 0
    assert len(set(labels.tolist())) == len(labels) == count - left
    assert torch.equal(images, split.tensors()[0][labels])
    assert len(made_batches) == batch_count(count, size)
    assert all(len(each) == size for each, _ in made_batches[:-1])
    assert images.dtype == torch.float32


def test_epochs_of_one_generator_differ_and_a_state_repeats_one():
    split, generator = numbered(30), seeded()
    first = joined(batches(split, 8, generator=generator, augment=AUGMENT))
    state = generator.get_state()
    second = joined(batches(split, 8, generator=generator, augment=AUGMENT))
    generator.set_state(state)
    again = joined(batches(split, 8, generator=generator, augment=AUGMENT))
    assert not torch.equal(first[1], second[1])
    assert torch.equal(second[0], again[0])
    assert torch.equal(second[1], again[1])


def test_what_else_draws_from_the_generator_during_an_epoch_changes_nothing():
    split, one, other = numbered(30), seeded(), seeded()
    quiet = joined(batches(split, 8, generator=one, augment=AUGMENT))
    parts = []
    for batch in batches(split, 8, generator=other, augment=AUGMENT):
        torch.rand(7, generator=other)
        parts.append(batch)
    assert torch.equal(joined(parts)[0], quiet[0])


def test_batches_are_equal_whatever_the_number_of_threads():
    split, before, found = numbered(300, (3, 32, 32)), torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(joined(batches(split, 64, generator=seeded(3), augment=AUGMENT)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@cases(100)
@given(st.integers(2, 60), st.integers(2, 20), st.integers(1, 4))
def test_processes_share_one_global_batch(count, size, world):
    split, size = numbered(count), max(size, world)
    whole = list(batches(split, size, generator=seeded(), augment=AUGMENT))
    parts = [
        list(batches(split, size, generator=seeded(), augment=AUGMENT, rank=rank, world=world)) for rank in range(world)
    ]
    assert {len(each) for each in parts} == {batch_count(count, size, world=world)}
    for index, shared in enumerate(zip(*parts, strict=True)):
        images, labels = joined(shared)
        assert torch.equal(images, whole[index][0])
        assert torch.equal(labels, whole[index][1])
        sizes = [len(each) for _, each in shared]
        assert max(sizes) - min(sizes) <= 1
    if world <= 2:
        assert len(parts[0]) == len(whole)


@st.composite
def mixtures(draw):
    """Return an own and an extra split whose labels are numbers, a batch size and how many of it are extra."""
    size = draw(st.integers(2, 12))
    extras = draw(st.integers(1, size - 1))
    own = draw(st.integers(size - extras, 40))
    other = numbered(draw(st.integers(1, 50)))
    return numbered(own), Split(images=other.images, labels=other.labels + 1000), size, extras


@cases(150)
@given(mixtures(), st.integers(0, 99))
def test_every_batch_mixes_exactly_and_extra_images_come_again_only_when_all_were_there(mixture, seed):
    own, other, size, extras = mixture
    made_batches = list(batches(own, size, generator=seeded(seed), extra=other, extras=extras))
    assert len(made_batches) == batch_count(len(own), size, extras=extras) == len(own) // (size - extras)
    for images, labels in made_batches:
        assert len(labels) == size
        assert int((labels >= 1000).sum()) == extras
        expected = [(other if label >= 1000 else own).images[label % 1000] for label in labels.tolist()]
        assert np.array_equal(np.rint(images.numpy() * 255), np.stack(expected))
    labels = joined(made_batches)[1]
    mine, theirs = labels[labels < 1000].tolist(), labels[labels >= 1000].tolist()
    assert len(set(mine)) == len(mine)
    times = np.bincount(np.array(theirs) - 1000, minlength=len(other))
    assert times.max() - times.min() <= 1


@cases(100)
@given(mixtures(), st.integers(1, 4))
def test_any_part_of_a_batch_holds_its_share_of_extra_images(mixture, world):
    own, other, size, extras = mixture
    size, extras = size * world, extras * world
    if size - extras > len(own):
        return
    whole = list(batches(own, size, generator=seeded(), augment=AUGMENT, extra=other, extras=extras))
    for rank in range(world):
        parts = list(
            batches(own, size, generator=seeded(), augment=AUGMENT, rank=rank, world=world, extra=other, extras=extras)
        )
        for index, (images, labels) in enumerate(parts):
            assert abs(int((labels >= 1000).sum()) - extras / world) <= 1
            chosen = slice(rank * size // world, (rank + 1) * size // world)
            assert torch.equal(images, whole[index][0][chosen])
            assert torch.equal(labels, whole[index][1][chosen])


def test_extra_images_do_not_change_which_own_ones_come_when():
    own, other = numbered(30), numbered(50)
    alone = joined(batches(own, 4, generator=seeded(), augment=AUGMENT))[1]
    mixed = batches(
        own,
        8,
        generator=seeded(),
        augment=AUGMENT,
        extra=Split(images=other.images, labels=other.labels + 100),
        extras=4,
    )
    found = torch.cat([labels[labels < 100] for _, labels in mixed])
    assert torch.equal(found, alone[: len(found)])


def place_of(image, original, crop):
    """Return (row, column, flipped) where ``image`` is a part of ``original`` within zeros; several may fit."""
    height, width = original.shape[-2:]
    padded = np.pad(original, [(0, 0)] * (original.ndim - 2) + [(crop, crop)] * 2)
    return [
        (row, column, flip)
        for row in range(2 * crop + 1)
        for column in range(2 * crop + 1)
        for flip in (False, True)
        if np.array_equal(image, padded[..., row : row + height, column : column + width][..., :: -1 if flip else 1])
    ]


@pytest.mark.parametrize("shape", [(3, 6, 5), (4, 2, 6, 5)])
def test_every_image_is_cropped_and_flipped_on_its_own(shape):
    split = numbered(200, shape)
    images, labels = joined(batches(split, 200, generator=seeded(), augment=AUGMENT))
    levels = np.rint(images.numpy() * 255).astype(np.uint8)
    places = [place_of(levels[row], split.images[label], 2) for row, label in enumerate(labels.tolist())]
    assert all(len(each) == 1 for each in places)
    rows, columns, flips = np.array([each[0] for each in places]).T
    for values, most in ((rows, 5), (columns, 5), (flips, 2)):
        counts = np.bincount(values, minlength=most)
        expected = 200 / most
        assert len(counts) == most
        assert np.all(np.abs(counts - expected) < 4 * np.sqrt(expected)), counts
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 0.25


def test_float_frames_are_given_as_they_are():
    images = np.random.default_rng(0).random((10, 4, 2, 6, 5), dtype=np.float32)
    split = Split(images=images, labels=np.arange(10))
    found, labels = joined(batches(split, 5, generator=seeded()))
    assert torch.equal(found, torch.from_numpy(images)[labels])


def test_a_split_is_not_changed():
    split = numbered(20)
    before = split.images.copy()
    for images, labels in batches(split, 5, generator=seeded(), augment=AUGMENT):
        images.zero_()
        labels.zero_()
    assert np.array_equal(split.images, before)
    assert np.array_equal(split.labels, np.arange(20))


def test_a_crop_of_nothing_is_the_image():
    images, _ = made.random_images(3)
    middle = np.full(3, 4)
    assert np.array_equal(cropped(images, 4, middle, middle), images)


def test_batches_made_ahead_are_the_same_and_pass_errors_on():
    split = numbered(30)
    plain = joined(batches(split, 8, generator=seeded(), augment=AUGMENT))
    early = joined(ahead(batches(split, 8, generator=seeded(), augment=AUGMENT)))
    assert torch.equal(plain[0], early[0])
    assert torch.equal(plain[1], early[1])

    def broken():
        yield from batches(split, 8, generator=seeded())
        raise DataError("the end")

    with pytest.raises(DataError, match="the end"):
        list(ahead(broken()))


@pytest.mark.parametrize(("size", "world"), [(1, 1), (0, 1), (3, 4)])
def test_batches_too_small_are_refused(size, world):
    with pytest.raises(DataError, match=f"batches of {size} images"):
        batches(numbered(10), size, generator=seeded(), world=world)
