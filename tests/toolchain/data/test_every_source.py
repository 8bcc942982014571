"""What every source of data promises; a new file of toolchain/data gets its case in made.py."""

from collections import Counter
from pathlib import Path
from typing import Union

import msgspec
import numpy as np
import pytest

from spikeport.export.errors import DataError
from spikeport.toolchain.choices import kinds, tag_of
from spikeport.toolchain.data import idx, tiny_imagenet
from spikeport.toolchain.data.cifar10 import Cifar10
from spikeport.toolchain.data.cifar100 import Cifar100
from spikeport.toolchain.data.dataset import DataSource
from tests.toolchain.data import made

KINDS = kinds(DataSource)


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    return made.sources(tmp_path_factory.mktemp("sources"))


def counted(*splits):
    """Return images with their labels, as often as they occur."""
    pairs = [
        (image.tobytes(), int(label))
        for split in splits
        for image, label in zip(split.images, split.labels, strict=True)
    ]
    return Counter(pairs)


def test_every_kind_has_a_case_here(every):
    assert set(every) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_a_choice_of_its_name_with_a_docstring(kind):
    source = KINDS[kind]
    assert source.__module__.rsplit(".", 1)[1] == kind == tag_of(source)
    assert source.__doc__
    assert source.__struct_config__.frozen


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_comes_back_from_the_table_that_a_recipe_holds(kind, every):
    table = msgspec.to_builtins(every[kind])
    assert table["kind"] == kind
    assert msgspec.convert(table, Union[tuple(KINDS.values())]) == every[kind]  # noqa: UP007 - made at run time
    with pytest.raises(msgspec.ValidationError, match="unknown"):
        msgspec.convert(table | {"unknown": 1}, KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_splits_have_their_types_range_and_classes(kind, every):
    data = every[kind].load(0)
    for split in (data.train, data.validation, data.test):
        assert split.labels.dtype == np.int64
        assert len(split.images) == len(split.labels) == len(split) > 0
        assert split.images.dtype == (np.float32 if kind == "events" else np.uint8)
        assert split.images.shape[-3:] == data.shape
        pixels, labels = split.tensors()
        assert pixels.min() >= 0
        assert pixels.max() <= 1
        assert set(labels.tolist()) <= set(range(data.classes))
    assert set(data.train.labels.tolist()) == set(range(data.classes))
    assert data.frames == (4 if kind == "events" else None)
    assert len(data.mean) == len(data.std) == data.shape[0]


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_are_of_the_training_pixels_after_the_cut(kind, every):
    data = every[kind].load(1)
    values = np.moveaxis(data.train.tensors()[0].numpy().astype(np.float64), -3, 0).reshape(data.shape[0], -1)
    assert np.allclose(data.mean, values.mean(1), rtol=1e-6, atol=0)
    assert np.allclose(data.std, values.std(1), rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_which_images_validate_and_nothing_else(kind, every):
    source = every[kind]
    first, again, other = source.load(5), source.load(5), source.load(6)
    whole = msgspec.structs.replace(source, validation=0.0).load(5)
    assert np.array_equal(first.train.images, again.train.images)
    assert np.array_equal(first.validation.labels, again.validation.labels)
    assert first.mean == again.mean
    assert counted(first.validation) != counted(other.validation)
    for data in (first, other):
        assert np.array_equal(data.test.images, whole.test.images)
        assert counted(data.train, data.validation) == counted(whole.train)
        assert len(data.validation) == max(1, round(0.1 * len(whole.train)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_takes_a_stratified_part_and_the_whole_test_split(kind, every):
    data, whole = (
        msgspec.structs.replace(every[kind], images=200 if kind == "cifar100" else 8 if kind == "events" else 12),
        every[kind],
    )
    if kind == "digits":
        data = msgspec.structs.replace(data, images=50)
    small, full = data.load(2), whole.load(2)
    assert len(small.train) + len(small.validation) == min(data.images, len(full.train) + len(full.validation))
    assert np.array_equal(small.test.images, full.test.images)
    counts = np.bincount(np.concatenate([small.train.labels, small.validation.labels]), minlength=small.classes)
    assert counts.min() >= 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "digits"])
def test_a_missing_dataset_is_one_sentence_that_says_what_to_do(kind, every, tmp_path):
    source = msgspec.structs.replace(every[kind], path=str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"nowhere: no such file or folder; expected .*: set data\.path to where it is"):
        source.load(0)


@pytest.mark.parametrize(
    ("kind", "download"),
    [
        ("cifar10", "www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"),
        ("cifar100", "www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"),
        ("idx", "ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz"),
        ("tiny_imagenet", "cs231n.stanford.edu/tiny-imagenet-200.zip"),
    ],
)
def test_without_a_path_the_data_folder_is_searched_and_the_download_named(kind, download, tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEPORT_DATA", str(tmp_path))
    with pytest.raises(DataError) as caught:
        KINDS[kind]().load(0)
    assert str(tmp_path) in str(caught.value)
    assert download in str(caught.value)
    assert "SPIKEPORT_DATA" in str(caught.value)


def test_the_manual_has_every_kind_address_and_sum():
    manual = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    assert all(f"`{kind}`" in manual for kind in KINDS)
    published = [each for form in (Cifar10.FORM, Cifar100.FORM) for each in (form.binary, form.python)]
    for each in (*published, tiny_imagenet.PUBLISHED):
        assert f"<{each.address}> | " in manual
        assert f"`{each.md5}`" in manual
    for name, sums in idx.CHECKSUMS.items():
        assert f"<{idx.ADDRESSES[name]}>" in manual
        assert all(f"`{each}`" in manual for each in sums)


@pytest.mark.parametrize("path", ["~nobody-of-that-name/data", "a\0b", "x" * 5000])
def test_paths_that_cannot_be_are_one_sentence(path):
    with pytest.raises(DataError, match=r"no home folder|no such file|cannot be read"):
        Cifar10(path=path).load(0)


def test_a_folder_that_may_not_be_read_is_one_sentence(monkeypatch, tmp_path):
    def denied(*_):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(Path, "is_file", denied)
    with pytest.raises(DataError, match=f"^{tmp_path}: cannot be read \\(Permission denied\\)$"):
        Cifar10(path=str(tmp_path)).load(0)
