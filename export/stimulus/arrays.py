"""Arrays of .npy and .npz files; what an array takes is read from its header and limited before it is unpacked."""

import math
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import numpy.typing as npt

from spikeport.export.errors import SpikeportError, StimulusError, one_line
from spikeport.export.inputs import ROOM, Budget, check_regular
from spikeport.export.network import Array
from spikeport.export.stimulus.content import Content, chosen, sample
from spikeport.export.stimulus.definition import LARGEST_IMAGES

T = TypeVar("T")
PER_BYTE = 100
"""Bytes of images per byte of file beyond `inputs.ROOM`: spikes are mostly zeros, which a .npz packs."""


def read(path: Path) -> Content:
    """Return what a .npy or .npz file holds."""
    return _read(path, chosen, lambda array: Content(samples=sample(array)))


def read_named(path: Path, names: Callable[[Sequence[str]], Iterable[str]]) -> dict[str, Array]:
    """Return the arrays of a .npz file that ``names`` picks from the names of all; the others are not read."""

    def picked(every: Sequence[str], get: Callable[[str], Array]) -> dict[str, Array]:
        return {name: get(name) for name in names(every)}

    def single(_: Array) -> dict[str, Array]:
        raise StimulusError("a .npy file; expected a .npz file with images and labels")

    return _read(path, picked, single)


def _read(path: Path, several: Callable[[Sequence[str], Callable[[str], Array]], T], one: Callable[[Array], T]) -> T:
    """Return what ``several`` makes of the arrays of a .npz file by their names, or ``one`` of that of a .npy file."""
    size = check_regular(path, StimulusError, expected="images (.npy or .npz)")
    try:
        with path.open("rb") as file:
            budget = Budget(min(LARGEST_IMAGES, ROOM + PER_BYTE * size))
            if zipfile.is_zipfile(file):
                return _members(file, budget, several)
            return one(_array(file, size, budget))
    except SpikeportError as error:
        raise StimulusError(f"{path}: {error}") from None
    except Exception as error:  # noqa: BLE001 - a damaged header raises errors of zipfile, tokenize, ast and numpy
        raise StimulusError(f"{path}: not a .npy or .npz file without pickles ({one_line(error)})") from None


def _members(file: IO[bytes], budget: Budget, several: Callable[[Sequence[str], Callable[[str], Array]], T]) -> T:
    with zipfile.ZipFile(file) as archive:
        infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        return several(list(infos), lambda name: _member(archive, infos[name], budget))


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Array:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise StimulusError(f"member {info.filename!r} is packed in a way that numpy does not write; expected deflate")
    try:
        with archive.open(info) as member:
            return _array(member, info.file_size, budget)
    except SpikeportError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged member raises errors of zipfile, zlib and numpy
        raise StimulusError(f"damaged ({one_line(error)})") from None


def _array(file: IO[bytes], size: int, budget: Budget) -> Array:
    """Read one array of a file or member of ``size`` bytes, whose header must fit to that and to the budget."""
    file.seek(0)
    version = np.lib.format.read_magic(file)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in header:
        raise StimulusError(f"version {version} of the .npy format, which holds tables; expected an array of numbers")
    shape, _, dtype = header[version](file)
    if not _are_numbers(dtype):
        raise StimulusError(f"the input has type {dtype}; expected numbers")
    needed = math.prod(shape) * dtype.itemsize
    if needed > size - file.tell():
        raise StimulusError(
            f"its header says {shape} of {dtype}, {needed:,} bytes; the file holds fewer: it is cut off"
        )
    budget.take(needed, f"an array of shape {shape} and type {dtype}")
    file.seek(0)
    array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _are_numbers(dtype: npt.DTypeLike) -> bool:
    """Return whether an array holds numbers, or has fields of numbers, as an event list does."""
    dtype = np.dtype(dtype)
    fields = [dtype.fields[name][0] for name in dtype.names] if dtype.names and dtype.fields else [dtype]
    return bool(fields) and all(each.kind in "biuf" and each.itemsize <= 16 for each in fields)
