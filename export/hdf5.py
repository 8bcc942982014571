"""HDF5 files read as data that nobody has to trust: a tree of arrays and texts.

HDF5 can point at other files, at raw storage and at itself, and unpack kilobytes to gigabytes. Here only hard links
count, each object once, arrays lie in the file itself, plain or packed with gzip or lzf, and what they become in memory
is added up before anything is read; of rows of different length, whose sum the file does not say, while they are read.
A damaged file can still send the HDF5 library into an endless loop or crash it, so `spikeport.export.isolated` reads it
in a process of its own.
"""

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from safetensors.numpy import save_file

from spikeport.export import isolated, numbers, tensors
from spikeport.export.errors import FormatError
from spikeport.export.inputs import Budget, check_regular, room
from spikeport.export.network import Array
from spikeport.export.numbers import REAL, Range, described

DEEPEST = 20
"""Groups within groups."""
MOST_OBJECTS = 25_000
"""Groups and arrays of a file; reading one takes 0.1 ms."""
TEXT_BYTES = 100
"""Memory of one text beyond its characters."""
ROWS = 4096
"""Texts of variable length are read so many at a time: the file does not say their sum before."""
ROW_BYTES = 200
"""Memory of a row of variable length beyond its numbers."""
PICKLE, ZIP = b"\x80", b"PK"
Value = Any
"""An array of numbers, a text, a (nested) list of texts, a `Tree`, or `Rows`."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of different length, one after the other in ``values``; row i has ``lengths[i]`` of them."""

    values: Array
    lengths: Array

    def each(self) -> list[Array]:
        """Return the rows."""
        return np.split(self.values, np.cumsum(self.lengths)[:-1]) if len(self.lengths) else []


@dataclass(frozen=True)
class Tree:
    """A group: its arrays, texts and groups by name."""

    values: dict[str, Value] = field(default_factory=dict)

    def reals(self, name: str, within: Range = REAL, *, default: float | None = None, infinite: bool = False) -> Array:
        """Return numbers as float64, see `numbers.reals`; ``default`` where they are missing."""
        if default is not None and name not in self.values:
            return np.array(default)
        return numbers.reals(self.values.get(name), name, within, infinite=infinite)

    def whole(self, name: str, within: Range) -> int:
        """Return one whole number."""
        return numbers.whole(self.values.get(name), name, within)

    def wholes(self, name: str, within: Range, *, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Return whole numbers, as many as one of ``sizes``."""
        return numbers.wholes(self.values.get(name), name, within, sizes=sizes)

    def text(self, name: str) -> str:
        """Return a text, also one that stands in an array of one."""
        value = self.values.get(name)
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if not isinstance(value, str):
            raise FormatError(f"{name!r} is {described(value)}; expected a text")
        return value

    def tree(self, name: str) -> "Tree":
        """Return a group."""
        value = self.values.get(name)
        if not isinstance(value, Tree):
            raise FormatError(f"{name!r} is {described(value)}; expected a group")
        return value

    def numbered(self, name: str) -> list["Tree"]:
        """Return the groups called 0, 1, 2, ... inside a group."""
        inside = self.tree(name)
        if sorted(inside.values) != sorted(map(str, range(len(inside.values)))):
            raise FormatError(f"{name!r} holds {', '.join(list(inside.values)[:5])}; expected groups 0, 1, 2, ...")
        return [inside.tree(str(index)) for index in range(len(inside.values))]

    def bytes_as_float(self) -> int:
        """Return the bytes of all numbers as float64."""
        inside = self.values.values()
        trees = sum(value.bytes_as_float() for value in inside if isinstance(value, Tree))
        return trees + sum(8 * value.size for value in inside if isinstance(value, np.ndarray))


def read(path: Path, *, kind: str, trusted: bool = False) -> Tree:
    """Read an HDF5 file of the ``kind`` that the message names; `FormatError` says what is wrong and where.

    A ``trusted`` file, one that we have just written, is read without a process of its own.
    """
    size = check_regular(path, FormatError, expected=f"a {kind} file")
    try:
        _check_kind(path, kind)
        return _parsed(path, room(size)) if trusted else _isolated([path], size)[0]
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def read_all(paths: Sequence[Path], *, kind: str) -> list[Tree]:
    """Read several HDF5 files of a ``kind`` by one process; `FormatError` names the file that is wrong."""
    sizes = [check_regular(path, FormatError, expected=f"a {kind} file") for path in paths]
    for path in paths:
        try:
            _check_kind(path, kind)
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from None
    try:
        return _isolated(paths, sum(sizes))
    except FormatError as error:
        raise FormatError(f"{paths[0]}: {error}" if len(paths) == 1 else error) from None


def _check_kind(path: Path, kind: str) -> None:
    with path.open("rb") as file:
        start = file.read(8)
    if start[:1] == PICKLE or start[:2] == ZIP:
        raise FormatError(f"a pickle or a PyTorch checkpoint, which is never loaded; export the model to {kind}")
    if not h5py.is_hdf5(path):
        raise FormatError(f"not an HDF5 file, which a {kind} file is; it may be cut off or half-written")


def _parsed(path: Path, most: int) -> Tree:
    try:
        with h5py.File(path, "r") as file:
            return _Reader(Budget(most)).tree(file, "", 0)
    except FormatError:
        raise
    except Exception as error:  # noqa: BLE001 - h5py raises errors of every kind on damaged files
        raise FormatError(f"damaged ({type(error).__name__}: {error})") from None


class _Reader:
    def __init__(self, budget: Budget) -> None:
        self.seen: set[tuple[Any, ...]] = set()
        self.budget = budget

    def tree(self, group: h5py.Group, place: str, depth: int) -> Tree:
        """Return a group with all that it holds."""
        if depth > DEEPEST:
            raise FormatError(f"{place}: groups are nested more than {DEEPEST} deep")
        return Tree({name: self.value(group, name, f"{place}/{name}", depth) for name in group})

    def value(self, group: h5py.Group, name: str, place: str, depth: int) -> Value:
        """Return what stands at ``name``, reached by a hard link and met for the first time."""
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise FormatError(f"{place} is a link to somewhere else; only what is in the file itself is read")
        entry = group[name]
        info = h5py.h5o.get_info(entry.id)
        if (info.fileno, info.addr) in self.seen:
            raise FormatError(f"{place} is reached twice; each object stands in one place")
        self.seen.add((info.fileno, info.addr))
        if len(self.seen) > MOST_OBJECTS:
            raise FormatError(f"holds more than {MOST_OBJECTS:,} groups and arrays; at most so many are read")
        if isinstance(entry, h5py.Group):
            return self.tree(entry, place, depth + 1)
        if not isinstance(entry, h5py.Dataset):
            raise FormatError(f"{place} is a {type(entry).__name__}; expected groups and arrays")
        return self.array(entry, place)

    def array(self, dataset: h5py.Dataset, place: str) -> Value:
        """Return an array that lies in the file itself, within the budget."""
        if dataset.is_virtual or dataset.external:
            raise FormatError(f"{place} lies in another file; only arrays in the file itself are read")
        if dataset.compression not in (None, "gzip", "lzf"):
            raise FormatError(f"{place} is packed with {dataset.compression}; only gzip and lzf are read")
        if dataset.shape is None:
            raise FormatError(f"{place} is an empty array without a shape; expected numbers or texts")
        dtype, size = dataset.dtype, math.prod(dataset.shape)
        self.budget.take(math.prod(dataset.chunks or ()) * dtype.itemsize, f"a chunk of {place}")
        if h5py.check_string_dtype(dtype) is not None:
            self.budget.take(size * (dtype.itemsize + TEXT_BYTES), place)
            return self.texts(dataset, place)
        if h5py.check_vlen_dtype(dtype) is not None:
            return self.rows(dataset, place)
        if dtype.names is not None:
            return self.fields(dataset, place)
        if dtype.kind not in "biuf" or dtype.itemsize > 8 or _is_enumeration(dtype):
            kind = "an enumeration" if _is_enumeration(dtype) else dtype
            raise FormatError(f"{place} holds {kind}; expected real numbers of at most 64 bit, or texts")
        self.budget.take(size * 8, place)
        return np.asarray(dataset[()])

    def fields(self, dataset: h5py.Dataset, place: str) -> Tree:
        """Return the columns of a table, an event list for instance, by name."""
        fields = {name: dataset.dtype.fields[name][0] for name in dataset.dtype.names}
        for name, dtype in fields.items():
            if dtype.kind not in "biuf" or dtype.itemsize > 8 or _is_enumeration(dtype):
                raise FormatError(f"{place}, field {name!r}, holds {dtype}; expected real numbers of at most 64 bit")
        self.budget.take(math.prod(dataset.shape) * (dataset.dtype.itemsize + 8 * len(fields)), place)
        table = dataset[()]
        return Tree({name: np.ascontiguousarray(table[name]) for name in fields})

    def rows(self, dataset: h5py.Dataset, place: str) -> Rows:
        """Return rows of different length, as SHD and SSC hold the spikes of a recording."""
        dtype = h5py.check_vlen_dtype(dataset.dtype)
        if dtype.kind not in "biuf" or dtype.itemsize > 8 or len(dataset.shape) != 1:
            raise FormatError(
                f"{place} holds rows of {dtype} in shape {dataset.shape}; expected one axis of rows of real numbers"
            )
        found = [np.zeros(0, dtype)]
        lengths = np.zeros(dataset.shape, np.int64)
        for number in range(len(lengths)):
            row = dataset[number]
            self.budget.take(8 * len(row) + ROW_BYTES, place)
            found.append(row)
            lengths[number] = len(row)
        return Rows(np.concatenate(found), lengths)

    def texts(self, dataset: h5py.Dataset, place: str) -> Value:
        """Return a text or a (nested) list of texts."""
        if not dataset.shape:
            return self.counted(_text(dataset[()]), place)
        rows = max(1, ROWS // max(1, math.prod(dataset.shape[1:])))
        parts = (dataset[start : start + rows].tolist() for start in range(0, dataset.shape[0], rows))
        return [self.counted(_texts(row), place) for part in parts for row in part]

    def counted(self, value: Value, place: str) -> Value:
        """Add the characters of texts to the budget."""
        self.budget.take(sum(map(len, _flat(value))), place)
        return value


def _is_enumeration(dtype: np.dtype[Any]) -> bool:
    return dtype.kind != "b" and h5py.check_enum_dtype(dtype) is not None


def _flat(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        return
    for each in value:
        yield from _flat(each)


def _texts(value: Any) -> Any:
    return [_texts(each) for each in value] if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _isolated(paths: Sequence[Path], size: int) -> list[Tree]:
    """Let a process of its own read files."""
    text, arrays = isolated.read("spikeport.export.hdf5", paths, size=size)
    tree = _unpacked(text["tree"], arrays)
    return [tree.tree(str(number)) for number in range(len(paths))]


def _pack(tree: Tree, path: Path) -> None:
    """Write a tree as safetensors: arrays by number, rows by two numbers, everything else as JSON."""
    arrays: list[Array] = []

    def plain(value: Value) -> Any:
        if isinstance(value, Tree):
            return {key: plain(inside) for key, inside in value.values.items()}
        if isinstance(value, Rows):
            return [plain(value.values), plain(value.lengths)]
        if not isinstance(value, np.ndarray):
            return value
        arrays.append(np.array(value, value.dtype.newbyteorder("<"), order="C"))
        return len(arrays) - 1

    text = json.dumps(plain(tree))
    save_file({str(index): array for index, array in enumerate(arrays)}, path, {"tree": text})


def _unpacked(text: str, arrays: tensors.Tensors) -> Tree:
    def value(plain: Any) -> Value:
        if isinstance(plain, dict):
            return Tree({key: value(inside) for key, inside in plain.items()})
        if isinstance(plain, list) and plain and isinstance(plain[0], int):
            return Rows(*(arrays[str(number)] for number in plain))
        return arrays[str(plain)] if isinstance(plain, int) else plain

    tree = value(json.loads(text))
    assert isinstance(tree, Tree)
    return tree


def _read_here(paths: list[Path], out: Path) -> None:
    """Read files and write a tree of each."""
    trees = {}
    for number, path in enumerate(paths):
        try:
            trees[str(number)] = _parsed(path, room(path.stat().st_size))
        except FormatError as error:
            raise FormatError(f"{path}: {error}" if len(paths) > 1 else error) from None
    _pack(Tree(trees), out)


if __name__ == "__main__":
    sys.exit(isolated.serve(_read_here, sys.argv[1:]))
