"""Small files in the form of every published dataset, from random pixels; no image of any dataset is among them."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile

import numpy as np
from PIL import Image

from spikeport.toolchain.data.cifar10 import Cifar10
from spikeport.toolchain.data.cifar100 import Cifar100
from spikeport.toolchain.data.digits import Digits
from spikeport.toolchain.data.events import EventFrames
from spikeport.toolchain.data.idx import Idx
from spikeport.toolchain.data.npz import Npz
from spikeport.toolchain.data.tiny_imagenet import TinyImageNet

WNIDS = ("n01443537", "n01629819", "n01641577")


def random_images(count, shape=(3, 32, 32), *, classes=10, seed=0):
    """Return 8-bit images and labels, every class among them."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % classes).astype(np.int64)
    return rng.integers(0, 256, (count, *shape), dtype=np.uint8), labels


def binary_records(images, *labels):
    """Return records of CIFAR's binary version: labels, a byte each, then red, green and blue planes."""
    columns = [np.asarray(each, np.uint8)[:, None] for each in labels]
    return np.concatenate([*columns, images.reshape(len(images), -1)], axis=1).tobytes()


def python2_pickle(images, labels):
    """Return the bytes that Python 2 wrote for a batch of CIFAR-10, instruction by instruction."""
    data = images.reshape(len(images), -1)
    rows = struct.pack("<H", data.shape[0]), struct.pack("<H", data.shape[1])
    names = b"".join(b"U" + bytes([len(name)]) + name for name in (b"%05d.png" % n for n in range(len(labels))))
    return (
        b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03U\x06labelsq\x04]q\x05("
        + b"".join(b"K" + bytes([int(label)]) for label in labels)
        + b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87R"
        + b"(K\x01M" + rows[0] + b"M" + rows[1] + b"\x86cnumpy\ndtype\nq\x09U\x02u1K\x00K\x01\x87R"
        + b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<i", data.size)
        + data.tobytes() + b"tbU\x09filenames]q\x0a(" + names + b"eu."
    )  # fmt: skip


def python_files(images, labels, *, parts=5, write=python2_pickle):
    """Return the python files of CIFAR-10; the last tenth are the test images."""
    return _files(images, labels, parts, write, "")


def binary_files(images, labels, *, parts=5):
    """Return the binary files of CIFAR-10; the last tenth are the test images."""
    return _files(images, labels, parts, binary_records, ".bin")


def _files(images, labels, parts, write, ending):
    train = len(images) * 9 // 10
    rows = np.array_split(np.arange(train), parts)
    made = {f"data_batch_{n + 1}{ending}": write(images[each], labels[each]) for n, each in enumerate(rows)}
    return made | {f"test_batch{ending}": write(images[train:], labels[train:])}


def tar(files, folder="cifar-10-batches-bin"):
    """Return a .tar.gz archive with a folder, a readme and the files."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w:gz", compresslevel=1) as archive:
        directory = tarfile.TarInfo(folder)
        directory.type = tarfile.DIRTYPE
        archive.addfile(directory)
        for name, data in {"readme.html": b"<html>", **files}.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return memory.getvalue()


def jpeg(image, **settings):
    """Return an image (3, H, W) or (H, W) as the bytes of a JPEG file."""
    memory = io.BytesIO()
    Image.fromarray(image if image.ndim == 2 else image.transpose(1, 2, 0)).save(memory, "JPEG", **settings)
    return memory.getvalue()


def packed_jpeg(images, labels):
    """Return a .npz with JPEG files one after another."""
    files = [jpeg(image) for image in images]
    offsets = np.cumsum([0, *map(len, files)])
    memory = io.BytesIO()
    np.savez(memory, jpeg=np.frombuffer(b"".join(files), np.uint8), offsets=offsets, labels=labels.astype(np.uint8))
    return memory.getvalue()


def idx(array):
    """Return the bytes of an IDX file."""
    kinds = {"u1": 8, "i1": 9, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
    head = struct.pack(">BBBB", 0, 0, kinds[array.dtype.str[1:]], array.ndim) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def tiny_files(count=6, *, side=64):
    """Return the files of TinyImageNet with three classes: ``count`` images of each to train on, two to test on."""
    images, _ = random_images(3 * (count + 2), (3, side, side))
    files = {"wnids.txt": "".join(f"{wnid}\n" for wnid in reversed(WNIDS)).encode()}
    lines = []
    for number, wnid in enumerate(WNIDS):
        for index in range(count):
            files[f"train/{wnid}/images/{wnid}_{index}.JPEG"] = jpeg(images[number * count + index])
        for index in range(2):
            name = f"val_{3 * index + number}.JPEG"
            files[f"val/images/{name}"] = jpeg(images[3 * count + 2 * number + index])
            lines.append(f"{name}\t{wnid}\t0\t0\t62\t62\n")
    return files | {"val/val_annotations.txt": "".join(lines).encode(), "test/images/test_0.JPEG": b"not read"}


def zipped(files, top="tiny-imagenet-200/"):
    """Return a zip archive."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"{top}{name}", data)
    return memory.getvalue()


def write(folder, files):
    """Write files below a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def recordings(folder, *, each=5, classes=2):
    """Write a folder of event lists for each class."""
    rng = np.random.default_rng(3)
    for label in range(classes):
        (folder / f"class{label}").mkdir(parents=True)
        for number in range(each):
            t = np.sort(rng.integers(0, 10_000, 200))
            x, y, p = rng.integers(0, 6, 200), rng.integers(0, 5, 200), rng.integers(0, 2, 200)
            np.savez(folder / f"class{label}" / f"{number}.npz", x=x, y=y, t=t, p=p)
    return folder


def sources(folder):
    """Return a source of every kind, by kind, with its files below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = random_images(100)
    (folder / "cifar-10-binary.tar.gz").write_bytes(tar(binary_files(images, labels)))
    fine = np.arange(400) % 100
    coarse = {
        name: binary_records(random_images(400, seed=seed)[0], fine // 5, fine)
        for name, seed in (("train.bin", 1), ("test.bin", 2))
    }
    write(folder / "hundred", coarse)
    (folder / "tiny-imagenet-200.zip").write_bytes(zipped(tiny_files()))
    np.savez(folder / "own.npz", images=images.transpose(0, 2, 3, 1), labels=labels)
    grey = random_images(60, (7, 9), classes=3)
    files = {"train-images-idx3-ubyte": idx(grey[0]), "train-labels-idx1-ubyte": idx(grey[1].astype(np.uint8))}
    test = {name.replace("train", "t10k"): gzip.compress(data) for name, data in files.items()}
    write(folder / "idx", files | {f"{name}.gz": data for name, data in test.items()})
    recordings(folder / "events")
    return {
        "cifar10": Cifar10(path=str(folder / "cifar-10-binary.tar.gz"), official=False),
        "cifar100": Cifar100(path=str(folder / "hundred"), official=False),
        "digits": Digits(),
        "events": EventFrames(path=str(folder / "events"), test=0.2, sensor=(2, 5, 6), frames=4),
        "idx": Idx(path=str(folder / "idx"), official=False),
        "npz": Npz(path=str(folder / "own.npz"), test=0.2),
        "tiny_imagenet": TinyImageNet(path=str(folder), official=False),
    }


def python3_pickle(protocol):
    """Return a writer of batches as Python 3 writes them."""

    def made(images, labels):
        batch = {"labels": [int(each) for each in labels], "data": images.reshape(len(images), -1), "batch_label": "x"}
        return pickle.dumps(batch, protocol=protocol)

    return made
