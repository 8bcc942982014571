"""Seeds and digests of a training: what decides its result."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from spikeport.toolchain.data.dataset import Dataset


def derived(seed: int, *place: object) -> int:
    """Return a seed of 63 bits for one place of a training, such as ('attack', epoch, step).

    Random numbers of a place depend on nothing that came before it, so a resumed run draws what the unbroken one draws.
    """
    text = "/".join(map(str, (seed, *place)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def of_bytes(data: bytes) -> str:
    """Return a digest of a file."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return a digest of names, types, shapes and values."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def of_shapes(tensors: Mapping[str, Tensor]) -> str:
    """Return a digest of names, types and shapes alone."""
    return _of_text(f"{name} {tensor.dtype} {tuple(tensor.shape)}" for name, tensor in sorted(tensors.items()))


def of_data(data: Dataset) -> str:
    """Return a digest of the images and labels that are trained and validated on."""
    digest = hashlib.blake2b(digest_size=16)
    splits = [data.train, data.validation, *([] if data.extra is None else [data.extra])]
    digest.update(b"" if data.extra is None else repr(data.ratio).encode())
    for array in (array for split in splits for array in (split.images, split.labels)):
        digest.update(f"{array.dtype} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def of_value(value: Any) -> str:
    """Return a digest of a struct by its JSON."""
    return _of_text([msgspec.json.encode(value, order="deterministic").decode()])


def _of_text(lines: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
