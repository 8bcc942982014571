"""HDF5 files read as data that nobody has to trust: a tree of arrays and texts.

HDF5 can point at other files, at raw storage and at itself, and unpack kilobytes to gigabytes. Here only hard links
count, each object once, arrays lie in the file itself, plain or packed with gzip, and sizes are added up before
anything is read. A damaged file can still send the HDF5 library into an endless loop or crash it, so it is read by a
process of its own, with limits of time and memory, which hands over safetensors.
"""

import json
import math
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from spikeport.export import children
from spikeport.export.errors import FormatError
from spikeport.export.network import Array

LARGEST_BYTES = 2**31
"""Bytes of all arrays of a file together."""
DEEPEST = 20
"""Groups within groups."""
SECONDS = 120
"""Time for reading a file."""
REFUSED = 3
"""Exit code of the reading process where the file is at fault."""
PICKLE, ZIP = b"\x80", b"PK"
Value = Any
"""An array of numbers, a text, a (nested) list of texts, or a `Tree`."""


@dataclass(frozen=True)
class Tree:
    """A group: its arrays, texts and groups by name."""

    values: dict[str, Value] = field(default_factory=dict)

    def array(self, name: str, *, default: float | None = None) -> Array:
        """Return numbers as float64; `FormatError` where they are missing or something else."""
        value = self.values.get(name)
        if value is None and default is not None:
            return np.array(default)
        if not isinstance(value, np.ndarray):
            raise FormatError(f"parameter {name!r} is {_found(value)}; expected numbers")
        return np.asarray(value, np.float64)

    def text(self, name: str) -> str:
        """Return a text, also one that stands in an array of one."""
        value = self.values.get(name)
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if not isinstance(value, str):
            raise FormatError(f"{name!r} is {_found(value)}; expected a text")
        return value

    def tree(self, name: str) -> "Tree":
        """Return a group."""
        value = self.values.get(name)
        if not isinstance(value, Tree):
            raise FormatError(f"{name!r} is {_found(value)}; expected a group")
        return value

    def numbered(self, name: str) -> list["Tree"]:
        """Return the groups called 0, 1, 2, ... inside a group."""
        inside = self.tree(name)
        if sorted(inside.values) != sorted(map(str, range(len(inside.values)))):
            raise FormatError(f"{name!r} holds {', '.join(list(inside.values)[:5])}; expected groups 0, 1, 2, ...")
        return [inside.tree(str(index)) for index in range(len(inside.values))]


def read(path: Path, *, kind: str, trusted: bool = False) -> Tree:
    """Read an HDF5 file of the ``kind`` that the message names; `FormatError` says what is wrong and where.

    A ``trusted`` file, one that we have just written, is read without a process of its own.
    """
    try:
        _check_kind(path, kind)
        return _parsed(path) if trusted else _isolated(path)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def _found(value: Value) -> str:
    if value is None:
        return "missing"
    words = {Tree: "a group", list: "a list of texts", str: f"the text {value!r}"}
    return words.get(type(value), "an array of numbers")


def _check_kind(path: Path, kind: str) -> None:
    if not path.is_file():
        raise FormatError(f"{'a folder' if path.is_dir() else 'no such file'}; expected a {kind} file")
    with path.open("rb") as file:
        start = file.read(8)
    if start[:1] == PICKLE or start[:2] == ZIP:
        raise FormatError(f"a pickle or a PyTorch checkpoint, which is never loaded; export the model to {kind}")
    if not h5py.is_hdf5(path):
        raise FormatError(f"not an HDF5 file, which a {kind} file is; it may be cut off or half-written")


def _parsed(path: Path) -> Tree:
    try:
        with h5py.File(path, "r") as file:
            return _Reader().tree(file, "", 0)
    except FormatError:
        raise
    except Exception as error:  # noqa: BLE001 - h5py raises errors of every kind on damaged files
        raise FormatError(f"damaged ({type(error).__name__}: {error})") from None


class _Reader:
    def __init__(self) -> None:
        self.seen: set[tuple[Any, ...]] = set()
        self.bytes = 0

    def tree(self, group: h5py.Group, place: str, depth: int) -> Tree:
        """Return a group with all that it holds."""
        if depth > DEEPEST:
            raise FormatError(f"{place}: groups are nested more than {DEEPEST} deep")
        return Tree({name: self.value(group, name, f"{place}/{name}", depth) for name in group})

    def value(self, group: h5py.Group, name: str, place: str, depth: int) -> Value:
        """Return what stands at ``name``, reached by a hard link and met for the first time."""
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise FormatError(f"{place} is a link to somewhere else; only what is in the file itself is read")
        found = group[name]
        info = h5py.h5o.get_info(found.id)
        if (info.fileno, info.addr) in self.seen:
            raise FormatError(f"{place} is reached twice; each object stands in one place")
        self.seen.add((info.fileno, info.addr))
        if isinstance(found, h5py.Group):
            return self.tree(found, place, depth + 1)
        if not isinstance(found, h5py.Dataset):
            raise FormatError(f"{place} is a {type(found).__name__}; expected groups and arrays")
        return self.array(found, place)

    def array(self, dataset: h5py.Dataset, place: str) -> Value:
        """Return an array that lies in the file itself, within the limit of bytes."""
        if dataset.is_virtual or dataset.external:
            raise FormatError(f"{place} lies in another file; only arrays in the file itself are read")
        if dataset.compression not in (None, "gzip"):
            raise FormatError(f"{place} is packed with {dataset.compression}; only gzip is read")
        self.bytes += math.prod(dataset.shape or (1,)) * dataset.dtype.itemsize
        if self.bytes > LARGEST_BYTES:
            raise FormatError(f"{place}: the arrays take more than {LARGEST_BYTES:,} bytes")
        value = dataset[()]
        if isinstance(value, bytes | str):
            return _text(value)
        array = np.asarray(value)
        if array.dtype.kind in "SO":
            return _texts(array.tolist())
        if array.dtype.kind not in "biuf":
            raise FormatError(f"{place} holds {array.dtype}; expected real numbers or texts")
        return array


def _texts(value: Any) -> Any:
    return [_texts(each) for each in value] if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _isolated(path: Path) -> Tree:
    """Let a process of its own read the file."""
    with tempfile.TemporaryDirectory(prefix="spikeport-hdf5-") as folder:
        out = Path(folder) / "tree.safetensors"
        command = children.command("spikeport.export.hdf5", [str(path.absolute()), str(out)])
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
                check=False,
                cwd=folder,
                env=children.environment(),
            )
        except subprocess.TimeoutExpired:
            raise FormatError(f"damaged (reading it did not end within {SECONDS} s)") from None
        if done.returncode == REFUSED:
            raise FormatError(done.stderr.strip())
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise FormatError(f"damaged (reading it ended with code {done.returncode}: {lines[-1]})")
        return _unpacked(out)


def _pack(tree: Tree, path: Path) -> None:
    """Write a tree as safetensors: arrays by number, everything else as JSON."""
    arrays: list[Array] = []

    def plain(value: Value) -> Any:
        if isinstance(value, Tree):
            return {key: plain(inside) for key, inside in value.values.items()}
        if not isinstance(value, np.ndarray):
            return value
        arrays.append(np.array(value, value.dtype.newbyteorder("<"), order="C"))
        return len(arrays) - 1

    text = json.dumps(plain(tree))
    save_file({str(index): array for index, array in enumerate(arrays)}, path, {"tree": text})


def _unpacked(path: Path) -> Tree:
    with safe_open(path, framework="numpy") as file:

        def value(plain: Any) -> Value:
            if isinstance(plain, dict):
                return Tree({key: value(inside) for key, inside in plain.items()})
            return file.get_tensor(str(plain)) if isinstance(plain, int) else plain

        tree = value(json.loads(file.metadata()["tree"]))
    assert isinstance(tree, Tree)
    return tree


def main(path: Path, out: Path) -> int:
    """Read ``path`` under limits and write its tree to ``out``."""
    memory = 2 * LARGEST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        _pack(_parsed(path), out)
    except FormatError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
