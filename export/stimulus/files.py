"""Files and folders of samples: .npy, .npz, .pt, .hdf5 and .aedat4, each read within limits."""

import re
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from spikeport.export import hdf5, isolated
from spikeport.export.children import LIBRARIES
from spikeport.export.errors import SpikeportError, StimulusError
from spikeport.export.hdf5 import Rows, Tree
from spikeport.export.inputs import check_regular
from spikeport.export.network import Array
from spikeport.export.stimulus import arrays, gestures
from spikeport.export.stimulus.content import LABELS, Content, Sample, chosen
from spikeport.export.stimulus.events import events_of, is_event_list

MOST_FILES = 200_000
TOGETHER, BYTES_TOGETHER = 500, 2**27
"""Files, and their bytes, that one process reads."""
KINDS = {".aedat4": "aedat", ".pt": "torch", ".pth": "torch"}
"""The library that reads a kind of file, by the end of its name."""
PROGRAMS = {"aedat": "spikeport.export.stimulus.foreign", "torch": "spikeport.toolchain.tensor_files"}
"""The module that reads with a library, as a program: nothing here imports it."""
EXTRAS = {"aedat": "events", "torch": "train"}
LOADING = {"aedat": 2, "torch": 20}
"""Seconds of computing time that a library may take to load."""
Reader = Callable[[Sequence[Path]], list[Content]]


def read(path: Path) -> Content:
    """Return what a file holds, or a folder with a file for each sample."""
    try:
        return _folder(path) if path.is_dir() else _reader(path)([path])[0]
    except StimulusError:
        raise
    except SpikeportError as error:
        raise StimulusError(error) from None


def _reader(path: Path) -> Reader:
    return READERS.get(path.suffix.lower(), _numpy)


def _numpy(paths: Sequence[Path]) -> list[Content]:
    return [arrays.read(path) for path in paths]


def _hdf5(paths: Sequence[Path]) -> list[Content]:
    """Read HDF5 files: named arrays, or a sample as tonic's DiskCachedDataset writes it (data/0, target/0)."""
    trees = [tree for part in _parts(paths) for tree in hdf5.read_all(part, kind="HDF5")]
    return [_named(path, each) for path, each in zip(paths, trees, strict=True)]


def _named(path: Path, tree: Tree) -> Content:
    try:
        if isinstance(tree.values.get("data"), Tree):
            return _cached(tree)
        groups = [value for value in tree.values.values() if isinstance(value, Tree)]
        events = [group for group in groups if is_event_list(list(group.values))]
        if len(events) == 1:
            labels = [tree.values[name] for name in LABELS if name in tree.values]
            return Content(samples=_recordings(events[0]), labels=labels[0] if labels else None)
        held = [name for name, value in tree.values.items() if isinstance(value, np.ndarray)]
        if not held and tree.values:
            raise StimulusError(
                f"it holds no arrays, but {', '.join(list(tree.values)[:5])}; expected an array 'images', 'frames' or "
                "'x', or one group with the columns x, y, t and p of a list of events"
            )
        return chosen(held, tree.values.__getitem__)
    except SpikeportError as error:
        raise StimulusError(f"{path}: {error}") from None


def _recordings(columns: Tree) -> list[Sample]:
    """Return the recordings of a group of columns: one, or one for each row of columns of rows, as in SHD."""
    rows = {name: value.each() for name, value in columns.values.items() if isinstance(value, Rows)}
    if not rows:
        return [events_of(columns.values)]
    if len(rows) < len(columns.values) or len({len(each) for each in rows.values()}) != 1:
        counts = ", ".join(f"{name} {len(each):,}" for name, each in rows.items())
        raise StimulusError(f"its columns of events have rows ({counts}); expected as many in every column")
    found: list[Sample] = []
    for number, values in enumerate(zip(*rows.values(), strict=True)):
        try:
            found.append(events_of(dict(zip(rows, values, strict=True))))
        except StimulusError as error:
            raise StimulusError(f"sample {number}: {error}") from None
    return found


def _cached(tree: Tree) -> Content:
    """Return the sample of a file of tonic's cache; of several pieces of data the events, or the only array."""
    pieces = list(tree.tree("data").values.values())
    found: list[Tree | Array] = [each for each in pieces if isinstance(each, Tree) and is_event_list(list(each.values))]
    found = found or [each for each in pieces if isinstance(each, np.ndarray)]
    if len(found) != 1:
        raise StimulusError(f"'data' holds {len(pieces)} pieces; expected one event list, or one array of frames")
    sample: Sample = events_of(found[0].values) if isinstance(found[0], Tree) else found[0]
    targets = list(tree.tree("target").values.values()) if isinstance(tree.values.get("target"), Tree) else []
    labels = [each for each in targets if isinstance(each, np.ndarray) and each.size == 1 and each.dtype.kind in "iu"]
    return Content(samples=[sample], labels=labels[0].reshape(()) if len(labels) == 1 else None)


def _foreign(paths: Sequence[Path]) -> list[Content]:
    """Read files by a library that is an extra."""
    library = KINDS[paths[0].suffix.lower()]
    if find_spec(library) is None:
        raise StimulusError(
            f"{paths[0]}: reading {paths[0].suffix} files needs {library}: pip install 'spikeport[{EXTRAS[library]}]'"
        )
    found = []
    for part in _parts(paths):
        size = sum(path.stat().st_size for path in part)
        try:
            _, held = isolated.read(
                PROGRAMS[library],
                part,
                size=size,
                libraries=(*LIBRARIES, library),
                extra=LOADING[library],
            )
        except SpikeportError as error:
            raise StimulusError(f"{part[0].parent if len(part) > 1 else part[0]}: {error}") from None
        found += [_numbered(held, number, path) for number, path in enumerate(part)]
    return found


def _numbered(held: dict[str, Array], number: int, path: Path) -> Content:
    own = {name.split(" ", 1)[1]: value for name, value in held.items() if name.startswith(f"{number} ")}
    try:
        return chosen(sorted(own), own.__getitem__)
    except SpikeportError as error:
        raise StimulusError(f"{path}: {error}") from None


def _parts(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield the files that one process reads together."""
    part, size = list[Path](), 0
    for path in paths:
        part.append(path)
        size += check_regular(path, StimulusError, expected="a file of samples")
        if len(part) == TOGETHER or size > BYTES_TOGETHER:
            yield part
            part, size = [], 0
    if part:
        yield part


READERS: dict[str, Reader] = {
    ".npy": _numpy,
    ".npz": _numpy,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    **dict.fromkeys(KINDS, _foreign),
}
"""How a file is read, by the end of its name; one with another end must be .npy or .npz inside."""


def _folder(folder: Path) -> Content:
    """Return the samples of a folder, or of its sub-folders, which are classes then."""
    groups = sorted(each for each in folder.iterdir() if each.is_dir() and each.name[0] != ".")
    inside = {group: _files(group) for group in groups}
    own = _files(folder)
    empty = [group for group, paths in inside.items() if not paths]
    if own or len(empty) == len(inside):
        inside = {group: paths for group, paths in inside.items() if paths}
    elif empty:
        raise StimulusError(f"{empty[0]}: holds no file of samples; a folder without any would be a class of its own")
    if own and inside:
        raise StimulusError(
            f"{folder}: holds files of samples ({own[0].name}) beside folders of them ({next(iter(inside)).name}); "
            "expected one of the two"
        )
    paths = own or [path for group in inside.values() for path in group]
    _check_kind(folder, paths)
    contents = _reader(paths[0])(paths)
    samples = [_one(path, content) for path, content in zip(paths, contents, strict=True)]
    if gestures.is_layout(paths, list(inside)):
        return _gestures(paths, samples)
    labels, notes = _labels(paths, contents, list(inside))
    return Content(samples=samples, labels=labels, notes=notes)


def _gestures(paths: list[Path], samples: list[Sample]) -> Content:
    """Return samples whose labels are the names of their files; folders are users."""
    found = [
        gestures.recording(path, each) if isinstance(each, np.ndarray) else each
        for path, each in zip(paths, samples, strict=True)
    ]
    note = "folders are read as users, names of files as labels, as in DVS Gestures"
    return Content(samples=list(found), labels=np.array([gestures.label(path) for path in paths]), notes=(note,))


def _files(folder: Path) -> list[Path]:
    return sorted(
        (each for each in folder.iterdir() if each.suffix.lower() in READERS and each.is_file()), key=_natural
    )


def _natural(path: Path) -> tuple[tuple[bool, int, str], ...]:
    """Return a key that puts 2 before 10."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+|[0-9]+", path.name)
    return tuple((not p.isdecimal() or len(p) > 18, int(p) if p.isdecimal() and len(p) <= 18 else 0, p) for p in parts)


def _check_kind(folder: Path, paths: list[Path]) -> None:
    kinds = sorted({path.suffix.lower() for path in paths})
    if len(kinds) != 1:
        found = f"files of {', '.join(kinds)}" if kinds else "no file of samples"
        raise StimulusError(f"{folder}: holds {found}; expected files of one kind: {', '.join(READERS)}")
    if len(paths) > MOST_FILES:
        raise StimulusError(f"{folder}: holds {len(paths):,} files; at most {MOST_FILES:,} are read")


def _one(path: Path, content: Content) -> Sample:
    if content.lengths is not None:
        raise StimulusError(f"{path}: holds 'lengths'; a file of a folder holds one sample")
    return content.samples if isinstance(content.samples, np.ndarray) else content.samples[0]


def _labels(paths: list[Path], contents: list[Content], groups: list[Path]) -> tuple[Array | None, tuple[str, ...]]:
    """Return the label that each file holds, else the number of its folder among the sorted ones."""
    held = [content.labels for content in contents]
    own = [label for label in held if label is not None and label.size == 1]
    if len(own) == len(paths):
        return np.array([label.reshape(()) for label in own]), ()
    if any(label is not None for label in held):
        number = next(index for index, label in enumerate(held) if label is None or label.size != 1)
        raise StimulusError(
            f"{paths[number]}: holds no label, as others of the folder do; expected one for each sample"
        )
    if not groups:
        return None, ()
    number_of = {group: index for index, group in enumerate(groups)}
    shown = ", ".join(f"{group.name} {index}" for group, index in list(number_of.items())[:5])
    return np.array([number_of[path.parent] for path in paths]), (f"labels are the folders' numbers: {shown}",)
